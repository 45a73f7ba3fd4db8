"""A client of alice's own making that holds the descriptor of her tunnel's device, for tests: run as root on the shared host,
each part is played by a child with that user's identity."""
import fcntl
import json
import os
import pwd
import select
import socket
import struct
import traceback

import forwarder_client

INNER4, INNER6 = "10.78.0.9", "fd78::9"
FAR4, FAR6 = "10.99.3.2", "fd99:3::2"
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
TCP, UDP = 6, 17
PLAIN = bytes(10)  # struct virtio_net_hdr


def become(user):
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def play(user, part, *args):
    """What part(*args) returns when that user plays it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            become(user)
            os.write(write, json.dumps(part(*args)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"{user}: {part.__name__} failed")
    return json.loads(said)


class Tunnel:
    """A tunnel of alice's with the fast path, opened by hand; its gateway is nobody."""

    def __init__(self, user="alice", gateway="by-hand", v4=INNER4, v6=INNER6, routes=("10.99.3.0/24", "fd99:3::/64")):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def ask():
            control = forwarder_client.connect()
            reply, fds = forwarder_client.ask(control, operation="Open", gateway=gateway, user="u", addressV4=v4, addressV6=v6,
                                              routes=list(routes), mtu=1500, transport="tls", fastPath=True)
            if fds:
                socket.send_fds(theirs, [b"."], [control.fileno(), *fds])
            return reply

        self.reply = play(user, ask)
        theirs.close()
        fds = socket.recv_fds(ours, 1, 3)[1] if "device" in self.reply else []
        self.device = self.reply.get("device")
        self.control = socket.socket(fileno=fds[0]) if fds else None
        if self.control:
            self.control.settimeout(20)
        self.channel = socket.socket(fileno=fds[1]) if fds else None
        self.tun = fds[2] if len(fds) > 2 else None

    def write(self, packet, header=PLAIN):
        """True when the kernel took it; what the filter thinks of it is another thing."""
        try:
            return os.write(self.tun, header + packet) > 0
        except OSError:
            return False

    def read(self, seconds=0.3):
        """The next packet that leaves by the device, or None."""
        if not select.select([self.tun], [], [], seconds)[0]:
            return None
        return os.read(self.tun, 70000)[len(PLAIN):]

    def heard(self, text, seconds=0.3):
        """Does a packet with this text leave by the device?"""
        while (packet := self.read(seconds)) is not None:
            if text in packet:
                return True
        return False

    def ask(self, **request):
        return forwarder_client.ask(self.control, **request)[0]

    def drops(self):
        return next(t["packetsDropped"] for t in self.ask(operation="Status")["tunnels"] if t["device"] == self.device)


def total(data):
    if len(data) % 2:
        data += b"\0"
    value = sum(struct.unpack(f">{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return ~value & 0xFFFF


def addresses(source, target):
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    return socket.inet_pton(family, source), socket.inet_pton(family, target)


def ip(protocol, source, target, rest, fragment=0, options=b"", extension=b"", first=None):
    """An IP packet; extension headers of IPv6 begin with the number first."""
    a, b = addresses(source, target)
    if len(a) == 16:
        body = extension + rest
        return struct.pack(">IHBB", 6 << 28, len(body), protocol if first is None else first, 64) + a + b + body
    size = 20 + len(options)
    head = struct.pack(">BBHHHBBH", 0x40 | size // 4, 0, size + len(rest), 1, fragment, 64, protocol, 0) + a + b + options
    return head[:10] + struct.pack(">H", total(head)) + head[12:] + rest


def pseudo(protocol, source, target, rest):
    a, b = addresses(source, target)
    return a + b + (struct.pack(">II", len(rest), protocol) if len(a) == 16 else struct.pack(">HH", protocol, len(rest)))


def tcp_segment(source, sport, target, dport, flags, seq=1000, ack=0, data=b""):
    head = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0) + data
    return head[:16] + struct.pack(">H", total(pseudo(TCP, source, target, head) + head)) + head[18:]


def tcp(source, sport, target, dport, flags, seq=1000, ack=0, data=b"", **more):
    return ip(TCP, source, target, tcp_segment(source, sport, target, dport, flags, seq, ack, data), **more)


def udp(source, sport, target, dport, data, **more):
    head = struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data
    head = head[:6] + struct.pack(">H", total(pseudo(UDP, source, target, head) + head) or 0xFFFF) + head[8:]
    return ip(UDP, source, target, head, **more)


def ports(packet):
    """Of a TCP or UDP packet without options: (source port, destination port, sequence number, flags)."""
    at = 40 if packet[0] >> 4 == 6 else 20
    sport, dport, seq = struct.unpack_from(">HHI", packet, at)
    return sport, dport, seq, packet[at + 13]


def ioctl(fd, number, argument):
    """None, or the name of the error."""
    try:
        fcntl.ioctl(fd, number, argument)
        return None
    except OSError as error:
        return os.strerror(error.errno)
