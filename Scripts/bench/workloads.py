#!/usr/bin/python3
"""One round of the workloads against the peer that is up; called by run.sh, or by hand (see README.md).

Every section runs D P D (D = the direct way, P = through the peer): a peer's run has a direct run of the same workload
right before and right after it. One JSON object per run is appended to OUT. Everything is bounded by timeouts, and every
section holds the lock by which concurrent measurements on one machine take turns.
"""
import argparse
import csv
import fcntl
import io
import json
import os
import re
import signal
import subprocess
import time

NSP, ST, USER = (os.environ[k] for k in ("NSP", "STATE", "BENCH_USER"))
LOCK = os.environ.get("BENCH_LOCK", "/tmp/bench.lock")
CLK = os.sysconf("SC_CLK_TCK")
SIZES = (0, 1, 10, 100, 1000)
PEER_T, PEER_G, DIRECT_T, DIRECT_G = "10.90.3.2", "10.90.4.1", "10.90.2.2", "10.90.1.1"

ap = argparse.ArgumentParser()
ap.add_argument("peer")
ap.add_argument("out")
ap.add_argument("--round", type=int, default=0)
ap.add_argument("--sections", default=os.environ.get("SECTIONS", "tcp,rev,par4,udp,pp,ppw,http,slow"))
ap.add_argument("--secs", type=int, default=int(os.environ.get("SECS", 4)), help="seconds of a throughput run")
ap.add_argument("--dsecs", type=int, default=int(os.environ.get("DSECS", 1)), help="the same, direct")
ap.add_argument("--hsecs", type=int, default=int(os.environ.get("HSECS", 1)), help="seconds of an HTTP run")
ap.add_argument("--flows", type=int, help="one row for growth.sh: throughput, round trip and memory beside so many flows")
A = ap.parse_args()


def stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        s = f.read()
    return s[s.rindex(")") + 2:].split()


def tree(side):
    """pids of all VPN processes of one side: those of the pid files and all their descendants"""
    roots, kids, out = [], {}, []
    for name in os.listdir(ST + "/pid"):
        if name.startswith(f"peer.{side}."):
            with open(f"{ST}/pid/{name}") as f:
                roots.append(int(f.read().split()[0]))
    for d in filter(str.isdigit, os.listdir("/proc")):
        try:
            kids.setdefault(int(stat(d)[1]), []).append(int(d))
        except OSError:
            continue
    while roots:
        p = roots.pop()
        if p not in out:
            out.append(p)
            roots += kids.get(p, [])
    return out


def cpu(pids):
    """user and system seconds of live pids, with what their reaped children used"""
    total = 0.0
    for p in pids:
        try:
            total += sum(map(int, stat(p)[11:15])) / CLK
        except OSError:
            continue
    return total


def machine():
    with open("/proc/stat") as f:
        v = [int(x) / CLK for x in f.readline().split()[1:]]
    return v[0] + v[1] + v[2] + v[5] + v[6], v[7]


OURS = {os.stat(f"/run/netns/{NSP}{n}").st_ino for n in "cgt"}


def foreign():
    """CPU seconds so far of each process outside our namespaces: who else uses this machine"""
    d = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(p) != os.getpid() and os.stat(f"/proc/{p}/ns/net").st_ino not in OURS:
                d[p] = sum(map(int, stat(p)[11:15])) / CLK
        except OSError:
            continue
    return d


def memory(pids):
    r = {"rss_kb": 0, "hwm_kb": 0, "pss_kb": 0, "procs": len(pids)}
    for p in pids:
        try:
            with open(f"/proc/{p}/status") as f:
                for line in f:
                    if line.startswith("VmRSS"): r["rss_kb"] += int(line.split()[1])
                    if line.startswith("VmHWM"): r["hwm_kb"] += int(line.split()[1])
            with open(f"/proc/{p}/smaps_rollup") as f:
                r["pss_kb"] += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            continue
    return r


