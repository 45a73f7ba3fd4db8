#!/usr/bin/python3
"""Types the commands of docs/quickstart.md, out of that document, on two clean Debian machines with a real systemd.

    "host" 192.0.2.2 ─── 192.0.2.1 "gateway" 10.1.0.1 ─── 10.1.2.3, a namespace that answers pings

A line "host# ...", "host$ ..." or "gateway# ..." in a console block is a command, as root or as alice; lines below it that do not
change from run to run must be in what it says. Where the reader is to bring a file or to type a word, the document has a comment
"carry MACHINE:FILE MACHINE:FILE" or "answer WORD". Needs root, mmdebstrap and systemd-nspawn.

    quickstart.py [--facts FILE]      FILE: what was seen on the way, for the tests, as JSON
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SCRIPTS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(SCRIPTS / "lab"))
sys.dont_write_bytecode = True
import debian  # noqa: E402

STEP = re.compile(r"^(host|gateway)([#$]) (.*)$|<!-- (carry|answer) (.*?) -->|^(```.*)$")
CHANGING = re.compile(r"SHA256:|^$")
# Left out of the comparison: what the kernel, apt, dpkg and systemd change by themselves, and users' homes.
NOT_OURS = ["home", "root", "proc", "sys", "dev", "run", "tmp", "var/log", "var/cache", "var/tmp", "var/lib/systemd", "var/lib/dpkg/lock",
            "var/lib/apt", "etc/ld.so.cache", "etc/.updated", "var/.updated", "var/lib/dpkg", "var/lib/dbus", "etc/machine-id"]


def steps(document):
    """(kind, machine, user, text, expected lines) in the order of the document."""
    found, in_block, last = [], False, None
    for line in document.read_text(encoding="utf-8").splitlines():
        match = STEP.search(line)
        if match and match[6]:
            in_block, last = match[6] == "```console", None
        elif match and match[4]:
            found.append([match[4], None, None, match[5], []])
        elif match and in_block:
            last = ["type", match[1], "root" if match[2] == "#" else "alice", match[3], []]
            found.append(last)
        elif in_block and last and not CHANGING.search(line):
            last[4].append(line)
    # An answer belongs to the command before it.
    return found


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


def main():
    facts = {"said": [], "left": {}}
    state = pathlib.Path(tempfile.mkdtemp(prefix="pvpn-quickstart-"))
    namespaces = {name: f"pvq{os.getpid()}-{name}" for name in ("host", "gateway", "inner")}
    machines = {}
    try:
        subprocess.run([str(SCRIPTS.parent / "packaging/build-deb.sh"), str(state / "packages")], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DEB_COMPRESSION": "none"})
        network(namespaces)
        for name in ("host", "gateway"):
            machines[name] = debian.Machine(name, namespaces[name], state)
        for machine in machines.values():
            machine.wait_until_up()
        # What the document takes for granted: the users, the gateway's name, the packages at hand.
        for user in ("alice", "bob"):
            machines["host"].run("useradd", "--create-home", "--shell", "/bin/bash", user)
        (machines["host"].root / "etc/hosts").write_text("127.0.0.1 localhost\n192.0.2.1 gateway.example.org\n", encoding="ascii")
        for package in (state / "packages").glob("*.deb"):
            shutil.copy(package, machines["host" if package.name.startswith("pvpn_") else "gateway"].root / "root")
        before = {name: state_of(machine, namespaces[name]) for name, machine in machines.items()}
        follow(steps(SCRIPTS.parent / "docs/quickstart.md"), machines, facts)
        for name, machine in machines.items():
            after = state_of(machine, namespaces[name])
            facts["left"][name] = sorted([f"+ {line}" for line in after - before[name]] + [f"- {line}" for line in before[name] - after])
    except BaseException:
        for name, machine in machines.items():
            log = machine.run("journalctl", "--no-pager", "-n", "25", "-u", "pvpnd", "-u", "pvpn-server", check=False)
            print(f"---- journal of {name}\n{log}", file=sys.stderr)
        raise
    finally:
        for machine in machines.values():
            machine.close()
        for name in namespaces.values():
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(state, ignore_errors=True)
    if sys.argv[1:2] == ["--facts"]:
        pathlib.Path(sys.argv[2]).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    left = [f"{name}: {line}" for name, lines in facts["left"].items() for line in lines]
    print("\n".join(["quickstart: every command did what the document says"] + ["quickstart: left behind: " + line for line in left]))
    return 1 if left else 0


def follow(todo, machines, facts):
    fingerprint = ""
    for number, (kind, name, user, text, expected) in enumerate(todo):
        if kind == "carry":
            (source, target) = [where.split(":") for where in text.split()]
            data = pathlib.Path(f"{machines[source[0]].root}{source[1]}").read_bytes()
            pathlib.Path(f"{machines[target[0]].root}{target[1]}").write_bytes(data)
        elif kind == "type":
            answer = None
            if number + 1 < len(todo) and todo[number + 1][0] == "answer":
                # As the reader is told: only when the fingerprint is the one that the gateway showed.
                word, seen = todo[number + 1][3], fingerprint
                answer = lambda screen, word=word, seen=seen: word if seen in screen and screen.rstrip().endswith("?") else None
            print(f"{name}{'#' if user == 'root' else '$'} {text}", flush=True)
            status, said = machines[name].type(user, text, answer)
            print("".join(f"    {line}\n" for line in said.splitlines()), end="", flush=True)
            facts["said"].append([name, user, text, status, said])
            missing = [line for line in expected if line not in said]
            if status != 0 or missing:
                raise SystemExit(f"quickstart: status {status}, not seen: {missing}; the command was: {text}")
            fingerprint = (re.search(r"SHA256:\S+", said) or [fingerprint])[0] if "fingerprint" in text else fingerprint
            if text.startswith("pvpn -f"):
                look(machines, facts)


def look(machines, facts):
    """While the tunnel is up: what the daemons may, and whom the tunnel serves."""
    facts["pvpnd"] = threads(machines["host"], "pvpnd")
    facts["pvpn-server"] = threads(machines["gateway"], "pvpn-server")
    facts["bob"] = machines["host"].type("bob", "ping -c 1 -W 1 10.1.2.3; pvpn status --json")[1]
    facts["modes"] = machines["gateway"].run("stat", "-c", "%n %U:%G %a", "/etc/pvpn", "/etc/pvpn/host_key.pem", "/etc/pvpn/server.conf",
                                             "/etc/pvpn/authorized_keys", "/run/pvpn", "/run/pvpn/server.sock")
    facts["modes"] += machines["host"].run("stat", "-c", "%n %U:%G %a", "/run/pvpn/forwarder.sock", "/run/pvpn/forwarder.sock.state")
    facts["exposure"] = {unit: machines[name].run("systemd-analyze", "security", "--no-pager", unit, check=False).splitlines()[-1:]
                         for name, unit in (("host", "pvpnd.service"), ("gateway", "pvpn-server.service"))}


if __name__ == "__main__":
    sys.exit(main())
