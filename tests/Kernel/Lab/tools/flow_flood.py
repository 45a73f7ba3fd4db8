#!/usr/bin/python3
"""flow_flood.py ADDRESS SECONDS: UDP from as many ports to as many ports as there is time for, each a new flow. Prints how many."""
import socket
import sys
import time

address, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
socks = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(100)]
for sock in socks:
    sock.bind(("::" if ":" in address else "0.0.0.0", 0))
    sock.setblocking(False)
sent = 0
print("flooding", flush=True)
while time.monotonic() < end:
    for port in range(10000, 60000, 97):
        try:
            socks[sent % len(socks)].sendto(b"x", (address, port))
        except OSError:
            time.sleep(0.0001)
        sent += 1
        if time.monotonic() >= end:
            break
print("sent", sent)
