#!/usr/bin/python3
"""Sends and receives at the same time at a steady pace, over two TCP connections that may not break.

usage: paced_transfer.py ADDRESS MEGABYTES MEGABYTES_PER_SECOND MARK
Up: to the inner host's sink, which logs what it got (inner.py). Down: from its source, read at the same pace. After a stop of the
network neither hurries to make up for it. Prints "up N" and "down N" (megabytes so far, every two), at the end of each
"up done BYTES SHA256" and "down done BYTES SHA256", and ends with 0 when both are.
"""
import hashlib
import socket
import sys
import threading
import time

SINK, SOURCE, BLOCK = 7008, 7009, 65536
ADDRESS, TOTAL, PACE, MARK = sys.argv[1], int(sys.argv[2]) * 1000000, float(sys.argv[3]) * 1e6, sys.argv[4].encode()
failed = []


def say(*words):
    print(*words, flush=True)


def paced(name, step):
    """step(most) moves some bytes and returns them."""
    digest, done, said = hashlib.sha256(), 0, 0
    while done < TOTAL:
        began = time.monotonic()
        data = step(min(BLOCK, TOTAL - done))
        digest.update(data)
        done += len(data)
        if done - said >= 2000000:
            said = done
            say(name, done // 1000000)
        time.sleep(max(0.0, len(data) / PACE - (time.monotonic() - began)))
    say(name, "done", done, digest.hexdigest())


def up():
    number = 0
    with socket.create_connection((ADDRESS, SINK)) as sock:
        def step(most):
            nonlocal number
            number += 1
            line = b"%s %d " % (MARK, number)
            data = (line * (most // len(line) + 1))[:most]
            sock.sendall(data)
            return data
        paced("up", step)
        sock.shutdown(socket.SHUT_WR)
        if sock.recv(1):
            raise OSError("the sink sent something")


def down():
    with socket.create_connection((ADDRESS, SOURCE)) as sock:
        sock.sendall(b"%d\n" % TOTAL)

        def step(most):
            data = sock.recv(most)
            if not data:
                raise OSError("the source ended too early")
            return data
        paced("down", step)
        if sock.recv(1):
            raise OSError("the source sent too much")


def run(name, work):
    try:
        work()
    except OSError as error:
        failed.append(name)
        say(name, "broken", error)


threads = [threading.Thread(target=run, args=pair) for pair in (("up", up), ("down", down))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(1 if failed else 0)
