#!/usr/bin/python3
"""A name server (RFC 1035) that knows one name: names.py ADDRESS NAME IPV4. Prints "ready"; AAAA questions get no record."""
import socket
import struct
import sys

address, name, answer = sys.argv[1:4]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((address, 53))
print("ready", flush=True)
wanted = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
while True:
    question, peer = sock.recvfrom(512)
    end = question.index(b"\0", 12) + 5
    kind = struct.unpack_from(">H", question, end - 4)[0]
    known = question[12:end - 4].lower() == wanted
    records = [b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(answer)] if known and kind == 1 else []
    head = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, len(records), 0, 0)
    sock.sendto(head + question[12:end] + b"".join(records), peer)
