"""A shared host and a gateway as two clean Debian machines, and what is behind the gateway.

    "host" 192.0.2.2 ─── 192.0.2.1 "gateway" 10.1.0.1 ─── 10.1.2.3, a namespace that answers pings, HTTP and UDP on port 8080
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import debian

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent
# Left out of the comparison: what the kernel, apt, dpkg and systemd change by themselves, and users' homes.
NOT_OURS = ["home", "root", "proc", "sys", "dev", "run", "tmp", "var/log", "var/cache", "var/tmp", "var/lib/systemd", "var/lib/dpkg/lock",
            "var/lib/apt", "etc/ld.so.cache", "etc/.updated", "var/.updated", "var/lib/dpkg", "var/lib/dbus", "etc/machine-id"]
ANSWERS = """
import http.server, socket, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", 8080))
def echo():
    while True:
        data, peer = udp.recvfrom(2048)
        udp.sendto(data, peer)
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(("hello " + self.client_address[0]).encode())
threading.Thread(target=echo, daemon=True).start()
http.server.HTTPServer(("", 8080), Hello).serve_forever()
"""


class TwoHosts:
    """Use it with "with": up inside, gone after. .machines["host"] and .machines["gateway"]; the packages are in their /root."""

    def __enter__(self):
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="pvpn-hosts-"))
        self._directory.chmod(0o755)
        self.namespaces = {name: f"pvq{os.getpid()}-{name}" for name in ("host", "gateway", "inner")}
        self.machines, self._inner = {}, None
        try:
            self._up()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _up(self):
        packages = self._directory / "packages"
        subprocess.run([str(SCRIPTS.parent / "packaging/build-deb.sh"), str(packages)], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DEB_COMPRESSION": "none"})
        network(self.namespaces)
        self._inner = subprocess.Popen(["ip", "netns", "exec", self.namespaces["inner"], "/usr/bin/python3", "-c", ANSWERS],
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name in ("host", "gateway"):
            self.machines[name] = debian.Machine(name, self.namespaces[name], self._directory)
        for machine in self.machines.values():
            machine.wait_until_up()
        # What a reader has: users, a name for the gateway, the packages at hand.
        for user in ("alice", "bob"):
            self.machines["host"].run("useradd", "--create-home", "--shell", "/bin/bash", user)
        (self.machines["host"].root / "etc/hosts").write_text("127.0.0.1 localhost\n192.0.2.1 gateway.example.org\n", encoding="ascii")
        for package in packages.glob("*.deb"):
            shutil.move(package, self.machines["host" if package.name.startswith("pvpn_") else "gateway"].root / "root")

    def __exit__(self, error, *_):
        for name, machine in self.machines.items():
            if error:
                log = machine.run("journalctl", "--no-pager", "-n", "25", "-u", "pvpnd", "-u", "pvpn-server", check=False)
                print(f"---- journal of {name}\n{log}", file=sys.stderr)
            machine.close()
        if self._inner:
            self._inner.kill()
            self._inner.wait()
        for name in self.namespaces.values():
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self._directory, ignore_errors=True)

    def state(self):
        """Of both: all that an installation may leave."""
        return {name: state_of(machine, self.namespaces[name]) for name, machine in self.machines.items()}

    def changes(self, before):
        """What is there and was not, or was there and is not; empty when nothing was left behind."""
        now = self.state()
        return [f"{name}: {sign} {line}" for name in now
                for sign, lines in (("+", now[name] - before[name]), ("-", before[name] - now[name])) for line in sorted(lines)]


def network(namespaces):
    for name in namespaces.values():
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    ip("-n", namespaces["host"], "link", "add", "wan", "type", "veth", "peer", "name", "wan", "netns", namespaces["gateway"])
    ip("-n", namespaces["gateway"], "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", namespaces["inner"])
    for name, link, address in [("host", "wan", "192.0.2.2/24"), ("gateway", "wan", "192.0.2.1/24"), ("gateway", "lan", "10.1.0.1/16"),
                                ("inner", "lan", "10.1.2.3/16")]:
        ip("-n", namespaces[name], "addr", "add", address, "dev", link)
        ip("-n", namespaces[name], "link", "set", link, "up")


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def state_of(machine, namespace):
    """All that an installation may leave: files, accounts, packages, units, and what is in the kernel."""
    root, lines = machine.root, set()
    for directory, names, files in os.walk(root):
        relative = os.path.relpath(directory, root)
        names[:] = [n for n in names if os.path.normpath(os.path.join(relative, n)) not in NOT_OURS]
        for name in names + files:
            path = os.path.normpath(os.path.join(relative, name))
            if path not in NOT_OURS and not name.endswith("-"):
                lines.add("file /" + path)
    for file in ("passwd", "group"):
        lines |= {file + " " + line.split(":")[0] for line in (root / "etc" / file).read_text(encoding="utf-8").splitlines()}
    lines |= {"package " + line for line in machine.run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n").splitlines()}
    lines |= {"run " + line for line in machine.run("find", "/run/pvpn", check=False).splitlines()}
    kernel = subprocess.run(["nsenter", f"--net=/run/netns/{namespace}", str(SCRIPTS / "lab/kernel-state.sh")], capture_output=True, text=True, check=True)
    lines |= {line for line in kernel.stdout.splitlines() if "fe80:" not in line}
    lines.add("ip_forward " + machine.run("cat", "/proc/sys/net/ipv4/ip_forward").strip())
    return lines


def threads(machine, unit):
    """Of each thread of a unit's main process: capabilities, no_new_privs, seccomp and user, from /proc."""
    pid = machine.run("systemctl", "show", "--property=MainPID", "--value", unit).strip()
    wanted = re.compile(r"^(Cap\w+|NoNewPrivs|Seccomp|Uid):\s*(.*)$", re.MULTILINE)
    seen = [dict(wanted.findall(status)) for status in
            machine.run("sh", "-c", f"for t in /proc/{pid}/task/*; do cat $t/status; echo =; done").split("=\n") if status.strip()]
    return {"user": machine.run("stat", "-c", "%U", f"/proc/{pid}").strip(), "threads": seen}
