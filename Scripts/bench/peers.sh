#!/usr/bin/env bash
# peers.sh: start and stop the VPNs that are compared, in the namespaces of topology.sh; one at a time.
#   peers.sh list                  those that are installed here
#   peers.sh start PEER            server and client; prints the set-up time in ms, up to the first exchange through it
#   peers.sh stop [PEER]
#   peers.sh status                what pvpn and pvpn-server say of themselves, when pvpn is the peer
# How each is configured is in peers-*.sh: start_s_PEER and start_c_PEER, with `spawn s|c NAME COMMAND...` so that CPU
# and memory are counted; optional stop_PEER. Another program becomes one more peer by defining these two.
set -euo pipefail
# shellcheck source=Scripts/bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
K=$STATE/pki
PROBE=10.90.3.2

spawn() { # s|c NAME COMMAND...
    local side=$1 ns=$C name=$2
    [ "$side" = c ] || ns=$G
    shift 2
    spawn_in "$ns" "peer.$side.$name" "$@"
}
croutes() { x "$C" ip route replace 10.90.3.0/24 "$@"; x "$C" ip route replace 10.90.4.0/24 "$@"; }
until_ready() { # TIMES COMMAND...: poll every 20 ms
    local i times=$1
    shift
    for ((i = 0; i < times; i++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.02; done
    return 1
}

pki() { # a CA, a server's and a client's certificate (ECDSA P-256), ssh keys
    [ ! -e "$K/done" ] || return 0
    mkdir -p "$K"
    local n
    (
        cd "$K"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=benchca -keyout ca.key -out ca.crt
        for n in server client; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$n -keyout $n.key -out $n.csr
            printf 'subjectAltName=IP:10.90.1.1\nkeyUsage=digitalSignature\nextendedKeyUsage=%sAuth\n' $n >$n.ext
            openssl x509 -req -in $n.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile $n.ext -out $n.crt
        done
        ssh-keygen -q -t ed25519 -N '' -f hostkey
        ssh-keygen -q -t ed25519 -N '' -f userkey
        cp userkey.pub authorized_keys
        echo "[10.90.1.1]:2222 $(cut -d' ' -f1,2 hostkey.pub)" >known_hosts
        touch "done"
    ) >"$STATE/log/pki.log" 2>&1
}

# shellcheck source=Scripts/bench/peers-pvpn.sh
. "$BENCH/peers-pvpn.sh"
# shellcheck source=Scripts/bench/peers-others.sh
. "$BENCH/peers-others.sh"

# peer: the commands it needs
PEERS="pvpn:dotnet bound:dotnet openvpn-udp:openvpn openvpn-tcp:openvpn openvpn-tcp-nodelay:openvpn ocserv-tls:ocserv,openconnect
ocserv-dtls:ocserv,openconnect softether:vpncmd,/usr/libexec/softether/vpnserver/vpnserver,/usr/libexec/softether/vpnclient/vpnclient
ssh-w:/usr/sbin/sshd,ssh sshuttle:sshuttle,/usr/sbin/sshd,nft wireguard-go:wireguard-go,wg"

list() {
    local pair need ok
    for pair in $PEERS; do
        ok=1
        for need in $(tr , ' ' <<<"${pair#*:}"); do PATH=$PATH:/usr/sbin:/sbin command -v "$need" >/dev/null || ok=""; done
        [ -z "$ok" ] || echo "${pair%%:*}"
    done
}
start() {
    local began peer=$1
    declare -F "start_c_$peer" >/dev/null || die "no peer '$peer'; see peers.sh list"
    pki
    "start_s_$peer"
    if [ "$peer" = bound ]; then echo 0; return; fi
    began=$(date +%s%N)
    "start_c_$peer"
    as_user "$STATE/pp" probe $PROBE 5301 15000 "$began"
}
stop() {
    local f names=() side
    for side in c s; do
        names=()
        for f in "$STATE/pid/peer.$side."*; do [ ! -e "$f" ] || names+=("$(basename "$f")"); done
        [ ${#names[@]} -eq 0 ] || stop_named "${names[@]}"
    done
    [ ! -e "/run/netns/$C" ] || { ip -n "$C" route flush 10.90.3.0/24; ip -n "$C" route flush 10.90.4.0/24; } 2>/dev/null || true
    if [ -n "${1:-}" ] && declare -F "stop_$1" >/dev/null; then "stop_$1"; fi
}
case ${1:-} in
    list) list ;;
    start) start "$2" ;;
    stop) stop "${2:-}" ;;
    status) pvpn_status ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
