#!/usr/bin/python3
"""Tunnels of many users without their pvpn processes: tunnels.py [--leave] SOCKET COUNT [FIRST_UID]. Root.

Speaks the Forwarder's control protocol (docs/protocol.md) as each of these users in turn; no server is behind them. Prints how
long the Forwarder took to open them, holds them until standard input ends, takes them down one by one, and says how long that
took; with --leave it just ends, and they stay blocked until the Forwarder ends.
"""
import array
import json
import os
import resource
import socket
import sys
import time

words = [word for word in sys.argv[1:] if word != "--leave"]
path, count, first = words[0], int(words[1]), int(words[2]) if len(words) > 2 else 20000
resource.setrlimit(resource.RLIMIT_NOFILE, (4 * count + 256, max(4 * count + 256, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))


def ask(sock, request):
    sock.send(json.dumps(request).encode())
    text, control, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(64))
    reply = json.loads(text)
    if reply.get("error"):
        sys.exit(f"tunnels: {reply['error']}")
    return [fd for _, _, data in control for fd in array.array("i", data[:len(data) // 4 * 4])]


held, took = [], []
for i in range(count):
    os.seteuid(first + i)  # SO_PEERCRED tells the effective user at the time of connect()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.connect(path)
    os.seteuid(0)
    began = time.perf_counter()
    channel = ask(sock, {
        "operation": "Open", "gateway": "10.99.1.1:443", "user": f"user{i}", "mtu": 1400, "transport": "tls",
        "addressV4": f"10.78.{i // 250}.{i % 250 + 1}", "addressV6": f"fd78::{i + 1:x}", "routes": ["10.99.2.0/24", "10.99.3.0/24", "fd99:2::/64", "fd99:3::/64"]})
    took.append((time.perf_counter() - began) * 1000)
    held.append((sock, channel))


def summary(name, values):
    print(f"{name}: {len(values)}, last {values[-1]:.1f} ms, median {sorted(values)[len(values) // 2]:.1f} ms, worst {max(values):.1f} ms", flush=True)


if took:
    summary("opened", took)
print("ready", flush=True)
sys.stdin.read()
if "--leave" in sys.argv:
    os._exit(0)
took.clear()
for sock, _ in held:
    began = time.perf_counter()
    ask(sock, {"operation": "Close"})
    took.append((time.perf_counter() - began) * 1000)
if took:
    summary("closed", took)
