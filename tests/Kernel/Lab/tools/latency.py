#!/usr/bin/python3
"""0-byte web requests, a new connection each, one at a time.

usage: latency.py ADDRESS COUNT
Prints one line of JSON, milliseconds: {"median": x, "max": x, "count": n}. Any wrong answer ends it with status 1.
"""
import json
import socket
import statistics
import sys
import time

address, count = sys.argv[1], int(sys.argv[2])
host = f"[{address}]" if ":" in address else address
request = f"GET /0.bin HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
times = []
for _ in range(count):
    began = time.perf_counter()
    with socket.create_connection((address, 80), timeout=5) as sock:
        sock.sendall(request)
        answer = b""
        while data := sock.recv(4096):
            answer += data
    times.append((time.perf_counter() - began) * 1000)
    if not answer.startswith(b"HTTP/1.1 200") or b"Content-Length: 0" not in answer:
        sys.exit(f"not the answer of a 0-byte file: {answer!r}")
print(json.dumps({"median": statistics.median(times), "max": max(times), "count": count}))
