#!/usr/bin/env bash
# bench.sh (make bench): a tunnel beside the direct way, in the lab. bob goes directly, alice through her tunnel, to
# the same server at the same address; the two take turns, so that a noisy machine is noisy to both. Figures are
# medians; what counts is the ratio.
#
#   REPS=3 SECS=3 Scripts/bench.sh          repetitions, seconds per throughput run
#   LAB_CC=cubic                            congestion control (default: the machine's)
#   SERVER="Inject raw" FORWARDER="OwnerLookup procfs"      one line of configuration for each daemon
set -euo pipefail
LAB_PREFIX=${LAB_PREFIX:-pv-bench-}
LAB_BIG=0
# shellcheck source=Scripts/lab/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lab/common.sh"
REPS=${REPS:-3} SECS=${SECS:-3} TARGET=10.99.2.2

if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "needs root for network namespaces, and sudo is not installed"
    exec sudo --preserve-env=REPS,SECS,LAB_CC,SERVER,FORWARDER,DOTNET_ROOT env "PATH=$PATH" "$0" "$@"
fi
"$SCRIPTS/install-deps.sh"
make --no-print-directory -C "$SCRIPTS/.." build
trap '"$SCRIPTS/lab.sh" down' EXIT
trap 'exit 130' INT TERM
"$SCRIPTS/lab.sh" up
gcc -O2 -Wall -o "$LAB_STATE/tools/pingpong" "$SCRIPTS/lab/pingpong.c"
spawn pingpong inner "$LAB_STATE/tools/pingpong" server $TARGET 7010
"$SCRIPTS/lab.sh" start server ${SERVER:+"$SERVER"}
"$SCRIPTS/lab.sh" start forwarder ${FORWARDER:+"$FORWARDER"}
"$SCRIPTS/lab.sh" connect alice

iperf() { # USER OPTION...: Mbit/s received
    local user=$1
    shift
    at "$user" iperf3 -c $TARGET -t "$SECS" -f m -J "$@" | /usr/bin/python3 -c '
import json, sys
end = json.load(sys.stdin)["end"]
print(round(end["sum_received" if "sum_received" in end else "sum"]["bits_per_second"] / 1e6, 1))'
}
pingpong() { at "$1" pingpong client $TARGET 7010 5000 | cut -d' ' -f"$2"; }
http() { # USER KB: milliseconds of a request with a new connection, median of 100
    at "$1" /usr/bin/python3 - "$2" <<'N'
import statistics, sys, time, urllib.request
url, times = f"http://10.99.2.2/{sys.argv[1]}.bin", []
for _ in range(100):
    began = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        assert len(answer.read()) == int(sys.argv[1]) * 1024
    times.append((time.perf_counter() - began) * 1000)
print(round(statistics.median(times), 3))
N
}

measure() { # LABEL UNIT COMMAND..., USER in it is replaced
    local label=$1 unit=$2 i direct="" tunnel=""
    shift 2
    for ((i = 0; i < REPS; i++)); do
        direct="$direct $("${@/USER/bob}")"
        tunnel="$tunnel $("${@/USER/alice}")"
    done
    /usr/bin/python3 - "$label" "$unit" "$direct" "$tunnel" <<'N'
import statistics, sys
label, unit = sys.argv[1:3]
direct, tunnel = ([float(x) for x in text.split()] for text in sys.argv[3:5])
d, t = statistics.median(direct), statistics.median(tunnel)
print(f"| {label} | {d:,.1f} | {t:,.1f} | {t / d:.3f} | {min(tunnel):,.1f} .. {max(tunnel):,.1f} | {unit} |", flush=True)
N
}

cat <<N
Congestion control: $(at host sysctl -n net.ipv4.tcp_congestion_control). $REPS repetitions, alternating. CPUs: $(nproc). Kernel: $(uname -r).

| workload | direct | tunnel | ratio | tunnel, range | unit |
| --- | --- | --- | --- | --- | --- |
N
measure "TCP to the server" Mbit/s iperf USER
measure "TCP from the server" Mbit/s iperf USER -R
measure "TCP, 4 streams" Mbit/s iperf USER -P 4
measure "UDP offered 1 Gbit/s, received" Mbit/s iperf USER -u -b 1G -l 1200
measure "1-byte round trip, median" µs pingpong USER 1
measure "1-byte round trip, 99 %" µs pingpong USER 2
for kb in 0 1 10 100 1000; do measure "web request, $kb KB, new connection" ms http USER $kb; done
N=$("$SCRIPTS/lab/enter.sh" alice pvpn status --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["packetsDropped"])')
printf '\nPackets dropped by pvpnd, by reason: %s\n' "$N"
