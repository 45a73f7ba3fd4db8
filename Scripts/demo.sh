#!/usr/bin/env bash
# demo.sh (make demo): what PersonalVpn does, shown on this machine alone. Two users of one host, a gateway and an
# inner host in network namespaces, the three programs for real, and a tap on the wire as witness. Every line with a
# tick was checked; the exit status is 0 only when all of them held. Nothing is left behind.
set -euo pipefail
LAB_PREFIX=${LAB_PREFIX:-pv-demo-}
LAB_BIG=0
# shellcheck source=Scripts/lab/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lab/common.sh"
cd "$SCRIPTS/.."

if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "needs root for network namespaces, and sudo is not installed"
    echo "The demo makes network namespaces; that needs root:"
    exec sudo env "PATH=$PATH" ${DOTNET_ROOT:+"DOTNET_ROOT=$DOTNET_ROOT"} "$0" "$@"
fi

GATEWAY=10.99.1.1
OPEN4=10.99.2.2 OPEN6=fd99:2::2             # everybody can go there
HIDDEN4=10.99.3.2 HIDDEN6=fd99:3::2         # reachable through a tunnel only
ALICE_SAYS=alices-plain-text BOB_SAYS=bobs-plain-text

bold="" dim="" green="" red="" reset=""
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' reset=$'\e[0m'
fi
tick="$green✓$reset" cross="$red✗$reset"
checked=0
failed=()

# ---- printing, and claims ----

section() { printf '\n%s%s%s\n' "$bold" "$1" "$reset"; }
note() { printf '    %s%s%s\n' "$dim" "$*" "$reset"; }
shell() { printf '    %s$ %s%s\n' "$dim" "$*" "$reset"; }

claim() { # TRUTH LABEL VALUES...: one line; TRUTH is the exit status of the check behind it
    local truth=$1 label=$2 mark=$tick
    shift 2
    checked=$((checked + 1))
    if [ "$truth" != 0 ]; then mark=$cross; failed+=("$label: $*"); fi
    if [ $# -gt 1 ]; then printf '  %s %-30s %-26s %s\n' "$mark" "$label" "$1" "$2"; else printf '  %s %-30s %s\n' "$mark" "$label" "${1:-}"; fi
}

columns() { printf '    %s%-30s %-26s %s%s\n' "$dim" "$1" "$2" "$3" "$reset"; }

truth() { if "$@" >/dev/null 2>&1; then echo 0; else echo 1; fi; }
is() { [ "$1" = "$2" ]; }

said() { # USER COMMAND...: its first line, or what went wrong
    local text
    text=$(at "$@" 2>&1 | head -n 1) || true
    printf '%s\n' "${text:-nothing}"
}

both() { # LABEL EXPECTED_OF_ALICE EXPECTED_OF_BOB COMMAND..., TEXT in it is each user's own
    local label=$1 want_alice=$2 want_bob=$3 alice bob
    shift 3
    alice=$(said alice "${@/TEXT/$ALICE_SAYS}")
    bob=$(said bob "${@/TEXT/$BOB_SAYS}")
    claim "$(truth matches "$alice" "$want_alice" "$bob" "$want_bob")" "$label" "$(word "$alice")" "$(word "$bob")"
}
word() { case $1 in ENETUNREACH) echo "no route there" ;; ETIMEDOUT|EHOSTUNREACH|ECONNREFUSED) echo "no answer ($1)" ;; *) printf '%s\n' "${1%% *}" ;; esac; }
matches() { is "${1%% *}" "$2" && is "${3%% *}" "$4"; }

ping_ms() { at "$1" ping -n -c 1 -W 2 "$2" 2>/dev/null | sed -n 's/.*time=\([0-9.]*\) ms.*/\1 ms/p'; }

both_ping() { # LABEL ADDRESS
    local alice bob
    alice=$(ping_ms alice "$2") || true
    bob=$(ping_ms bob "$2") || true
    claim "$(truth test -n "$alice" -a -n "$bob")" "$1" "${alice:-no answer}" "${bob:-no answer}"
}

