#!/usr/bin/python3
"""Reads what a tap wrote and answers the demo's questions: wire.py PCAP GATEWAY MARK...

Prints "name value" lines:
  tunnel-packets N     TCP packets to or from the gateway's port 443
  tunnel-bytes N       their payload
  tunnel-tls yes|no    every connection among them is a sequence of TLS records, from its first byte on
  other-packets N      IP packets that are neither these nor housekeeping of the link (neighbour discovery, MLD)
  mark-TEXT N          packets in which TEXT can be read
  line-TEXT ...        the longest readable run of characters that TEXT stands in
"""
import collections
import ipaddress
import re
import struct
import sys

path, gateway, marks = sys.argv[1], ipaddress.ip_address(sys.argv[2]), sys.argv[3:]


def packets(data):
    """The IP packets of a pcap file with Ethernet frames."""
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + 16:at + 16 + size]
        at += 16 + size
        kind = struct.unpack_from(">H", frame, 12)[0] if len(frame) > 34 else 0
        ip = frame[14:]
        if kind == 0x0800:
            ip = ip[:struct.unpack_from(">H", ip, 2)[0] or None]
            yield ip, ipaddress.ip_address(ip[12:16]), ipaddress.ip_address(ip[16:20]), ip[9], ip[(ip[0] & 15) * 4:]
        elif kind == 0x86DD and len(ip) >= 40:
            yield ip, ipaddress.ip_address(ip[8:24]), ipaddress.ip_address(ip[24:40]), ip[6], ip[40:]


def is_tls(segments):
    """True when the joined segments are TLS records (RFC 8446 section 5.1), beginning with a handshake."""
    stream = bytearray()
    for offset in sorted(segments):
        if offset > len(stream):
            break
        if offset + len(segments[offset]) > len(stream):
            stream[offset:] = segments[offset]
    at, first = 0, True
    while at + 5 <= len(stream):
        kind, version, length = struct.unpack_from(">BHH", stream, at)
        if not 20 <= kind <= 23 or version not in (0x0301, 0x0303) or length > 16640 or (first and kind != 22):
            return False
        at, first = at + 5 + length, False
    return True


tunnel = tunnel_bytes = other = 0
found, lines = collections.Counter(), {}
starts, streams = {}, collections.defaultdict(dict)
with open(path, "rb") as file:
    capture = file.read()
for ip, source, target, protocol, rest in packets(capture):
    housekeeping = protocol == 0 or (protocol == 58 and (target.is_multicast or 133 <= rest[0] <= 137))
    ports = struct.unpack_from(">HH", rest) if protocol in (6, 17) and len(rest) >= 8 else (0, 0)
    if protocol == 6 and gateway in (source, target) and 443 in ports:
        tunnel += 1
        sequence, flags = struct.unpack_from(">I", rest, 4)[0], rest[13]
        payload = rest[(rest[12] >> 4) * 4:]
        tunnel_bytes += len(payload)
        key = (source, target, ports)
        if flags & 2:
            starts[key] = (sequence + 1) & 0xFFFFFFFF
        if payload and key in starts:
            offset = (sequence - starts[key]) & 0xFFFFFFFF
            if len(streams[key].get(offset, b"")) < len(payload):
                streams[key][offset] = payload
    elif not housekeeping:
        other += 1
    for mark in marks:
        if mark.encode() in ip:
            found[mark] += 1
            payload = rest[(rest[12] >> 4) * 4:] if protocol == 6 else rest[8:]
            for run in re.findall(rb"[ -~]*" + re.escape(mark.encode()) + rb"[ -~]*", payload):
                lines[mark] = max(lines.get(mark, ""), run.decode().strip(), key=len)

print("tunnel-packets", tunnel)
print("tunnel-bytes", tunnel_bytes)
print("tunnel-tls", "yes" if streams and all(is_tls(s) for s in streams.values()) else "no")
print("other-packets", other)
for mark in marks:
    print(f"mark-{mark}", found[mark])
    print(f"line-{mark}", lines.get(mark, ""))
