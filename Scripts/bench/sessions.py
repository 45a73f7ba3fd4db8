#!/usr/bin/python3
"""sessions.py [N...]: one pvpn-server as its sessions grow (default 1 10 100 1000); the topology must be up. Called by growth.sh.

For each N a server of its own, and tests/Load as its clients, of which at most 100 work at a time: time to log in, memory of an idle
session, upload of superpackets and of datagrams, and a flood of datagrams from the target to their inner addresses in turn.
One JSON object per N is appended to $RESULTS/runs.jsonl.
"""
import json
import os
import re
import signal
import subprocess
import sys
import threading

BENCH = os.path.dirname(os.path.abspath(__file__))
NSP = os.environ.setdefault("NSP", "pb-")  # the settings of common.sh, for who calls this by hand
STATE = os.environ.setdefault("STATE", f"/tmp/pvpn-bench-{NSP.rstrip('-')}")
RESULTS = os.environ.setdefault("RESULTS", os.path.normpath(f"{BENCH}/../../bench-results"))
LOAD = os.path.normpath(f"{BENCH}/../../tests/Load/bin/Release/net10.0/pvpn-load.dll")
DOTNET = os.environ.get("DOTNET", "dotnet")
BUSY, SECONDS, FLOOD = 100, 5, 6


def inside(name, *command):
    return ["ip", "netns", "exec", NSP + name, *map(str, command)]


def load(pid, sessions, kind, linger=0):
    """what the generator prints; with linger also the flood's receivers"""
    command = inside("c", DOTNET, LOAD, "run", "--server", "10.90.1.1:7443", "--user", "bench", "--key", f"{STATE}/home/id_rsa", "--to", "10.90.3.2",
                     "--sessions", sessions, "--active", min(sessions, BUSY), "--kind", kind, "--seconds", SECONDS, "--pid", pid, "--linger", linger)
    text = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        late = threading.Timer(180, run.kill)
        late.start()
        try:
            for line in run.stdout:
                text += line
                if line.startswith("addresses "):
                    some = ",".join(line.split()[1].split(",")[:BUSY])
                    subprocess.run(inside("t", DOTNET, LOAD, "blast", "--to", some, "--seconds", FLOOD), stdout=subprocess.DEVNULL, timeout=60, check=True)
        except BaseException:
            run.kill()
            raise
        finally:
            late.cancel()
    if run.returncode:
        raise SystemExit(f"sessions: the generator ended with {run.returncode}")
    return text


def number(pattern, text):
    found = re.search(pattern, text)
    return float(found[1]) if found else None


def measure(sessions):
    row = {"peer": "pvpn", "section": "sessions", "via": "P", "sessions": sessions}
    with open(f"{STATE}/pid/peer.s.pvpn-server") as f:
        pid = f.read().split()[0]
    text = load(pid, sessions, "tcp", linger=FLOOD + 2)
    row["login_s"] = number(r"sessions in ([\d.]+) s", text)
    row["bytes"] = number(r"idle: (-?\d+) bytes per session", text)
    row["up_mbps"] = number(r"upload tcp: .*?, (\d+) Mbit/s", text)
    # The generator counts over all of its stay; the flood is shorter.
    got = number(r"download: (\d+) packets/s", text)
    row["down_pps"] = got * (FLOOD + 2) / FLOOD if got is not None else None
    row["up_udp_mbps"] = number(r"upload udp: .*?, (\d+) Mbit/s", load(pid, sessions, "udp"))
    return row


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
if not os.path.exists(LOAD):
    raise SystemExit("sessions: build tests/Load first: dotnet build -c Release tests/Load")
if not os.path.exists(f"{STATE}/pid/topo.nginx"):
    raise SystemExit("sessions: the topology is not up; run topology.sh up")
os.makedirs(RESULTS, exist_ok=True)
os.environ["PVPN_SERVER"] = "MaxSessionsPerUser 2000\n" + os.environ.get("PVPN_SERVER", "")
for n in [int(a) for a in sys.argv[1:]] or [1, 10, 100, 1000]:
    try:
        if subprocess.run([f"{BENCH}/peers.sh", "start", "pvpn"], check=False, stdout=subprocess.DEVNULL).returncode:
            raise SystemExit(f"sessions: pvpn could not be started; see {STATE}/log")
        found = measure(n)
    finally:
        subprocess.run([f"{BENCH}/peers.sh", "stop", "pvpn"], check=False)
    with open(f"{RESULTS}/runs.jsonl", "a") as out:
        out.write(json.dumps(found) + "\n")
    print("sessions:", ", ".join(f"{k} {v}" for k, v in found.items() if k not in ("peer", "section", "via")), flush=True)
