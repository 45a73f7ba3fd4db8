#!/usr/bin/python3
"""log_group.py GROUP: listens to a netfilter log group, as ulogd does, until it is killed."""
import signal
import socket
import struct
import sys

sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
body = struct.pack(">BBH", 0, 0, int(sys.argv[1])) + struct.pack("HHB3x", 5, 1, 1)  # NFULA_CFG_CMD: bind
sock.send(struct.pack("IHHII", 16 + len(body), 4 << 8 | 1, 5, 1, 0) + body)
if struct.unpack_from("i", sock.recv(4096), 16)[0]:
    sys.exit("the group is taken")
print("listening", flush=True)
signal.pause()
