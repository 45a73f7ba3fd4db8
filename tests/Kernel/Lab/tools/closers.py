#!/usr/bin/python3
"""closers.py ADDRESS COUNT: short connections to the inner host's servers, closed by either side first, with and without unread
data and while data is still on its way. Prints how many failed."""
import socket
import struct
import sys

address, count = sys.argv[1], int(sys.argv[2])
failed = 0
for i in range(count):
    way = i % 5
    try:
        with socket.create_connection((address, 7009 if way in (1, 2) else 7008 if way == 4 else 7007), timeout=5) as sock:
            if way == 0:  # we close first
                sock.sendall(b"hello\n")
                sock.recv(100)
            elif way == 1:  # the server closes first
                sock.sendall(b"1000\n")
                while sock.recv(4096):
                    pass
            elif way == 2:  # closed with data unread: RST
                sock.sendall(b"50000\n")
                sock.recv(10)
            elif way == 3:  # reset
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:  # the socket's end comes before its data's
                sock.sendall(bytes(20000))
    except OSError as error:
        failed += 1
        print(i, error)
print("failed", failed)
