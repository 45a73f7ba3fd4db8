"""The Forwarder's control protocol for tests: one JSON message per request on a SEQPACKET socket, descriptors by SCM_RIGHTS."""
import array
import json
import socket

PATH = "/run/pvpn/forwarder.sock"


def connect():
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(20)
    sock.connect(PATH)
    return sock


def rights(fds):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]


def ask(sock, fds=(), **request):
    """Sends a request; returns the reply and the descriptors that came with it."""
    sock.sendmsg([json.dumps(request).encode()], rights(fds) if fds else [])
    data, control, _, _ = sock.recvmsg(1 << 20, 1024)
    got = array.array("i")
    for _, _, payload in control:
        got.frombytes(payload[:len(payload) - len(payload) % got.itemsize])
    return json.loads(data), list(got)


def open_tunnel(sock, gateway, v4=None, v6=None, routes=("10.99.3.0/24",), mtu=1500):
    """Asks for a tunnel; returns the reply and the packet channel or None."""
    request = {"operation": "Open", "gateway": gateway, "user": "u", "routes": list(routes), "mtu": mtu, "transport": "tls"}
    if v4:
        request["addressV4"] = v4
    if v6:
        request["addressV6"] = v6
    reply, fds = ask(sock, **request)
    return reply, socket.socket(fileno=fds[0]) if fds else None
