#!/usr/bin/python3
"""Says one line to the inner host's who server and prints the answer.

usage: talk.py tcp|udp ADDRESS TEXT [--port N] [--source ADDRESS] [--sport N] [--device NAME] [--timeout SECONDS]
Exit status 0: answered; 1: no answer (the reason, an errno name, on stderr).
--source, --sport and --device bind the socket as an unprivileged program can.
"""
import argparse
import errno
import socket
import sys


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=["tcp", "udp"])
    parser.add_argument("address")
    parser.add_argument("text")
    parser.add_argument("--port", type=int, default=7007)
    parser.add_argument("--source", default="")
    parser.add_argument("--sport", type=int, default=0)
    parser.add_argument("--device", default="")
    parser.add_argument("--timeout", type=float, default=3)
    args = parser.parse_args()
    family = socket.AF_INET6 if ":" in args.address else socket.AF_INET
    kind = socket.SOCK_STREAM if args.protocol == "tcp" else socket.SOCK_DGRAM
    try:
        with socket.socket(family, kind) as sock:
            sock.settimeout(args.timeout)
            if args.device:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, args.device.encode() + b"\0")
            if args.source or args.sport:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((args.source, args.sport))
            sock.connect((args.address, args.port))
            sock.sendall(args.text.encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                data = sock.recv(65536)
                if not data:
                    raise ConnectionResetError(errno.ECONNRESET, "closed before the answer was whole")
                answer += data
    except TimeoutError:
        print("ETIMEDOUT", file=sys.stderr)
        return 1
    except OSError as error:
        print(errno.errorcode.get(error.errno, str(error)), file=sys.stderr)
        return 1
    sys.stdout.write(answer.decode(errors="replace"))
    return 0


sys.exit(main())
