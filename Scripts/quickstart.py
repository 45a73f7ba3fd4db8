#!/usr/bin/python3
"""Types the commands of docs/quickstart.md, out of that document, on two clean Debian machines with a real systemd.

    "host" 192.0.2.2 ─── 192.0.2.1 "gateway" 10.1.0.1 ─── 10.1.2.3, a namespace that answers pings

A line "host# ...", "host$ ..." or "gateway# ..." in a console block is a command, as root or as alice; lines below it that do not
change from run to run must be in what it says. Where the reader is to bring a file or to type a word, the document has a comment
"carry MACHINE:FILE MACHINE:FILE" or "answer WORD". Needs root, mmdebstrap and systemd-nspawn.

    quickstart.py [--facts FILE]      FILE: what was seen on the way, for the tests, as JSON
"""
import json
import pathlib
import re
import sys

SCRIPTS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(SCRIPTS / "lab"))
sys.dont_write_bytecode = True
from twohosts import TwoHosts, threads  # noqa: E402

STEP = re.compile(r"^(host|gateway)([#$]) (.*)$|<!-- (carry|answer) (.*?) -->|^(```.*)$")
CHANGING = re.compile(r"SHA256:|^$")


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


def main():
    facts = {"said": [], "left": {}}
    with TwoHosts() as hosts:
        before = hosts.state()
        follow(steps(SCRIPTS.parent / "docs/quickstart.md"), hosts, facts)
        facts["left"] = hosts.changes(before)
    if sys.argv[1:2] == ["--facts"]:
        pathlib.Path(sys.argv[2]).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print("\n".join(["quickstart: every command did what the document says"] + ["quickstart: left behind: " + line for line in facts["left"]]))
    return 1 if facts["left"] else 0


def follow(todo, hosts, facts):
    machines, fingerprint = hosts.machines, ""
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
                look(hosts, facts)


def look(hosts, facts):
    """While the tunnel is up: what the daemons may, and whom the tunnel serves."""
    host, gateway = hosts.machines["host"], hosts.machines["gateway"]
    facts["pvpnd"], facts["pvpn-server"] = threads(host, "pvpnd"), threads(gateway, "pvpn-server")
    facts["tcp"] = host.type("alice", "curl -sS --max-time 5 http://10.1.2.3:8080/")[1]
    facts["udp"] = host.type("alice", "exec 3<>/dev/udp/10.1.2.3/8080; echo over UDP >&3; timeout 5 head -n 1 <&3")[1]
    facts["bob"] = host.type("bob", "ping -c 1 -W 1 10.1.2.3; pvpn status --json")[1]
    facts["modes"] = gateway.run("stat", "-c", "%n %U:%G %a", "/etc/pvpn", "/etc/pvpn/host_key.pem", "/etc/pvpn/server.conf",
                                 "/etc/pvpn/authorized_keys", "/run/pvpn", "/run/pvpn/server.sock").splitlines()
    facts["modes"] += host.run("stat", "-c", "%n %U:%G %a", "/run/pvpn/forwarder.sock", "/run/pvpn/forwarder.sock.state").splitlines()
    facts["verify"] = [m.run("sh", "-c", f"systemd-analyze verify --man=no {unit} 2>&1", check=False)
                       for m, unit in ((host, "pvpnd.service"), (gateway, "pvpn-server.service"))]


if __name__ == "__main__":
    sys.exit(main())
