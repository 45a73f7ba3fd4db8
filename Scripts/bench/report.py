#!/usr/bin/python3
"""report.py [DIRECTORY]: Markdown tables of runs.jsonl. Medians over the rounds; a ratio to direct is the median over the
rounds of P / mean(direct right before, direct right after)."""
import os
import sys

from results import Results

R = Results(sys.argv[1] if len(sys.argv) > 1 else "bench-results")
SIZES = (0, 1, 10, 100, 1000)
# response time of the direct way over that through the personal VPN, and throughput likewise, as the thesis measured them
THESIS_THROUGHPUT = (0.0026, 0.0031, 0.0097, 0.031, 0.074)


def num(x, n=0):
    return "-" if x is None else f"{x:,.{n}f}"


def ratio(x):
    return "-" if x is None else f"{x:.3f}" if x < 0.1 else f"{x:.2f}"


def over(a, b):
    return ratio(a / b) if a is not None and b else "-"


def spread(v, n=0):
    return f"{min(v):,.{n}f}..{max(v):,.{n}f}" if v else "-"


def table(title, head, rows, note=""):
    print(f"### {title}\n\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for r in rows:
        print("| " + " | ".join(r) + " |")
    print(f"\n{note}\n" if note else "")


def fastest(section, key, best=max):
    v = [x for x in (R.median(p, section, key) for p in R.others) if x is not None]
    return best(v) if v else None


for section, title in (("tcp", "One TCP stream to the target"), ("rev", "One TCP stream from the target"), ("par4", "Four TCP streams")):
    med = lambda p, s=section: R.median(p, s, "mbps")
    table(title, ["peer", "Mbit/s", "range", "/ direct", "/ bound", "/ openvpn-udp", "/ fastest other", "CPU s per GB"],
          [[p, num(med(p)), spread(R.values(p, section, "mbps")), ratio(R.paired(p, section, "mbps")), over(med(p), med("bound")),
            over(med(p), med("openvpn-udp")), over(med(p), fastest(section, "mbps")), num(R.cpu_per_gb(p, section), 2)]
           for p in R.peers if med(p) is not None])
table("UDP, 1 Gbit/s offered in datagrams of 1,200 bytes", ["peer", "Mbit/s received", "range", "loss %"],
      [[p, num(R.median(p, "udp", "mbps")), spread(R.values(p, "udp", "mbps")), num(R.median(p, "udp", "loss_pct"), 1)]
       for p in R.peers if R.median(p, "udp", "mbps") is not None])
for section, title in (("pp", "1-byte round trip, µs"), ("ppw", "1-byte round trip, µs, CPUs kept awake"), ("ppg", "1-byte round trip to the gateway, µs")):
    rows = [[p, num(R.median(p, section, "p50"), 1), spread(R.values(p, section, "p50"), 1), num(R.median(p, section, "p99"), 1),
             num(R.paired(p, section, "p50", lambda a, b: a - b), 1), ratio(R.paired(p, section, "p50"))]
            for p in R.peers if R.median(p, section, "p50") is not None]
    if rows:
        table(title, ["peer", "p50", "range", "p99", "added p50", "/ direct"], rows)
for conc in (1, 8):
    def cell(p, size):
        s = f"http_{size}k_c{conc}"
        return f"{num(R.median(p, s, 'rps'))} ({ratio(R.paired(p, s, 'rps'))})"
    rows = [[p] + [cell(p, s) for s in SIZES] for p in R.peers if any(R.median(p, f"http_{s}k_c{conc}", "rps") for s in SIZES)]
    rows.append(["direct (beside pvpn)"] + [num(R.median("pvpn", f"http_{s}k_c{conc}", "rps", "D")) for s in SIZES])
    if conc == 1:
        rows.append(["the thesis of 2002, encrypted / direct"] + [f"({x})" for x in THESIS_THROUGHPUT])
    table(f"HTTP, a new connection per request, {conc} at a time: requests/s (/ direct)", ["peer"] + [f"{s} KB" for s in SIZES], rows)
table("10,000 requests of 1 KB, 8 at a time: the slowest", ["peer", "longest ms, each round", "p99 ms", "direct longest ms"],
      [[p, " ".join(num(x) for x in R.values(p, "slow", "longest_ms")), num(R.median(p, "slow", "p99_ms"), 2),
        num(max(R.values(p, "slow", "longest_ms", "D"), default=None))] for p in R.peers if R.values(p, "slow", "longest_ms")])


def memory(p, side, key):
    v = sorted(r[side][key] / 1024 for r in R.rows.get((p, "memory"), []))
    return v[len(v) // 2] if v else None


table("Memory after one stream, set-up", ["peer", "client RSS MB", "server RSS MB", "both PSS MB", "set-up ms", "range"],
      [[p, num(memory(p, "c", "rss_kb"), 1), num(memory(p, "s", "rss_kb"), 1), num((memory(p, "c", "pss_kb") or 0) + (memory(p, "s", "pss_kb") or 0), 1)]
       + (lambda v: [num(sorted(v)[len(v) // 2], 1) if v else "-", spread(v, 1)])([float(x) for x in R.values(p, "setup", "ms") if x not in ("timeout", "0")])
       for p in R.peers])
growth = [r for (p, s), rows in R.rows.items() if s == "growth" for r in rows]
if growth:
    table("pvpn as its flows grow", ["open flows", "Mbit/s", "1-byte p50 µs", "p99 µs", "client RSS MB", "server RSS MB"],
          [[num(r["flows"]), num(r.get("mbps")), num(r.get("p50"), 1), num(r.get("p99"), 1), num(r["c"]["rss_kb"] / 1024, 1), num(r["s"]["rss_kb"] / 1024, 1)]
           for r in growth])
grown = {r["sessions"]: r for (p, s), rows in R.rows.items() if s == "sessions" for r in rows}  # of each number the last run
if grown:
    def of_one(r, key):
        return f"{num(r.get(key))} ({over(r.get(key), grown[min(grown)].get(key))})"
    table("pvpn-server as its sessions grow; at most 100 of them work", ["sessions", "log in, s", "kB an idle session", "upload of superpackets Mbit/s (/ fewest sessions)",
                                                                         "upload of datagrams Mbit/s (same)", "download of datagrams, 1/s (same)"],
          [[num(r["sessions"]), num(r["login_s"], 2), num(r["bytes"] / 1000, 1) if r["bytes"] and r["sessions"] >= 1000 else "-"]
           + [of_one(r, key) for key in ("up_mbps", "up_udp_mbps", "down_pps")] for _, r in sorted(grown.items())])


def longest():
    v = R.values("pvpn", "slow", "longest_ms")
    return max(v) if v else None


checks = [("one stream to the target >= 0.8 of the bare TLS stream", R.median("pvpn", "tcp", "mbps"), R.median("bound", "tcp", "mbps"), lambda a, b: a >= 0.8 * b),
          ("one stream from the target >= 0.8 of the bare TLS stream", R.median("pvpn", "rev", "mbps"), R.median("bound", "rev", "mbps"), lambda a, b: a >= 0.8 * b),
          ("no response slower than 40 ms in 10,000", longest(), 40, lambda a, b: a <= b)]
table("What is promised", ["promise", "measured", "against", ""],
      [[name, num(a), num(b), "-" if a is None or b is None else "holds" if ok(a, b) else "does not hold"] for name, a, b, ok in checks])
rows = [r for (_, s), v in R.rows.items() for r in v if "wall" in r]
wall = sum(r["wall"] for r in rows)
print(f"Runs: {len(rows)}, failed: {sum('err' in r for r in rows)}, HTTP requests that failed: {sum(r.get('failed') or 0 for r in rows):.0f}, "
      f"without the lock: {sum(not r['locked'] for r in rows)}. Other processes of the machine used {sum(r['foreign'] for r in rows):.1f} CPU seconds of "
      f"{wall:,.0f} s, the hypervisor took {sum(r['steal'] for r in rows):.1f}. {os.cpu_count()} CPUs, kernel {os.uname().release}, {os.environ.get('CC', 'cubic')}.")
