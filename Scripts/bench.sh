#!/usr/bin/env bash
# bench.sh (make bench): PersonalVpn, the other VPNs that can be installed, and the direct way, on the same workloads in
# one run; then PersonalVpn as its work grows. Report and picture go to bench-results/. See Scripts/bench/README.md.
#
#   make bench                          everything: 5 rounds, about three quarters of an hour
#   QUICK=1 make bench                  3 rounds of a few peers, a few minutes
#   PEERS="pvpn bound openvpn-udp" REPS=3 SECS=4 SECTIONS=tcp,pp make bench
#   GROWTH=0                            without the part where flows and sessions grow
#   SOAK=600                            after it, that many seconds of full load: memory, collections, drops
#   INSTALL=0                           do not install the other VPNs; measure those that are there
#   PVPN_SERVER="Inject raw" PVPN_FORWARDER="OwnerLookup procfs"     a line of configuration for each daemon
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=Scripts/bench/common.sh
. "$ROOT/Scripts/bench/common.sh"
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "needs root for network namespaces, and sudo is not installed"
    exec sudo --preserve-env=QUICK,PEERS,REPS,SECS,SECTIONS,GROWTH,SOAK,INSTALL,CC,PVPN_SERVER,PVPN_FORWARDER,DOTNET_ROOT \
        env "PATH=$PATH" "$0" "$@"
fi
if [ -n "${QUICK:-}" ]; then
    PEERS=${PEERS:-pvpn bound openvpn-udp ocserv-tls softether} REPS=${REPS:-3} SECS=${SECS:-3}
fi
REPS=${REPS:-5} SECS=${SECS:-4}
export SECS
if [ "${INSTALL:-1}" != 0 ]; then "$BENCH/install-peers.sh"; fi
make --no-print-directory -C "$ROOT" build
for project in Bench.Bound Load; do dotnet build "$ROOT/tests/$project" -c Release -v quiet --nologo; done
BENCH_BOUND=$ROOT/tests/Bench.Bound/bin/Release/net10.0/PersonalVpn.Bench.Bound.dll
DOTNET=$(command -v dotnet)
export BENCH_BOUND DOTNET
have=$("$BENCH/peers.sh" list)
PEERS=${PEERS:-$have}

mkdir -p "$RESULTS"
: >"$RESULTS/runs.jsonl"
trap '"$BENCH/topology.sh" down' EXIT
trap 'exit 130' INT TERM
"$BENCH/topology.sh" up

# One round after the other, and in each round every peer once: what drifts on this machine drifts for all of them.
for ((round = 0; round < REPS; round++)); do
    for peer in $PEERS; do
        grep -qx "$peer" <<<"$have" || { echo "bench: $peer is not installed; left out" >&2; continue; }
        "$BENCH/run.sh" "$peer" "$round" || echo "bench: $peer failed in round $round" >&2
    done
done
if [ "${GROWTH:-1}" != 0 ] && grep -qw pvpn <<<"$PEERS"; then "$BENCH/growth.sh" || echo "bench: growth.sh failed; its rows are missing" >&2; fi
if [ -n "${SOAK:-}" ]; then "$BENCH/soak.sh" "$SOAK" || echo "bench: soak.sh failed" >&2; fi
/usr/bin/python3 "$BENCH/report.py" "$RESULTS" | tee "$RESULTS/report.md"
/usr/bin/python3 "$BENCH/chart.py" "$RESULTS" >"$RESULTS/bench.svg"
echo "bench: $RESULTS/report.md, $RESULTS/bench.svg, $RESULTS/runs.jsonl" >&2
