#!/usr/bin/python3
"""One user leaves UDP ports behind, another one takes each over at once.

port_heir.py leave ADDRESS FIRST COUNT SERVER    asks SERVER from each port and closes it without waiting for the answer
port_heir.py inherit ADDRESS FIRST COUNT         binds each port the moment it is free; prints every answer that comes to it
"""
import socket
import sys
import time

mode, address, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in address else socket.AF_INET


def bound(port):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.bind((address, port))
        return sock
    except OSError:
        sock.close()
        return None


if mode == "leave":
    socks = [bound(first + i) for i in range(count)]
    print("bound", flush=True)
    time.sleep(1.5)  # now the heir waits for them
    for i, sock in enumerate(socks):
        sock.sendto(b"secret %d\n" % i, (sys.argv[5], 7007))
        sock.close()
        time.sleep(0.05)
else:
    end = time.monotonic() + 10
    heirs = []
    while len(heirs) < count and time.monotonic() < end:
        if sock := bound(first + len(heirs)):
            sock.setblocking(False)
            heirs.append(sock)
    time.sleep(0.5)
    for sock in heirs:
        try:
            print("heard", sock.recv(4096).decode(errors="replace").strip(), flush=True)
        except BlockingIOError:
            pass
    print("inherited", len(heirs), flush=True)
