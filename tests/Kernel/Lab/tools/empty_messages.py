#!/usr/bin/python3
"""Empty messages that carry descriptors to the Forwarder's control socket: empty_messages.py COUNT."""
import os
import sys

from forwarder_client import connect, rights

pipe = os.pipe()
for _ in range(int(sys.argv[1])):
    with connect() as sock:
        sock.sendmsg([b""], rights(pipe))
        while sock.recv(4096):
            pass
