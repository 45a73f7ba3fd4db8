#!/usr/bin/env bash
# growth.sh [FLOWS...]: pvpn while so many idle TCP connections are open through the tunnel (default 10 1000 10000);
# throughput, round trip and memory beside them. Then pvpn-server with 1, 10, 100 and 1000 sessions (sessions.py).
set -euo pipefail
# shellcheck source=Scripts/bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
trap 'stop_named hold; "$BENCH/peers.sh" stop pvpn' EXIT
trap 'exit 130' INT TERM
"$BENCH/peers.sh" start pvpn >/dev/null
as_user iperf3 -c 10.90.3.2 -t 1 >/dev/null 2>&1 || true
for flows in "${@:-10 1000 10000}"; do
    for n in $flows; do
        spawn_in "$C" hold setpriv --reuid "$BENCH_USER" --regid "$BENCH_USER" --init-groups --inh-caps=-all -- \
            "$STATE/hold" client 10.90.3.2 5401 "$n"
        for ((i = 0; i < 600; i++)); do
            grep -q held "$STATE/log/hold.log" && break
            alive "$STATE/pid/hold" || break
            sleep 0.1
        done
        if grep -q held "$STATE/log/hold.log"; then
            "$BENCH/workloads.py" pvpn "$RESULTS/runs.jsonl" --flows "$n"
        else
            echo "growth: $n flows could not be opened: $(tail -n 1 "$STATE/log/hold.log")" >&2
        fi
        stop_named hold
    done
done
"$BENCH/peers.sh" stop pvpn
"$BENCH/sessions.py"
