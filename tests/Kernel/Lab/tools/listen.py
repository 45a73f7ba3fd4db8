#!/usr/bin/python3
"""Binds a UDP socket and prints what arrives: listen.py ADDRESS PORT SECONDS. Prints "bound" first."""
import socket
import sys
import time

address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind((address, port))
    print("bound", flush=True)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            data, peer = sock.recvfrom(65536)
        except TimeoutError:
            break
        print(peer[0], data.decode(errors="replace").strip(), flush=True)
