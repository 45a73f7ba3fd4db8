# shellcheck shell=bash disable=SC2034
# common.sh: what lab.sh, demo.sh and bench.sh share: names, addresses, processes that are known by pid.
# Sourced, never run. Settings (environment): LAB_PREFIX, LAB_STATE, LAB_BIG, LAB_CC, PVPN_OUT.

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB_PREFIX=${LAB_PREFIX:-pv-}
LAB_STATE=${LAB_STATE:-/tmp/pvpn-lab-${USER:-root}-${LAB_PREFIX%-}}
LAB_BIG=${LAB_BIG:-200}                     # MB of the large file; 0 makes none
LAB_CC=${LAB_CC:-}                          # TCP congestion control in the lab; empty: the machine's default
PVPN_OUT=${PVPN_OUT:-$SCRIPTS/../out}
export LAB_PREFIX LAB_STATE PVPN_OUT

NS_HOST=${LAB_PREFIX}host NS_GW=${LAB_PREFIX}gw NS_INNER=${LAB_PREFIX}inner
LAB_USERS="alice bob carol"
LAB_ACCOUNTS=/run/pvpn-lab                  # which labs are up and which accounts labs have made

die() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "needs root for network namespaces; run it with sudo"; }

# A pid file holds "pid start-time", so that a pid which the kernel has given to someone else is never signalled.
# A zombie has no start time here: it has ended, however long its parent takes to notice.
start_time() { sed -n 's/.*) \([^Z]\)/\1/p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

alive() { # NAME: is the process recorded under that name still the one we started?
    local pid began
    read -r pid began 2>/dev/null <"$LAB_STATE/pids/$1" || return 1
    [ -n "$began" ] && [ "$(start_time "$pid")" = "$began" ]
}

pid_of() { alive "$1" && cut -d' ' -f1 "$LAB_STATE/pids/$1"; }

spawn() { # NAME NODE|USER COMMAND...: start in the background, log to log/NAME, remember the pid
    local name=$1 pid
    shift
    setsid "$SCRIPTS/lab/enter.sh" "$@" >"$LAB_STATE/log/$name" 2>&1 </dev/null &
    pid=$!
    printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$LAB_STATE/pids/$name"
}

stop_one() { # NAME [SIGNAL]: signal, wait at most 5 s, then kill; forget the pid
    local name=$1 signal=${2:-TERM} pid i
    if pid=$(pid_of "$name"); then
        kill -"$signal" "$pid" 2>/dev/null || true
        for ((i = 0; i < 100; i++)); do alive "$name" || break; sleep 0.05; done
        if alive "$name"; then
            echo "lab: $name (pid $pid) did not end on SIG$signal within 5 s; killed" >&2
            kill -KILL "$pid" 2>/dev/null || true
        fi
    fi
    rm -f "$LAB_STATE/pids/$name"
}

wait_for() { # SECONDS WHAT COMMAND...: poll until COMMAND succeeds
    local end=$(($(date +%s%N) + $1 * 1000000000)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s%N)" -lt "$end" ] || { echo "lab: $what did not happen in time" >&2; return 1; }
        sleep 0.02
    done
}

wait_log() { # SECONDS NAME PATTERN: until log/NAME has a line matching PATTERN, or its process is gone
    local end=$(($(date +%s%N) + $1 * 1000000000)) name=$2 pattern=$3
    until grep -q -- "$pattern" "$LAB_STATE/log/$name" 2>/dev/null; do
        if ! alive "$name" || [ "$(date +%s%N)" -ge "$end" ]; then
            grep -q -- "$pattern" "$LAB_STATE/log/$name" 2>/dev/null && return 0
            echo "lab: $name said no '$pattern'; its last lines:" >&2
            tail -n 8 "$LAB_STATE/log/$name" 2>/dev/null | sed 's/^/    /' >&2
            return 1
        fi
        sleep 0.02
    done
}

at() { "$SCRIPTS/lab/enter.sh" "$@"; }      # NODE|USER COMMAND...

write_conf() { # FILE DEFAULTS [LINE...]: DEFAULTS (a text) less the keywords that a LINE sets, then the LINEs
    local file=$1 text=$2 line word
    shift 2
    for line in "$@"; do
        word=${line%%[[:space:]]*}
        text=$(printf '%s\n' "$text" | grep -viE "^${word}[[:space:]]" || true)
    done
    { printf '%s\n' "$text"; printf '%s\n' "$@"; } | sed '/^$/d' >"$file"
}
