#!/usr/bin/python3
"""Many tunnels of one user, each with many destinations: many_tunnels.py TUNNELS ROUTES. Prints "ready", holds them until killed."""
import sys
import time

from forwarder_client import connect, open_tunnel

tunnels, routes = int(sys.argv[1]), int(sys.argv[2])
held = []
for t in range(tunnels):
    sock = connect()
    reply, channel = open_tunnel(sock, f"gw{t}", v6=f"fd88::{t + 1:x}",
                                 routes=[f"2001:db8:1234:5678:9abc:{t + 0x1000:x}:{r + 0x1000:x}:1111/128" for r in range(routes)])
    if channel is None:
        sys.exit(f"tunnel {t}: {reply}")
    held.append((sock, channel))
print("ready", flush=True)
time.sleep(120)
