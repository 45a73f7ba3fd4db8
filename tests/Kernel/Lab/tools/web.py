#!/usr/bin/python3
"""A web client that says what it likes, inside TLS.

web.py say ADDRESS TEXT          sends TEXT (with \\r\\n and other escapes of Python), prints all that comes back
web.py slow ADDRESS COUNT TIME   tries to hold COUNT connections open for TIME seconds, each dripping a request, one byte a second; what
                                 was cut off is opened anew every second; prints "holding" each second
"""
import socket
import ssl
import sys
import time

tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
tls.check_hostname = False
tls.verify_mode = ssl.CERT_NONE
mode, address = sys.argv[1:3]


def connect():
    return tls.wrap_socket(socket.create_connection((address, 443), timeout=10))


if mode == "say":
    with connect() as sock:
        sock.sendall(sys.argv[3].encode().decode("unicode_escape").encode("latin-1"))
        while data := sock.recv(65536):
            sys.stdout.buffer.write(data)
else:
    held, end = [], time.monotonic() + float(sys.argv[4])
    while time.monotonic() < end:
        for sock in list(held):
            try:
                sock.sendall(b"x")
            except OSError:
                held.remove(sock)
        try:
            while len(held) < int(sys.argv[3]):
                held.append(connect())
                held[-1].sendall(b"GET /")
        except OSError:
            pass
        print("holding", flush=True)
        time.sleep(1)