def sh(cmd, timeout, user=True):
    """in the client's namespace, as the account whose traffic is measured, direct and through every peer alike"""
    enter = ["ip", "netns", "exec", NSP + "c"]
    if user:
        enter += ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups", "--inh-caps=-all", "--"]
    try:
        p = subprocess.run(enter + cmd, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL, text=True, errors="replace")
        return p.stdout, p.stderr or f"status {p.returncode}"
    except subprocess.TimeoutExpired:
        return "", "timeout"


def iperf(via, extra):
    secs = A.secs if via == "P" else A.dsecs
    for _ in range(3):
        o, e = sh(["iperf3", "-c", target(via), "-p", "5201", "-t", str(secs), "-J", "--connect-timeout", "3000"] + extra, secs + 12)
        try:
            j = json.loads(o)
        except ValueError:
            return {"err": e[:100]}
        if "busy" not in j.get("error", ""):
            break
        time.sleep(1.5)
    if "error" in j:
        return {"err": j["error"][:120]}
    end = j["end"]
    if "-u" in extra:
        s = end["sum"]
        n, lost, t = s["packets"], s["lost_packets"], s["seconds"]
        return {"mbps": (n - lost) * 9600 / t / 1e6, "sent_mbps": n * 9600 / t / 1e6, "loss_pct": 100.0 * lost / max(n, 1),
                "bytes": (n - lost) * 1200}
    s = end["sum_received"]
    return {"mbps": s["bits_per_second"] / 1e6, "bytes": s["bytes"], "retr": end["sum_sent"].get("retransmits")}


def bound(via, way):
    """the peer "bound" is a bare TLS stream from c to g; its direct neighbour is iperf3 from c to g"""
    if via == "D":
        o, e = sh(["iperf3", "-c", DIRECT_G, "-p", "5202", "-t", str(A.dsecs), "-J"] + (["-R"] if way == "down" else []), A.dsecs + 12)
        try:
            s = json.loads(o)["end"]["sum_received"]
            return {"mbps": s["bits_per_second"] / 1e6, "bytes": s["bytes"]}
        except (ValueError, KeyError):
            return {"err": e[:100]}
    return as_json(sh([os.environ.get("DOTNET", "dotnet"), os.environ["BENCH_BOUND"], "client", DIRECT_G, "7444", str(A.secs), way], A.secs + 15, user=False))


def as_json(answer):
    try:
        return json.loads(answer[0])
    except ValueError:
        return {"err": (answer[1] or answer[0])[:120]}


def pingpong(via, host=None):
    return as_json(sh([ST + "/pp", "client", host or target(via), "5302" if host else "5301", "5000", "500"], 70))


def warm(via):
    """the same while a SCHED_IDLE spinner per CPU keeps virtual CPUs from halting: no idle wake-up cost"""
    spin = [subprocess.Popen(["timeout", "20", "taskset", "-c", str(c), "chrt", "-i", "0", "sh", "-c", "while :; do :; done"])
            for c in range(os.cpu_count())]
    try:
        time.sleep(0.2)
        return pingpong(via)
    finally:
        for p in spin: p.terminate()
        for p in spin: p.wait()


def http(via, size, conc, extra):
    table = f"{ST}/home/ab.csv"
    o, e = sh(["ab", "-q", "-r", "-s", "10", "-e", table] + extra + ["-c", str(conc), f"http://{target(via)}/f{size}.bin"], 60)

    def g(rx):
        m = re.search(rx, o)
        return float(m.group(1)) if m else None
    rps = g(r"Requests per second:\s+([\d.]+)")
    if not rps:
        return {"err": (e or o)[-160:]}
    r = {"rps": rps, "mean_ms": conc * 1000.0 / rps, "n": g(r"Complete requests:\s+(\d+)"), "failed": g(r"Failed requests:\s+(\d+)"),
         "bytes": g(r"Total transferred:\s+(\d+)") or 0, "longest_ms": g(r"100%\s+(\d+) \(longest")}
    with open(table) as f:
        rows = {row[0]: row[1] for row in csv.reader(io.StringIO(f.read()))}
    os.unlink(table)
    for k in ("50", "90", "99"):
        r["p" + k + "_ms"] = float(rows.get(k) or 0)
    return r


