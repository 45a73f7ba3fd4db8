#!/usr/bin/python3
"""One TCP connection and one UDP socket to the inner host's who server, the same ones for as long as this runs.

usage: steady.py ADDRESS...
Per address a numbered line goes over the connection (the next one once it was answered) and numbered datagrams from the socket.
Prints "tcp|udp ADDRESS N" for each answer; "tcp ADDRESS broken ERRNO" when the connection ends, and "tcp|udp ADDRESS seen from A P"
for the first answer and whenever the who server saw the line come from somewhere else than before.
"""
import errno
import socket
import sys
import threading
import time

WHO = 7007
gate = threading.Lock()


def say(*words):
    with gate:
        print(*words, flush=True)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def answered(kind, address, answer, before):
    source, port, number = answer.decode().split()
    if (source, port) != before:
        say(kind, address, "seen from", source, port)
    say(kind, address, number)
    return source, port


def stream(address):
    seen, number = None, 0
    try:
        with socket.create_connection((address, WHO)) as sock, sock.makefile("rb") as lines:
            while True:
                number += 1
                sock.sendall(b"%d\n" % number)
                answer = lines.readline()
                if not answer:
                    raise ConnectionResetError(errno.ECONNRESET, "the end of the stream")
                seen = answered("tcp", address, answer, seen)
                time.sleep(0.05)
    except OSError as error:
        say("tcp", address, "broken", errno.errorcode.get(error.errno, str(error)))


def datagrams(address):
    seen, number = None, 0
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.connect((address, WHO))
        sock.settimeout(0.25)
        while True:
            number += 1
            try:
                sock.send(b"%d" % number)
                seen = answered("udp", address, sock.recv(4096), seen)
            except OSError:
                pass  # lost or refused for now: the socket stays
            time.sleep(0.05)


for target in sys.argv[1:]:
    for work in (stream, datagrams):
        threading.Thread(target=work, args=(target,), daemon=True).start()
while True:
    time.sleep(3600)
