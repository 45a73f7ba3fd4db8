#!/usr/bin/python3
"""The inner host's servers, one set per address given (usage: inner.py SINK_LOG ADDRESS...).

port 7007 TCP, UDP  who: answers each line or datagram with "<address seen> <port seen> <what was sent>";
                    a datagram that begins with "later" is answered after 0.7 s
port 7008 TCP       sink: reads until the end of the stream, then appends
                    "<address seen> <bytes> <sha256> <eof|ErrorName>" to SINK_LOG; it sends nothing back
port 7009 TCP       source: reads "<bytes>\\n", sends that many bytes of a fixed pattern and closes at once
"""
import asyncio
import hashlib
import socket
import sys

WHO, SINK, SOURCE = 7007, 7008, 7009
PATTERN = bytes(range(256)) * 4096


def peer_of(writer):
    name = writer.get_extra_info("peername")
    return name[0], name[1]


async def who(reader, writer):
    address, port = peer_of(writer)
    try:
        while line := await reader.readline():
            writer.write(f"{address} {port} ".encode() + line)
            await writer.drain()
    except ConnectionError as error:
        print(f"who: {address} {port}: {error}", flush=True)
    writer.close()


def sink(log):
    async def serve(reader, writer):
        address, _ = peer_of(writer)
        digest, size, end = hashlib.sha256(), 0, "eof"
        try:
            while data := await reader.read(1 << 20):
                digest.update(data)
                size += len(data)
        except ConnectionError as error:
            end = type(error).__name__
        with open(log, "a", encoding="ascii") as file:
            file.write(f"{address} {size} {digest.hexdigest()} {end}\n")
        writer.close()
    return serve


async def source(reader, writer):
    try:
        left = int(await reader.readline() or b"0")
        while left > 0:
            block = PATTERN[:min(left, len(PATTERN))]
            writer.write(block)
            await writer.drain()
            left -= len(block)
    except (ConnectionError, ValueError) as error:
        print(f"source: {peer_of(writer)}: {error}", flush=True)
    writer.close()


class WhoDatagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        answer = f"{addr[0]} {addr[1]} ".encode() + data
        if data.startswith(b"later"):
            asyncio.get_running_loop().call_later(0.7, self.transport.sendto, answer, addr)
        else:
            self.transport.sendto(answer, addr)

    def error_received(self, exc):
        print(f"who: {exc}", flush=True)


async def main():
    log, addresses = sys.argv[1], sys.argv[2:]
    open(log, "a", encoding="ascii").close()
    loop = asyncio.get_running_loop()
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        await asyncio.start_server(who, address, WHO, backlog=4096)
        await asyncio.start_server(sink(log), address, SINK, backlog=4096)
        await asyncio.start_server(source, address, SOURCE, backlog=4096)
        await loop.create_datagram_endpoint(WhoDatagrams, local_addr=(address, WHO), family=family)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
