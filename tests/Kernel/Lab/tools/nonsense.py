#!/usr/bin/python3
"""A peer that does not speak the protocol.

nonsense.py talk KIND PORT ADDRESS     as a client; ends with 0 once the server has closed the connection
nonsense.py serve KIND PORT PEM        as a server; prints "ready"; serves until killed
KIND: clear      bytes that are not TLS at all
      alien      TLS, but of another protocol (no ALPN)
      garbage    random bytes inside TLS
      truncated  half a frame, then the end of the stream
      oversized  a frame header with the largest length there is, then as much data as is taken
      silent     nothing at all
A frame begins with its type (1 byte: 0x01 HELLO from a client, 0x81 HELLO_REPLY from a server) and length (3 bytes).
"""
import random
import socket
import ssl
import sys
import time

random.seed(7570)


def nonsense(sock, kind):
    try:
        if kind == "garbage":
            for _ in range(50):
                sock.sendall(random.randbytes(16384))
        elif kind == "clear":
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n" + random.randbytes(4096))
        elif kind == "truncated":
            sock.sendall(HEAD + b"\0\0\x40" + b"half")
            sock.unwrap()
        elif kind == "oversized":
            sock.sendall(HEAD + b"\xff\xff\xff")
            for _ in range(100):
                sock.sendall(b"\0" * 65536)
        elif kind == "silent":
            time.sleep(30)
        sock.settimeout(10)
        while sock.recv(65536):
            pass
    except TimeoutError:
        sys.exit("the peer did not close the connection within 10 s")
    except OSError as error:
        print("closed:", error)  # being cut off is what is expected


def context(side):
    tls = ssl.SSLContext(side)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    if kind != "alien":
        tls.set_alpn_protocols(["pvpn/1"])
    return tls


mode, kind, port, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
HEAD = b"\x01" if mode == "talk" else b"\x81"
if mode == "talk":
    with socket.create_connection((last, port), timeout=10) as plain:
        if kind == "clear":
            nonsense(plain, kind)
        else:
            with context(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(plain) as sock:
                nonsense(sock, kind)
else:
    tls = context(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(last)
    with socket.create_server(("", port)) as listener:
        print("ready", flush=True)
        while True:
            plain, _ = listener.accept()
            if kind == "clear":
                nonsense(plain, kind)
                continue
            try:
                with tls.wrap_socket(plain, server_side=True) as sock:
                    nonsense(sock, kind)
            except OSError as error:
                print("handshake:", error)
