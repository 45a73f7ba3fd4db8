"""results.py: the rows of runs.jsonl, and what is computed from them; shared by report.py and chart.py."""
import json
import os
import statistics

ORDER = ("pvpn bound openvpn-udp openvpn-tcp openvpn-tcp-nodelay ocserv-tls ocserv-dtls softether ssh-w sshuttle wireguard-go").split()


class Results:
    def __init__(self, directory):
        self.rows = {}
        with open(os.path.join(directory, "runs.jsonl")) as f:
            for line in f:
                r = json.loads(line)
                self.rows.setdefault((r["peer"], r["section"]), []).append(r)
        seen = {p for p, _ in self.rows}
        self.peers = [p for p in ORDER if p in seen] + sorted(seen - set(ORDER))
        self.others = [p for p in self.peers if p not in ("pvpn", "bound")]

    def values(self, peer, section, key, via="P"):
        return [r[key] for r in self.rows.get((peer, section), []) if r.get("via") == via and r.get(key) is not None]

    def median(self, peer, section, key, via="P"):
        v = self.values(peer, section, key, via)
        return statistics.median(v) if v else None

    def paired(self, peer, section, key, how=lambda p, d: p / d):
        """median over the rounds of P against the mean of the direct runs right before and after it"""
        out = []
        for r in self.rows.get((peer, section), []):
            if r.get("via") != "P" or r.get(key) is None:
                continue
            d = [x[key] for x in self.rows[peer, section] if x["via"] == "D" and x["round"] == r["round"] and x.get(key)]
            if d:
                out.append(how(r[key], sum(d) / len(d)))
        return statistics.median(out) if out else None

    def cpu_per_gb(self, peer, section, keys=("cpu_c", "cpu_s")):
        v = [sum(r[k] for k in keys) / (r["bytes"] / 1e9) for r in self.rows.get((peer, section), []) if r.get("via") == "P" and r.get("bytes")]
        return statistics.median(v) if v else None
