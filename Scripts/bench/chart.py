#!/usr/bin/python3
"""chart.py [DIRECTORY]: bar charts of runs.jsonl as SVG on stdout; readable on light and on dark pages."""
import sys

from results import Results

R = Results(sys.argv[1] if len(sys.argv) > 1 else "bench-results")
ROW, LABEL, WIDTH, GAP = 20, 150, 760, 46
CHARTS = (("One TCP stream, Mbit/s (more is better)", lambda p: R.median(p, "tcp", "mbps"), "{:,.0f}"),
          ("Added to a 1-byte round trip, µs (less is better)", lambda p: R.paired(p, "pp", "p50", lambda a, b: a - b), "{:,.0f}"),
          ("HTTP requests/s, 10 KB, new connections, 8 at a time (more is better)", lambda p: R.median(p, "http_10k_c8", "rps"), "{:,.0f}"),
          ("CPU seconds per GB, both ends (less is better)", lambda p: R.cpu_per_gb(p, "tcp"), "{:,.2f}"))
parts, y = [], 8
for title, value, form in CHARTS:
    bars = [(p, v) for p, v in ((p, value(p)) for p in R.peers) if v is not None]
    if not bars:
        continue
    top = max(max(v for _, v in bars), 1e-9)
    y += 22
    parts.append(f'<text x="8" y="{y}" class="t">{title}</text>')
    for peer, v in bars:
        y += ROW
        width = max(1.0, v / top * (WIDTH - LABEL - 90))
        kind = peer if peer in ("pvpn", "bound") else "other"
        parts.append(f'<text x="{LABEL - 8}" y="{y + 1}" class="l">{peer}</text><rect x="{LABEL}" y="{y - 11}" width="{width:.1f}" height="14" '
                     f'rx="2" class="{kind}"/><text x="{LABEL + width + 6:.1f}" y="{y + 1}">{form.format(v)}</text>')
    y += GAP - ROW
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" '
      'aria-label="PersonalVpn beside other VPNs">\n<style>text{font:12px sans-serif;fill:#24292f}.t{font-weight:bold}.l{text-anchor:end}'
      '.pvpn{fill:#1a7f37}.bound{fill:#8c959f}.other{fill:#4b8fd6}'
      '@media(prefers-color-scheme:dark){text{fill:#d7dde3}.pvpn{fill:#3fb950}.bound{fill:#768390}}</style>')
print("\n".join(parts) + "\n</svg>")
