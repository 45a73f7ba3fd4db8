# shellcheck shell=bash disable=SC2034
# common.sh: names, processes known by pid, and entering the namespaces; for the scripts of this directory. Sourced, never run.
# Settings (environment): NSP prefix of the namespaces, STATE directory of keys, logs and pid files, PVPN_OUT, CC.

BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NSP=${NSP:-pb-}
C=${NSP}c G=${NSP}g T=${NSP}t                   # client, gateway, target
STATE=${STATE:-/tmp/pvpn-bench-${NSP%-}}
RESULTS=${RESULTS:-$BENCH/../../bench-results}
BENCH_USER=${BENCH_USER:-${NSP}user}            # the account whose traffic is measured
BENCH_LOCK=${BENCH_LOCK:-/tmp/bench.lock}
CC=${CC:-cubic}
PVPN_OUT=${PVPN_OUT:-$BENCH/../../out}
export NSP STATE RESULTS BENCH_USER BENCH_LOCK CC PVPN_OUT

die() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

# A zombie has no start time here: it has ended, however long its parent takes to notice.
start_time() { sed -n 's/.*) \([^Z]\)/\1/p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

alive() { # PIDFILE: is it still the process that we started? The file holds "pid start-time".
    local pid began
    read -r pid began 2>/dev/null <"$1" || return 1
    [ -n "$began" ] && [ "$(start_time "$pid")" = "$began" ]
}

spawn_in() { # NAMESPACE NAME COMMAND...: in the background; log and pid under NAME
    local ns=$1 name=$2
    shift 2
    setsid ip netns exec "$ns" "$@" >"$STATE/log/$name.log" 2>&1 </dev/null &
    printf '%s %s\n' "$!" "$(start_time "$!")" >"$STATE/pid/$name"
}

tree() { # PID...: them and all their descendants
    local pid kids
    for pid in "$@"; do
        echo "$pid"
        kids=$(cat "/proc/$pid"/task/*/children 2>/dev/null || true)
        # shellcheck disable=SC2086
        [ -z "$kids" ] || tree $kids
    done
}

stop_named() { # NAME...: TERM the processes of these pid files, wait 4 s at most, then KILL what is left of their trees
    local name pid began i left all=""
    for name in "$@"; do
        alive "$STATE/pid/$name" || continue
        read -r pid began <"$STATE/pid/$name"
        for pid in $(tree "$pid"); do all="$all $pid:$(start_time "$pid")"; done
    done
    for name in "$@"; do
        if alive "$STATE/pid/$name"; then
            read -r pid began <"$STATE/pid/$name"
            kill "$pid" 2>/dev/null || true
        fi
        rm -f "$STATE/pid/$name"
    done
    for ((i = 0; i < 80; i++)); do
        left=""
        for pid in $all; do
            began=${pid#*:}
            if [ -n "$began" ] && [ "$(start_time "${pid%:*}")" = "$began" ]; then left="$left ${pid%:*}"; fi
        done
        [ -n "$left" ] || return 0
        sleep 0.05
    done
    for pid in $left; do kill -9 "$pid" 2>/dev/null || true; done
}

x() { ip netns exec "$@"; }                     # NAMESPACE COMMAND...
as_user() { # COMMAND...: in the client's namespace, as the account whose traffic is measured
    ip netns exec "$C" setpriv --reuid "$BENCH_USER" --regid "$BENCH_USER" --init-groups --inh-caps=-all -- "$@"
}
