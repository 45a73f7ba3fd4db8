#!/usr/bin/python3
"""bound.py DEVICE V4 V6 PORT MARK: sends one datagram in each way in which a socket can name a device or avoid routing.
Prints a line for each: the way, and "sent" or the error."""
import socket, struct, sys

device, v4, v6, port, mark = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5].encode()
index = socket.if_nametoindex(device)


def udp(family):
    return socket.socket(family, socket.SOCK_DGRAM)


def bind_to_device(family):
    s = udp(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    return s, 0, []


def unicast_if(family):  # IP_UNICAST_IF 50, IPV6_UNICAST_IF 76
    s = udp(family)
    s.setsockopt(*((socket.IPPROTO_IP, 50) if family == socket.AF_INET else (socket.IPPROTO_IPV6, 76)), struct.pack("!I", index))
    return s, 0, []


def packet_info(family):
    if family == socket.AF_INET:  # struct in_pktinfo
        info = (socket.IPPROTO_IP, 8, struct.pack("I8x", index))
    else:  # struct in6_pktinfo
        info = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, bytes(16) + struct.pack("I", index))
    return udp(family), 0, [info]


def scope(family):
    return udp(family), index, []


def dont_route(family):
    s = udp(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    return s, 0, []


def own_address(family):
    s = udp(family)
    s.bind(("10.99.1.2" if family == socket.AF_INET else "fd99:1::2", 0))
    return s, 0, []


for way in (bind_to_device, unicast_if, packet_info, scope, dont_route, own_address):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            s, scope_id, extra = way(family)
            to = (v4, port) if family == socket.AF_INET else (v6, port, 0, scope_id)
            s.sendmsg([mark + b" " + way.__name__.encode()], extra, 0, to)
            result = "sent"
        except OSError as e:
            result = e.strerror
        print(way.__name__, "IPv4" if family == socket.AF_INET else "IPv6", result)
