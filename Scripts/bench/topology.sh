#!/usr/bin/env bash
# topology.sh up|down|status: namespaces and workload servers of the benchmark.
#
#   pb-c (client)             pb-g (gateway, VPN server)              pb-t (target)
#   10.90.1.2  --veth--  10.90.1.1 | 10.90.2.1  --veth--  10.90.2.2  (reached directly)
#                        10.90.4.1 on lo                  10.90.3.2  (same host; reached through the VPN alone)
#
# Direct and VPN traffic cross the same links to the same servers at any time and can take turns without any
# reconfiguration: c has plain routes to 10.90.2.0/24, and each peer installs its own way to 10.90.3.0/24 (target)
# and 10.90.4.0/24 (the gateway itself). There is no other way there. veth MTU 1500, default offloads, TCP cubic.
set -euo pipefail
# shellcheck source=Scripts/bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ALLOWED=net.ipv4.tcp_allowed_congestion_control

up() {
    local n s
    [ ! -e "/run/netns/$C" ] || down
    trap 'echo "topology: could not be brought up; taking down what there is" >&2; down' EXIT
    [ ! -L "$STATE" ] || die "$STATE is a symbolic link; remove it"
    [ -d "$STATE" ] || mkdir -m 755 "$STATE"
    [ "$(stat -c %u "$STATE")" = 0 ] || die "$STATE belongs to somebody else; set STATE to another directory"
    mkdir -p "$STATE"/{pid,log,www}
    chmod 755 "$STATE" "$STATE/www"
    gcc -O2 -Wall -o "$STATE/pp" "$BENCH/pp.c"
    gcc -O2 -Wall -o "$STATE/hold" "$BENCH/hold.c"
    if ! getent passwd "$BENCH_USER" >/dev/null; then
        useradd --no-create-home --home-dir "$STATE/home" --shell /bin/sh --comment "PersonalVpn benchmark" "$BENCH_USER"
        touch "$STATE/made-account"
    fi
    install -d -m 700 -o "$BENCH_USER" -g "$BENCH_USER" "$STATE/home"
    # A namespace may only choose what the first one allows; `down` puts the list back.
    sysctl -n $ALLOWED >"$STATE/allowed_cc"
    grep -qw "$CC" "$STATE/allowed_cc" || sysctl -qw "$ALLOWED=$(cat "$STATE/allowed_cc") $CC"
    for n in "$C" "$G" "$T"; do ip netns add "$n"; ip -n "$n" link set lo up; done
    ip link add c-g netns "$C" type veth peer name g-c netns "$G"
    ip link add g-t netns "$G" type veth peer name t-g netns "$T"
    ip -n "$C" addr add 10.90.1.2/24 dev c-g
    ip -n "$G" addr add 10.90.1.1/24 dev g-c
    ip -n "$G" addr add 10.90.2.1/24 dev g-t
    ip -n "$T" addr add 10.90.2.2/24 dev t-g
    ip -n "$T" addr add 10.90.3.2/32 dev t-g
    ip -n "$G" addr add 10.90.4.1/32 dev lo
    ip -n "$C" link set c-g up; ip -n "$G" link set g-c up; ip -n "$G" link set g-t up; ip -n "$T" link set t-g up
    ip -n "$C" route add 10.90.2.0/24 via 10.90.1.1
    ip -n "$G" route add 10.90.3.0/24 via 10.90.2.2
    ip -n "$T" route add default via 10.90.2.1
    for n in "$C" "$G" "$T"; do
        x "$n" sysctl -qw net.ipv4.tcp_congestion_control="$CC" net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
            net.ipv4.ip_local_port_range='1100 65000' net.ipv4.tcp_tw_reuse=1
    done
    x "$G" sysctl -qw net.ipv4.ip_forward=1
    for s in 0 1 10 100 1000; do head -c $((s * 1024)) /dev/urandom >"$STATE/www/f$s.bin"; done
    cat >"$STATE/nginx.conf" <<N
daemon off; worker_processes 1; pid $STATE/nginx.pid; error_log $STATE/log/nginx.err;
events { worker_connections 4096; }
http { access_log off; sendfile on; tcp_nopush on; server { listen 80 backlog=4096; root $STATE/www; } }
N
    spawn_in "$T" topo.nginx nginx -e "$STATE/log/nginx.err" -c "$STATE/nginx.conf"
    # One server per address: bound to the wildcard, iperf3 answers UDP from 10.90.2.2, which a client of 10.90.3.2 drops.
    spawn_in "$T" topo.iperf_td iperf3 -s -B 10.90.2.2 -p 5201 --idle-timeout 60
    spawn_in "$T" topo.iperf_tp iperf3 -s -B 10.90.3.2 -p 5201 --idle-timeout 60
    spawn_in "$T" topo.iperf_tq iperf3 -s -B 10.90.3.2 -p 5203 --idle-timeout 60
    spawn_in "$T" topo.pp_t "$STATE/pp" server 0.0.0.0 5301
    spawn_in "$T" topo.hold_t "$STATE/hold" server 0.0.0.0 5401
    spawn_in "$G" topo.iperf_g iperf3 -s -p 5202 --idle-timeout 60
    spawn_in "$G" topo.pp_g "$STATE/pp" server 0.0.0.0 5302
    sleep 0.5
    as_user "$STATE/pp" probe 10.90.2.2 5301 5000 >/dev/null || die "no first exchange on the direct way"
    trap - EXIT
}

down() {
    local f n names=()
    trap - EXIT
    for f in "$STATE"/pid/peer.c.* "$STATE"/pid/*; do [ ! -e "$f" ] || names+=("$(basename "$f")"); done
    [ ${#names[@]} -eq 0 ] || stop_named "${names[@]}"
    for n in "$C" "$G" "$T"; do if [ -e "/run/netns/$n" ]; then ip netns del "$n"; fi; done
    if [ -s "$STATE/allowed_cc" ]; then sysctl -qw "$ALLOWED=$(cat "$STATE/allowed_cc")"; fi
    if [ -e "$STATE/made-account" ]; then userdel "$BENCH_USER" 2>/dev/null || true; fi
    if [ -d "$STATE/pid" ] && [ ! -L "$STATE" ]; then rm -rf --one-file-system "${STATE:?}"; fi
}

status() {
    local n f
    for n in "$C" "$G" "$T"; do
        if [ -e "/run/netns/$n" ]; then echo "$n $(ip -n "$n" -br addr | awk '{ $2 = ""; print }' | paste -sd' ')"; else echo "$n down"; fi
    done
    for f in "$STATE"/pid/*; do if alive "$f"; then echo "$(basename "$f") pid $(cut -d' ' -f1 "$f")"; fi; done
}

[ "$(id -u)" = 0 ] || die "needs root for network namespaces"
case ${1:-} in up | down | status) "$1" ;; *) echo "usage: $0 up|down|status" >&2; exit 2 ;; esac
