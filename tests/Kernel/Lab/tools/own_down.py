#!/usr/bin/python3
"""own_down.py SOCKET: opens a tunnel by hand and takes it down on the same connection; prints pvpnd's answers, one a line."""
import json, socket, sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(5)
s.connect(sys.argv[1])


def ask(**request):
    s.send(json.dumps(request).encode())
    answer, fds, _, _ = socket.recv_fds(s, 65536, 1)
    reply = json.loads(answer)
    print(request["operation"], reply.get("code", "None"), reply.get("error", ""))


ask(operation="Open", gateway="by-hand", user="alice", addressV4="10.78.0.9", routes=["10.99.3.0/24"], mtu=1500, transport="tls")
ask(operation="Down", all=True)
ask(operation="Status")
