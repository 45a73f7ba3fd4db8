#!/usr/bin/python3
"""What tunnels cost the users who have none: others.py [--tunnels 0,1,10,100,1000] [--reps 5] [--seconds 1]. Root, after make.

Two shared hosts that differ in nothing but this: on one runs pvpnd, with so many other users' tunnels; on the other it never ran.
bob, who has no tunnel, does the same on both in turns, so that a noisy machine is noisy to both. Prints a Markdown table: for each
number of tunnels the median with pvpnd, and the median of the ratios of the pairs (1.00 = costs nothing). The last row is one policy
rule without pvpnd: what routing by user costs however it is done.
BENCH_LOCK=FILE: held while it measures, for a machine shared with other work.
"""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

scripts = pathlib.Path(__file__).resolve().parent.parent
prefix = os.environ.setdefault("LAB_PREFIX", "pv-others-")
state = pathlib.Path(os.environ.setdefault("LAB_STATE", f"/tmp/pvpn-lab-{prefix.rstrip('-')}"))
os.environ.setdefault("LAB_BIG", "0")
HOST, PLAIN, GATEWAY, INNER = (prefix + n for n in ("host", "plain", "gw", "inner"))
TARGET, FIRST_UID = "10.99.2.2", 20000


def run(*command, **more):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def lab(*words):
    return run(scripts / "lab.sh", *words)


def plain_host():
    """A second shared host, as lab.sh makes the first."""
    run("ip", "netns", "add", PLAIN)
    for line in f"""netns exec {PLAIN} sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1
            -n {PLAIN} link set lo up
            -n {PLAIN} link add wire type veth peer name wire2 netns {GATEWAY}
            -n {PLAIN} addr add 10.99.4.2/24 dev wire
            -n {GATEWAY} addr add 10.99.4.1/24 dev wire2
            -n {PLAIN} link set wire up
            -n {GATEWAY} link set wire2 up
            -n {PLAIN} route add 10.99.2.0/24 via 10.99.4.1
            -n {INNER} route add 10.99.4.0/24 via 10.99.2.1""".splitlines():
        run("ip", *line.split())


def as_bob(namespace, *command):
    return run("ip", "netns", "exec", namespace, "setpriv", "--reuid", "bob", "--regid", "bob", "--init-groups", "--", *command, timeout=60)


def measures(seconds):
    tools = state / "tools"
    return {
        "throughput, Gb/s": lambda ns: json.loads(as_bob(ns, "iperf3", "-c", TARGET, "-t", str(max(1, round(seconds))), "-J"))["end"]["sum_received"]["bits_per_second"] / 1e9,
        "round trips/s": lambda ns: 1e6 / float(as_bob(ns, tools / "pingpong", "client", TARGET, "7010", str(int(8000 * seconds))).split()[0]),
        "new TCP connections/s": lambda ns: float(as_bob(ns, tools / "rate", "tcp", TARGET, "80", str(seconds))),
        "new UDP sockets/s": lambda ns: float(as_bob(ns, tools / "rate", "udp", TARGET, "9", str(seconds))),
    }


@contextlib.contextmanager
def quiet():
    """The machine to ourselves, where others work on it."""
    if "BENCH_LOCK" not in os.environ:
        yield
        return
    with open(os.environ["BENCH_LOCK"], "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def forwarder(users):
    """pvpnd, which sees accounts for all these users."""
    accounts = state / "host" / "passwd"
    accounts.write_text(pathlib.Path("/etc/passwd").read_text(encoding="utf-8")
                        + "".join(f"load{i}:x:{FIRST_UID + i}:100::/:/bin/false\n" for i in range(users)), encoding="utf-8")
    log = state / "log" / "others-forwarder"
    with open(log, "w", encoding="utf-8") as file:
        daemon = subprocess.Popen(
            [scripts / "lab/enter.sh", "host", "sh", "-c", f"mount --bind {accounts} /etc/passwd; exec pvpnd --config /dev/stdin"],
            stdin=subprocess.PIPE, stderr=file, text=True)
    daemon.stdin.write("ControlSocket /run/pvpn/forwarder.sock\n")
    daemon.stdin.close()
    try:
        while "ready" not in log.read_text(encoding="utf-8"):
            if daemon.poll() is not None:
                sys.exit("others: pvpnd did not start: " + log.read_text(encoding="utf-8"))
            time.sleep(0.05)
        yield
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()


@contextlib.contextmanager
def tunnels(count):
    load = subprocess.Popen([scripts / "lab/enter.sh", "host", "/usr/bin/python3", scripts / "bench/tunnels.py", "--leave", "/run/pvpn/forwarder.sock", str(count), str(FIRST_UID)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        for line in load.stdout:
            if line.strip() == "ready":
                break
            print(f"others: {line.strip()}", file=sys.stderr, flush=True)
        yield
    finally:
        load.stdin.close()
        load.wait()


def with_tunnels(count, options):
    with forwarder(count), tunnels(count):
        time.sleep(2)
        return compare(options)


def with_a_rule(options):
    """What any tunnel that is routed by user costs at least: from the first policy rule on, the kernel asks the rules before each route"""
    rule = ["ip", "-n", HOST, "rule", "add", "uidrange", f"{FIRST_UID}-{FIRST_UID}", "lookup", "7570001", "pref", "7570"]
    run(*rule)
    try:
        return compare(options)
    finally:
        run(*["del" if word == "add" else word for word in rule])


def compare(options):
    pairs = {}
    for repetition in range(options.reps):
        with quiet():
            for name, measure in measures(options.seconds).items():
                order = [HOST, PLAIN] if repetition % 2 == 0 else [PLAIN, HOST]
                got = {ns: measure(ns) for ns in order}
                pairs.setdefault(name, []).append((got[HOST], got[PLAIN]))
    return {name: (statistics.median(a for a, _ in p), statistics.median(a / b for a, b in p)) for name, p in pairs.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tunnels", default="0,1,10,100,1000")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    options = parser.parse_args()
    counts = [int(c) for c in options.tunnels.split(",")]
    lab("up")
    try:
        plain_host()
        for name, source in (("pingpong", "lab/pingpong.c"), ("rate", "bench/rate.c")):
            run("gcc", "-O2", "-Wall", "-o", state / "tools" / name, scripts / source)
        server = subprocess.Popen([scripts / "lab/enter.sh", "inner", state / "tools/pingpong", "server", TARGET, "7010"])
        try:
            rows = []
            for count in counts:
                rows.append((f"{count:,}", with_tunnels(count, options)))
                print(f"others: {rows[-1]}", file=sys.stderr, flush=True)
            rows.append(("no pvpnd, one `ip rule`", with_a_rule(options)))
        finally:
            server.terminate()
            server.wait()
    finally:
        if pathlib.Path("/run/netns", PLAIN).exists():
            run("ip", "netns", "del", PLAIN)
        lab("down")
    names = list(rows[0][1])
    print("| tunnels of others | " + " | ".join(names) + " |\n|---:|" + "---:|" * len(names))
    for count, result in rows:
        print(f"| {count} | " + " | ".join(f"{result[n][0]:,.{1 if result[n][0] < 100 else 0}f} ({result[n][1]:.3f})" for n in names) + " |")


main()
