#!/usr/bin/python3
"""Writes to the inner host's sink and closes right after the last write, without waiting for anything.

usage: burst.py ADDRESS COUNT MAX_BYTES
COUNT connections one after the other, sizes spread from 1 byte to MAX_BYTES; prints "<bytes> <sha256>" for each.
"""
import hashlib
import os
import socket
import sys

address, count, largest = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(count):
    data = os.urandom(1 + (largest - 1) * i // max(count - 1, 1))
    with socket.create_connection((address, 7008), timeout=20) as sock:
        sock.sendall(data)
    print(len(data), hashlib.sha256(data).hexdigest(), flush=True)