status_of() { # USER PROPERTY: of the user's tunnel, from pvpn status --json
    at "$1" pvpn status --json | /usr/bin/python3 -c '
import json, sys
rows = json.load(sys.stdin)
value = rows[0][sys.argv[1]] if rows else ""
print(json.dumps(value) if isinstance(value, (dict, list)) else value)' "$2"
}
dropped() { status_of alice packetsDropped | /usr/bin/python3 -c 'import json, sys; print(sum(json.load(sys.stdin).values()))'; }
state_of() { at "$1" "$SCRIPTS/lab/kernel-state.sh"; }

# ---- the end, whatever happened ----

finish() {
    local status=$?
    trap - EXIT
    [ -z "$gone" ] || return "$status"
    if [ "$status" != 0 ] || [ ${#failed[@]} -gt 0 ]; then
        local name
        printf '\n%sThe last lines of the logs%s\n' "$bold" "$reset"
        for name in server forwarder alice; do
            [ -s "$LAB_STATE/log/$name" ] || continue
            printf '  %s\n' "$name"
            tail -n 8 "$LAB_STATE/log/$name" | sed 's/^/    /'
        done
    fi
    "$SCRIPTS/lab.sh" down || true
    exit $((status == 0 ? 1 : status))
}
gone=""

# ---- the story ----

"$SCRIPTS/install-deps.sh"
make --no-print-directory build
began=$(date +%s%N)
trap finish EXIT
trap 'exit 130' INT TERM HUP

printf '\n%sPersonalVpn: a tunnel that only its owner can use%s\n' "$bold" "$reset"
cat <<N

    alice ─┐                      wire                           ┌─ $OPEN4   fd99:2::2   open to everybody
           ├─ shared host ═══════════════════ gateway ── inner ──┤
    bob   ─┘  10.99.1.2            tap        $GATEWAY    host    └─ $HIDDEN4   fd99:3::2   behind the gateway only
N

"$SCRIPTS/lab.sh" up
host_before=$(state_of host) gw_before=$(state_of gw)
"$SCRIPTS/lab.sh" start
spawn tap host tcpdump -i wire -n -U --immediate-mode -s 0 -B 16384 -Z root -w "$LAB_STATE/log/wire.pcap"
wait_log 10 tap 'listening on'

section "1  alice opens her tunnel; bob does nothing"
shell "pvpn alice@$GATEWAY"
opened=$(date +%s%N)
"$SCRIPTS/lab.sh" connect alice
opened=$((($(date +%s%N) - opened) / 1000000))
note "$(grep '^pvpn: connected' "$LAB_STATE/log/alice")"
addresses=$(status_of alice address)
VIRT4=${addresses%%,*} VIRT6=${addresses##*,}
device=$(status_of alice device)
claim "$(truth is "$(status_of alice state)" up)" "her tunnel" "up after $opened ms; her inner addresses are $VIRT4 and $VIRT6"
claim "$(truth is "$(at alice id -u)" "$(status_of alice uid)")" "its owner" "uid $(status_of alice uid), an ordinary user; pvpn runs without any privilege"

section "2  The same commands, by both users: the address that the inner host sees"
columns "" "alice" "bob"
both "TCP   $OPEN4" "$VIRT4" 10.99.1.2 talk.py tcp $OPEN4 TEXT
both "TCP   $OPEN6" "$VIRT6" fd99:1::2 talk.py tcp $OPEN6 TEXT
both "UDP   $OPEN4" "$VIRT4" 10.99.1.2 talk.py udp $OPEN4 TEXT
both "UDP   $OPEN6" "$VIRT6" fd99:1::2 talk.py udp $OPEN6 TEXT
both "curl  http://$OPEN4/who" "$VIRT4" 10.99.1.2 curl -s --max-time 5 "http://$OPEN4/who?tag=TEXT"
both "TCP   $HIDDEN4" "$VIRT4" ENETUNREACH talk.py tcp $HIDDEN4 TEXT
both "TCP   $HIDDEN6" "$VIRT6" ENETUNREACH talk.py tcp $HIDDEN6 TEXT
both_ping "ping  $OPEN4" $OPEN4
both_ping "ping  $OPEN6" $OPEN6
alice_check=$(said alice pvpn check $OPEN4:80) bob_check=$(said bob pvpn check $OPEN4:80)
claim "$(truth test "${alice_check#*protected via}" != "$alice_check" -a "${bob_check#*direct}" != "$bob_check")" \
    "pvpn check $OPEN4:80" "$alice_check" "$bob_check"

section "3  What somebody sees who listens on the wire"
sleep 0.2
stop_one tap INT
declare -A wire=()
while read -r name value; do wire[$name]=$value; done \
    < <(/usr/bin/python3 "$SCRIPTS/lab/wire.py" "$LAB_STATE/log/wire.pcap" $GATEWAY $ALICE_SAYS $BOB_SAYS)
columns "" "of alice" "of bob"
claim "$(truth test "${wire[tunnel-packets]}" -gt 0 -a "${wire[other-packets]}" -gt 0)" "packets" \
    "${wire[tunnel-packets]}, TCP port 443" "${wire[other-packets]}, TCP UDP ICMP in clear"
claim "$(truth test "${wire[mark-$ALICE_SAYS]}" = 0 -a "${wire[mark-$BOB_SAYS]}" -gt 0)" "packets with readable text" \
    "${wire[mark-$ALICE_SAYS]}" "${wire[mark-$BOB_SAYS]}"
claim "$(truth is "${wire[tunnel-tls]}" yes)" "what they are" "TLS records, all of them" "\"${wire[line-$BOB_SAYS]}\""

section "4  bob tries to get into alice's tunnel"
spawn tap inner tcpdump -i lan -n -U --immediate-mode -Z root -w "$LAB_STATE/log/inner.pcap" ip or ip6
wait_log 10 tap 'listening on'
attack() { # LABEL COUNTED COMMAND...: bob gets no answer; COUNTED yes: a counter must say so
    local label=$1 counted=$2 before after answer
    shift 2
    before=$(dropped)
    if answer=$(at bob "$@" 2>&1); then answer="he was answered: $answer"; else answer=""; fi
    after=$(dropped)
    [ "$counted" = no ] || [ "$after" -gt "$before" ] || answer="${answer:-no counter moved}"
    claim "$(truth test -z "$answer")" "$label" "${answer:-nothing}" "$((after - before)) dropped"
}
columns "" "he gets" "pvpnd counts"
attack "binds her address, TCP" yes talk.py tcp $HIDDEN4 $BOB_SAYS --source "$VIRT4" --timeout 0.7
attack "binds her address, UDP IPv6" yes talk.py udp $HIDDEN6 $BOB_SAYS --source "$VIRT6" --timeout 0.7
attack "binds to her device $device" no talk.py udp $HIDDEN4 $BOB_SAYS --device "$device" --timeout 0.7
attack "pings from her address" yes ping -n -c 1 -W 1 -I "$VIRT4" $HIDDEN4
at alice talk.py udp $HIDDEN4 hello --source "$VIRT4" --sport 30123 >/dev/null
attack "takes over her closed flow" yes talk.py udp $HIDDEN4 $BOB_SAYS --source "$VIRT4" --sport 30123 --timeout 0.7
at bob pvpn down --all >/dev/null 2>&1 || true
claim "$(truth is "$(status_of alice state)$(at bob pvpn status --json | tr -d '[:space:]')" "up[]")" \
    "asks pvpnd to end her tunnel" "nothing" "and sees no tunnel"
stop_one tap INT
claim "$(truth is "$(tcpdump -nr "$LAB_STATE/log/inner.pcap" -A 2>/dev/null | grep -c $BOB_SAYS)" 0)" "the inner host's own tap" "not one packet of his"
note "reasons: $(status_of alice packetsDropped)"

section "5  Her programs are killed: nothing of hers goes out in clear"
spawn tap host tcpdump -i wire -n -U --immediate-mode -Z root -w "$LAB_STATE/log/crash.pcap" "not tcp port 443 and not icmp6 and (ip or ip6)"
wait_log 10 tap 'listening on'
stop_one alice KILL
said alice talk.py tcp $OPEN4 $ALICE_SAYS --timeout 0.7 >/dev/null
said alice talk.py udp $OPEN6 $ALICE_SAYS --timeout 0.7 >/dev/null
claim "$(truth is "$(said alice pvpn check $OPEN4:80 | grep -c blocked)" 1)" "pvpn, kill -9" "$(said alice pvpn check $OPEN4:80)"
stop_one forwarder KILL
said alice talk.py tcp $OPEN4 $ALICE_SAYS --timeout 0.7 >/dev/null
said alice talk.py udp $OPEN6 $ALICE_SAYS --timeout 0.7 >/dev/null
"$SCRIPTS/lab.sh" start forwarder
claim "$(truth is "$(said alice pvpn check $OPEN4:80 | grep -c blocked)" 1)" "pvpnd, kill -9, and restarted" "$(said alice pvpn check $OPEN4:80)"
sleep 0.1
stop_one tap INT
claim "$(truth is "$(tcpdump -nr "$LAB_STATE/log/crash.pcap" 2>/dev/null | wc -l)" 0)" "the tap, all the while" "0 packets in clear"
shell "pvpn down --all"
at alice pvpn down --all >/dev/null 2>&1 || true
claim "$(truth is "$(said alice pvpn check $OPEN4:80 | grep -c direct)" 1)" "as she asked" "$(said alice pvpn check $OPEN4:80)"

section "6  An inner network that knows no way back: Egress masquerade"
ip -n "$NS_INNER" route del 10.77.0.0/16
ip -n "$NS_INNER" -6 route del fd77::/64
"$SCRIPTS/lab.sh" start server "Egress masquerade"
"$SCRIPTS/lab.sh" connect alice
"$SCRIPTS/lab.sh" connect bob
columns "" "alice" "bob, with a tunnel as well"
both "TCP   $HIDDEN4" 10.99.2.1 10.99.2.1 talk.py tcp $HIDDEN4 TEXT
both "UDP   $HIDDEN6" fd99:2::1 fd99:2::1 talk.py udp $HIDDEN6 TEXT
note "Both see the same gateway address in front of them, and each gets the answers to their own packets."
shell "pvpn status"
at alice pvpn status | sed 's/^/    /'

section "7  Everything is taken down again"
"$SCRIPTS/lab.sh" stop
host_after=$(state_of host) gw_after=$(state_of gw)
claim "$(truth is "$host_after" "$host_before")" "the shared host" "rules, routes, devices, filters as before"
claim "$(truth is "$gw_after" "$gw_before")" "the gateway" "rules, routes, devices, filters as before"
if [ ${#failed[@]} -eq 0 ]; then
    "$SCRIPTS/lab.sh" down
    gone=yes
    left=$(ip netns list | grep -c "^$LAB_PREFIX" || true)
    claim "$(truth test "$left" = 0 -a ! -e "$LAB_STATE")" "the lab" "namespaces, processes and files are gone"
fi

took=$((($(date +%s%N) - began) / 100000000))
if [ ${#failed[@]} -gt 0 ]; then
    printf '\n%s%d of %d claims did not hold:%s\n' "$red" ${#failed[@]} "$checked" "$reset"
    printf '  %s\n' "${failed[@]}"
    exit 1
fi
printf '\n%s%d claims checked, all of them hold%s (%d.%d s). Next: docs/quickstart.md.\n' "$bold" "$checked" "$reset" $((took / 10)) $((took % 10))
