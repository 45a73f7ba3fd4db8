#!/usr/bin/env bash
# run.sh PEER [ROUND]: start the peer, all its workloads once, stop it; rows are appended to $RESULTS/runs.jsonl.
# The topology must be up.
set -euo pipefail
# shellcheck source=Scripts/bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
peer=$1 round=${2:-0}
BENCH_BOUND=${BENCH_BOUND:-$BENCH/../../tests/Bench.Bound/bin/Release/net10.0/PersonalVpn.Bench.Bound.dll}
export BENCH_BOUND
mkdir -p "$RESULTS"
[ -e "$STATE/pid/topo.nginx" ] || die "the topology is not up; run topology.sh up"
trap '"$BENCH/peers.sh" stop "$peer"' EXIT
trap 'exit 130' INT TERM
# for set-up too nobody else may be measuring
ms=$(flock -o -w 300 "$BENCH_LOCK" "$BENCH/peers.sh" start "$peer")
printf '{"peer":"%s","section":"setup","via":"P","round":%d,"ms":"%s"}\n' "$peer" "$round" "$ms" >>"$RESULTS/runs.jsonl"
[ "$ms" != timeout ] || die "$peer: no exchange through it within 15 s; see $STATE/log"
# warm: what is compiled or learnt while running is not what is compared
if [ "$peer" != bound ]; then as_user iperf3 -c 10.90.3.2 -t 1 >/dev/null 2>&1 || true; fi
"$BENCH/workloads.py" "$peer" "$RESULTS/runs.jsonl" --round "$round"
