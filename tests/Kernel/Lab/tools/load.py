#!/usr/bin/python3
"""Traffic of every kind to the inner host until killed, whatever happens to the network.

usage: load.py MARK ADDRESS...
For each address: a TCP upload that reconnects at once, new short TCP connections, and datagrams, all with MARK in
them. Prints "flowing" once an answer has come from every address, and "again" whenever answers come after a gap.
"""
import itertools
import socket
import sys
import threading
import time

MARK, ADDRESSES = sys.argv[1].encode(), sys.argv[2:]
answered = {address: 0.0 for address in ADDRESSES}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def upload(address):
    block = (MARK + b" ") * (65536 // (len(MARK) + 1))
    while True:
        try:
            with socket.create_connection((address, 7008), timeout=1) as sock:
                while True:
                    sock.sendall(block)
                    time.sleep(0.001)
        except OSError:
            time.sleep(0.01)  # refused, unreachable, reset: that is what the test brings about


def short(address):
    for i in itertools.count():
        try:
            with socket.create_connection((address, 7007), timeout=0.5) as sock:
                sock.sendall(MARK + b" %d\n" % i)
                if sock.recv(4096):
                    answered[address] = time.monotonic()
        except OSError:
            time.sleep(0.005)
        time.sleep(0.002)


def datagrams(address):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    sock.setblocking(False)
    for i in itertools.count():
        try:
            sock.sendto(MARK + b" %d" % i, (address, 7007))
            sock.recv(4096)
        except OSError:
            time.sleep(0.001)
        time.sleep(0.001)


for address in ADDRESSES:
    for work in (upload, short, datagrams):
        threading.Thread(target=work, args=(address,), daemon=True).start()
flowing, said = False, False
while True:
    now = time.monotonic()
    good = all(now - at < 0.5 for at in answered.values())
    if good and not flowing:
        print("again" if said else "flowing", flush=True)
        said = True
    flowing = good
    time.sleep(0.01)
