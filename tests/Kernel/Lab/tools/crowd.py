#!/usr/bin/python3
"""Many web requests at once from forced source ports; each must get the answer to its own question.

usage: crowd.py ADDRESS COUNT FIRST_PORT TAG [START_FILE]
Request i binds source port FIRST_PORT + i, all connections are open before the first request is written, and each
asks /who?tag=TAG-i. The web server answers "<address seen> <port seen> <tag>". With START_FILE, waits until that
file exists, so that two crowds start together. Prints one line of JSON:
{"answered": n, "crossed": n, "failed": n, "addresses": [...], "errors": [...]}
"""
import asyncio
import json
import os
import socket
import sys
import time


async def main():
    address, count, first, tag = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    start = sys.argv[5] if len(sys.argv) > 5 else None
    result = {"answered": 0, "crossed": 0, "failed": 0}
    addresses, errors = set(), set()
    loop = asyncio.get_running_loop()
    everybody = asyncio.Barrier(count)

    async def ask(i):
        mine = f"{tag}-{i}"
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        connected = False
        try:
            # two users may hold the same port on different addresses when both say so
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", first + i))
            await asyncio.wait_for(loop.sock_connect(sock, (address, 80)), 20)
            connected = True
            await asyncio.wait_for(everybody.wait(), 25)
            host = f"[{address}]" if ":" in address else address
            request = f"GET /who?tag={mine} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            await loop.sock_sendall(sock, request.encode())
            answer = b""
            while data := await asyncio.wait_for(loop.sock_recv(sock, 4096), 20):
                answer += data
            seen, port, said = answer.decode().split("\r\n\r\n", 1)[1].split()
            addresses.add(seen)
            result["answered" if said == mine and int(port) == first + i else "crossed"] += 1
        except (OSError, TimeoutError, ValueError, asyncio.BrokenBarrierError, IndexError) as error:
            result["failed"] += 1
            errors.add(f"{type(error).__name__}: {error}")
            if not connected:
                await everybody.abort()
        finally:
            sock.close()

    if start:
        end = time.monotonic() + 20
        while not os.path.exists(start) and time.monotonic() < end:
            time.sleep(0.001)
    await asyncio.gather(*(ask(i) for i in range(count)))
    print(json.dumps(result | {"addresses": sorted(addresses), "errors": sorted(errors)[:5]}))


asyncio.run(main())
