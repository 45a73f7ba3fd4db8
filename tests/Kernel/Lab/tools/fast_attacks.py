#!/usr/bin/python3
"""fast_attacks.py SCENE: what bob tries at alice's fast path, and what alice does with the descriptor of her device; run as root on
the shared host. Prints a line for everything that went where it should not, and "done"."""
import contextlib
import random
import subprocess
import sys
import time

from fast_path import *

HOST4, HOST6 = "10.99.1.2", "fd99:1::2"
BOTH = ((INNER4, FAR4), (INNER6, FAR6))


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(kind, address, port):
    sock = socket.socket(family(address), kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    sock.setblocking(False)
    return sock


def arrived(socks):
    found = []
    for sock in socks:
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(str(sock.accept()[1] if sock.type == socket.SOCK_STREAM else sock.recv(2000)))
    return found


def bobs_sockets():
    """What all the world may have: sockets bound to no address."""
    return [listen(kind, any_, 4000) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM) for any_ in ("0.0.0.0", "::")]


def bob_sends(device):
    """One packet in each way to the tunnel, by a user who has none."""
    for inner, far in BOTH:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            for bound, way in ((inner, None), (inner, device), ("", device)):
                sock = socket.socket(family(far), kind)
                sock.setblocking(False)
                with contextlib.suppress(OSError):
                    if way:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, way.encode())
                    if bound:
                        sock.bind((bound, 0))
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 6)
                    if kind == socket.SOCK_DGRAM:
                        sock.sendto(b"it-is-bob", (far, 7))
                    else:
                        sock.connect((far, 6666))
                sock.close()
    return True


def stranger(tunnel):
    play("bob", bob_sends, tunnel.device)
    while (packet := tunnel.read(0.2)) is not None:
        print("bob's packet is in the tunnel", packet[:60].hex())


def forbidden():
    """What the owner may not write into the device, whatever she likes."""
    for inner, far, host in ((INNER4, FAR4, HOST4), (INNER6, FAR6, HOST6)):
        six = ":" in inner
        other = "fd99:2::2" if six else "10.99.2.2"
        for target in (inner, host, "::1" if six else "127.0.0.1", "ff02::1" if six else "255.255.255.255"):
            for source in (far, other, host, "::1" if six else "127.0.0.1", inner):
                yield udp(source, 53, target, 4000, b"forged")
                for flags in (SYN, SYN | URG, SYN | FIN, SYN | PSH, SYN | RST, SYN | 0xC0):
                    yield tcp(source, 999, target, 4000, flags)
                if target != inner:
                    yield tcp(source, 999, target, 4000, ACK, data=b"forged")
        segment = tcp_segment(far, 999, inner, 4000, SYN)
        datagram = udp(far, 53, inner, 4000, b"forged")[40 if six else 20:]
        if six:
            for packet, rest in ((TCP, segment), (UDP, datagram)):
                for number, extension in ((0, bytes(8)), (60, bytes(8)), (43, struct.pack(">BBBB4x", 0, 2, 2, 1) + socket.inet_pton(socket.AF_INET6, host))):
                    yield ip(packet, far, inner, rest, extension=bytes([packet]) + extension[1:], first=number)
                yield ip(packet, far, inner, rest[:8], extension=struct.pack(">BBHI", packet, 0, 1, 7), first=44)
                yield ip(packet, far, inner, rest[8:], extension=struct.pack(">BBHI", packet, 0, 8, 7), first=44)
            yield ip(58, far, inner, bytes([137, 0]) + bytes(40))
        else:
            for packet, rest in ((TCP, segment), (UDP, datagram)):
                yield ip(packet, far, inner, rest[:8], fragment=0x2000)
                yield ip(packet, far, inner, rest[8:], fragment=1)
                yield ip(packet, far, inner, rest, options=bytes([131, 7, 4]) + socket.inet_aton(host) + b"\0")
            yield ip(1, far, inner, bytes([5, 1]) + bytes(30))
            yield ip(1, far, inner, bytes([8, 0, 0xf7, 0xff]) + bytes(4))
            yield ip(TCP, far, inner, segment[:8])


def inject(tunnel):
    socks = bobs_sockets()
    for packet in forbidden():
        tunnel.write(packet)
    for found in arrived(socks):
        print("reached a socket:", found)
    with contextlib.suppress(OSError):  # a device that is gone
        while (packet := tunnel.read(0.2)) is not None:
            print("the host answers", packet[:60].hex())
    for sock in socks:
        sock.close()


def connected(tunnel, inner, far):
    """A connection of alice's, whose other end is played here: shows that the device does what it is for."""
    ours, theirs = socket.socketpair()

    def connect():
        sock = socket.socket(family(far))
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect((far, 80))
        socket.send_fds(theirs, [b"."], [sock.fileno()])

    play("alice", connect)
    sock = socket.socket(fileno=socket.recv_fds(ours, 1, 1)[1][0])
    while (packet := tunnel.read(2)) is not None:
        sport, dport, seq, flags = ports(packet)
        if packet[0] >> 4 == (6 if ":" in far else 4) and flags & (SYN | ACK) == SYN and dport == 80:
            break
    else:
        print("alice's SYN does not come")
        return None
    tunnel.write(tcp(far, dport, inner, sport, SYN | ACK, seq=100, ack=seq + 1))
    tunnel.write(tcp(far, dport, inner, sport, ACK | PSH, seq=101, ack=seq + 1, data=b"hello"))
    sock.settimeout(2)
    if sock.recv(100) != b"hello":
        print("alice's connection does not stand")
    return sock


def works(tunnel):
    for inner, far in BOTH:
        if sock := connected(tunnel, inner, far):
            sock.close()
    while tunnel.read(0.1) is not None:
        pass


