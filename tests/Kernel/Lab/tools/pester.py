#!/usr/bin/python3
"""Everything a local stranger can throw at the Forwarder's control socket: pester.py PATH. Ends with 0 when done.

Garbage, half messages, huge messages, deep nesting, descriptors of the wrong kind and too many of them,
connections that say nothing, connections that go away at once.
"""
import os
import random
import socket
import sys

path = sys.argv[1]
random.seed(7570)
pipe, _ = os.pipe()
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.bind(("127.0.0.1", 0))
listener.listen()
connected = socket.create_connection(listener.getsockname())

MESSAGES = [b"", b"\0", b"{", b"[]", b"null", b"{}", b'"x"', b"[" * 5000, b'{"operation":"Mark"}', b'{"operation":"Open"}',
            b'{"operation":"None"}', b'{"operation":"Down","all":true}', b'{"operation":"Status","uid":0}', b'{"operation":99}',
            b'{"operation":"Open","gateway":"g","user":"u","addressV4":"127.0.0.1","routes":["0.0.0.0/0"],"mtu":1400}',
            b'{"operation":"Open","gateway":"' + b"g" * 40000 + b'","user":"u","addressV4":"10.77.0.9","routes":["10.99.2.0/24"],"mtu":-1}',
            b'{"operation":"Check","destination":"not an address"}', random.randbytes(60000), b"A" * 65536]
DESCRIPTORS = [[], [pipe], [datagram.fileno()], [connected.fileno()], [listener.fileno()], [pipe] * 16]


def connect():
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(2)
    sock.connect(path)
    return sock


idle = []
for _ in range(20):
    try:
        idle.append(connect())
    except OSError as error:
        print("idle connection:", error)
for message in MESSAGES:
    for descriptors in DESCRIPTORS:
        try:
            with connect() as sock:
                socket.send_fds(sock, [message], descriptors)
                if random.random() < 0.5:
                    sock.recv(65536)
        except OSError as error:
            print(message[:20], descriptors, error)  # being thrown out is the expected end
for sock in idle:
    sock.close()
