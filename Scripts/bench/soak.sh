#!/usr/bin/env bash
# soak.sh SECONDS: four streams each way through pvpn; every 30 s the resident memory of its processes, at the end what
# was dropped and why. It takes the machine for itself, without the lock. How often the garbage collector ran is not
# seen from outside the programs: .NET offers it by its diagnostics protocol alone.
set -euo pipefail
# shellcheck source=Scripts/bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
seconds=${1:-600}
trap 'stop_named soak.up soak.down; "$BENCH/peers.sh" stop pvpn' EXIT
trap 'exit 130' INT TERM
PVPN_SERVER="LogLevel DEBUG" PVPN_FORWARDER="LogLevel DEBUG" PVPN_CLIENT=-vv "$BENCH/peers.sh" start pvpn >/dev/null
user=(setpriv --reuid "$BENCH_USER" --regid "$BENCH_USER" --init-groups --inh-caps=-all --)
spawn_in "$C" soak.up "${user[@]}" iperf3 -c 10.90.3.2 -p 5201 -P 4 -t "$seconds"
spawn_in "$C" soak.down "${user[@]}" iperf3 -c 10.90.3.2 -p 5203 -P 4 -R -t "$seconds"
echo "| seconds | pvpn RSS MB | pvpnd RSS MB | pvpn-server RSS MB |"
echo "| --- | --- | --- | --- |"
began=$(date +%s)
while now=$(($(date +%s) - began)) && [ "$now" -lt "$seconds" ]; do
    line="| $now"
    for name in c.pvpn c.pvpnd s.pvpn-server; do
        read -r pid _ <"$STATE/pid/peer.$name"
        line="$line | $(awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$pid/status")"
    done
    echo "$line |"
    sleep 30
done
"$BENCH/peers.sh" status
grep -h sender "$STATE/log/soak.up.log" "$STATE/log/soak.down.log" | tail -n 2 || true
stop_named peer.c.pvpn peer.c.pvpnd peer.s.pvpn-server
grep -H "garbage collections" "$STATE"/log/peer.*.log | sed 's|.*/peer.[cs].||'