def lies(tunnel):
    """Superpackets whose metadata is nonsense: the kernel stays sane, and nobody is reached."""
    chance = random.Random(7)
    socks = bobs_sockets()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        some = chance.randrange(65536)
        header = struct.pack("<BBHHHH", chance.choice([0, 1, 2, 3, 255]), chance.choice([0, 1, 3, 4, 5, 0x81, 0x84, some & 255]),
                             chance.choice([0, 40, 60, some]), chance.choice([0, 1, 8, 1400, some]), chance.choice([0, 20, 40, some]),
                             chance.choice([0, 6, 16, some]))
        inner, far = chance.choice(BOTH)
        size = chance.choice([0, 1, 100, 1400, 9000, 60000])
        if chance.random() < 0.3:
            packet = bytearray(udp(far, 53, inner, 4000, bytes(size)))
        else:
            packet = bytearray(tcp(far, 999, inner, chance.choice([22, 4000, some]), chance.choice([ACK, FIN | ACK, RST, SYN | ACK, SYN, 0]), data=bytes(size)))
        if chance.random() < 0.5:
            packet[chance.randrange(60 if len(packet) > 60 else len(packet))] = chance.randrange(256)
        tunnel.write(bytes(packet), header)
        while tunnel.read(0) is not None:
            pass
    for found in arrived(socks):
        print("reached a socket:", found)
    for sock in socks:
        sock.close()


def alice_sends():
    for _, far in BOTH:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            sock = socket.socket(family(far), kind)
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                if kind == socket.SOCK_DGRAM:
                    sock.sendto(b"it-is-alice", (far, 7))
                else:
                    sock.connect((far, 80))
    return True


def nothing_left(tunnel, when):
    """The descriptor is worth nothing any more."""
    play("alice", alice_sends)
    with contextlib.suppress(OSError):
        if tunnel.read(0.2) is not None:
            print("the descriptor reads", when)
    inject(tunnel)


def scene_stranger():
    tunnel = Tunnel()
    stranger(tunnel)
    works(tunnel)


def scene_flush():
    tunnel = Tunnel()
    for command in (("nft", "flush", "ruleset"), ("iptables", "-F")):
        subprocess.run(command, check=True)
        stranger(tunnel)
        inject(tunnel)
    play("alice", alice_sends)


def scene_inject():
    tunnel = Tunnel()
    for strict in ("1", "0", "2"):
        for name in ("all", tunnel.device):
            with open(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "w", encoding="ascii") as file:
                file.write(strict)
        inject(tunnel)
        works(tunnel)
    with open("/proc/sys/net/ipv4/conf/all/rp_filter", "w", encoding="ascii") as file:
        file.write("1")


def scene_lies():
    tunnel = Tunnel()
    lies(tunnel)
    works(tunnel)


def scene_kept():
    """The descriptor outlives its tunnel."""
    down = Tunnel()
    down.ask(operation="Down", all=True)
    nothing_left(down, "after down")
    blocked = Tunnel()
    blocked.control.close()
    time.sleep(0.5)
    nothing_left(blocked, "when blocked")
    again = Tunnel()
    if again.device == blocked.device:
        print("the device was given twice")
    works(again)
    nothing_left(blocked, "after a new tunnel")
    while again.read(0.1) is not None:
        pass
    again.ask(operation="Down", all=True)


def scene_ioctl():
    """What the kernel lets the holder of a descriptor do to the device; the tunnel is hers, so is the harm."""
    tunnel = Tunnel()
    bob = Tunnel("bob", "by-hand", "10.78.0.10", "fd78::10")

    def tamper():
        name = tunnel.device.encode()
        here = {"TUNSETIFF": (0x400454CA, struct.pack("16sH22x", b"other", 0x1001)), "TUNSETLINK": (0x400454CD, 1),
                "TUNGETDEVNETNS": (0x54E3, 0), "SIOCGSKNS": (0x894C, 0)}
        for what, (number, argument) in here.items():
            if ioctl(tunnel.tun, number, argument) is None:
                print("alice may", what, flush=True)
        with socket.socket() as sock:
            for number, value in ((0x8922, struct.pack("16si20x", name, 9000)), (0x8914, struct.pack("16sH22x", name, 0))):
                if ioctl(sock, number, value) is None:
                    print("alice may", hex(number), flush=True)
        for number, argument in ((0x400454CC, os.getuid()), (0x400454E2, struct.pack("i", 0)), (0x400454E2, struct.pack("i", 1)), (0x400454CB, 0)):
            ioctl(tunnel.tun, number, argument)

    play("alice", tamper)
    os.close(tunnel.tun)  # not persistent any more: the device goes
    time.sleep(0.2)
    if tunnel.ask(operation="Status")["code"] != "None" or bob.ask(operation="Status")["code"] != "None":
        print("pvpnd does not answer")
    if tunnel.ask(operation="Down", all=True)["code"] != "None":
        print("the tunnel cannot be taken down")
    again = Tunnel()
    works(again)
    bob.ask(operation="Down", all=True)
    again.ask(operation="Down", all=True)


def scene_hold():
    """Holds on to the device when pvpnd is gone, until it is killed itself."""
    tunnel = Tunnel()
    print("holding", tunnel.device, flush=True)
    time.sleep(60)


def scene_root():
    """A tunnel of root's on a host that forwards: what others send through the host is not root's."""
    tunnel = Tunnel("root")
    print("open", flush=True)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        if (packet := tunnel.read(0.2)) is not None:
            print("forwarded into the tunnel", packet[:60].hex(), flush=True)


globals()["scene_" + sys.argv[1]]()
print("done", flush=True)