def target(via):
    return PEER_T if via == "P" else DIRECT_T


def sections():
    for s in A.sections.split(","):
        if A.peer == "bound":
            if s in ("tcp", "rev"):
                yield s, lambda via, s=s: bound(via, "up" if s == "tcp" else "down")
        elif s == "tcp": yield s, lambda via: iperf(via, [])
        elif s == "rev": yield s, lambda via: iperf(via, ["-R"])
        elif s == "par4": yield s, lambda via: iperf(via, ["-P", "4"])
        elif s == "udp" and A.peer != "sshuttle": yield s, lambda via: iperf(via, ["-u", "-b", "1G", "-l", "1200"])
        elif s == "pp": yield s, pingpong
        elif s == "ppw": yield s, warm
        elif s == "ppg": yield s, lambda via: pingpong(via, PEER_G if via == "P" else DIRECT_G)
        elif s == "slow": yield s, lambda via: http(via, 1, 8, ["-n", "10000"])
        elif re.fullmatch(r"http\d*", s):
            for size in ([int(s[4:])] if s[4:] else SIZES):
                for conc in (1, 8):
                    yield f"http_{size}k_c{conc}", lambda via, z=size, c=conc: http(via, z, c, ["-t", str(A.hsecs), "-n", "400000"])


def lock():
    """the locked file, or None when it was not to be had in 300 s; it closes on exec, so no child inherits it"""
    f = open(LOCK, "a")
    def late(*_):
        raise TimeoutError
    time.sleep(0.03)  # let another waiter in: nobody is starved by back-to-back sections
    signal.signal(signal.SIGALRM, late)
    signal.alarm(300)
    try:
        fcntl.flock(f, fcntl.LOCK_EX)
        return f
    except TimeoutError:
        return None
    finally:
        signal.alarm(0)


def one(name, fn, via, order):
    pc, ps, f0 = tree("c"), tree("s"), foreign()
    c0, s0, (b0, x0), t0 = cpu(pc), cpu(ps), machine(), time.time()
    r = fn(via)
    t1, (b1, x1), c1, s1, f1 = time.time(), machine(), cpu(pc), cpu(ps), foreign()
    r.update(peer=A.peer, section=name, via=via, round=A.round, order=order, locked=held is not None, wall=round(t1 - t0, 2),
             cpu_c=round(c1 - c0 + r.get("cpu", 0), 3), cpu_s=round(s1 - s0, 3), busy=round(b1 - b0, 3), steal=round(x1 - x0, 3),
             foreign=round(sum(v - f0.get(p, 0.0) for p, v in f1.items()), 2))
    out.write(json.dumps(r) + "\n")
    out.flush()
    return r


out = open(A.out, "a")
if A.flows is not None:
    held = lock()
    row = {"peer": "pvpn", "section": "growth", "via": "P", "flows": A.flows, **iperf("P", []), **pingpong("P")}
    row.update(c=memory(tree("c")), s=memory(tree("s")))
    out.write(json.dumps(row) + "\n")
    print(f"growth, {A.flows} flows: {row.get('mbps', 0):,.0f} Mbit/s, p50 {row.get('p50')} µs", flush=True)
    raise SystemExit
held, since, said = None, 0.0, []
for name, fn in sections():
    if held is None:
        held, since = lock(), time.time()
    one(name, fn, "D", 0)
    r = one(name, fn, "P", 1)
    if not name.startswith("http"):  # many and short: the direct run before is near enough
        one(name, fn, "D", 2)
    if time.time() - since > 12:  # one lock for several short sections
        if held is not None: held.close()
        held = None
    key = next((k for k in ("mbps", "p50", "rps") if k in r), "err")
    said.append(f"{name} {r[key]:,.0f}" if key != "err" else f"{name} failed: {r['err']}")
    if name == "tcp":
        m = {"peer": A.peer, "section": "memory", "via": "P", "round": A.round, "c": memory(tree("c")), "s": memory(tree("s"))}
        out.write(json.dumps(m) + "\n")
print(f"{time.strftime('%H:%M:%S')} {A.round} {A.peer}: {'; '.join(said)}", flush=True)
