#!/usr/bin/env bash
# lab.sh: a shared host, a gateway and an inner network on this machine, in network namespaces.
#
#   lab.sh up | down | status                 make it, remove it, show it
#   lab.sh exec NODE|USER COMMAND...          run something in it (NODE: host gw inner; USER: alice bob carol)
#   lab.sh start [server|forwarder] ["Keyword value"...]      run pvpn-server and pvpnd, or one of them
#   lab.sh connect USER [pvpn option...]      open USER's tunnel to the gateway in the background
#   lab.sh stop [NAME...]                     stop those (server forwarder alice bob carol); default all of them
#
#     pv-host: shared host                 pv-gw: gateway                   pv-inner: inner host
#     accounts alice, bob, carol           pvpn-server                      web, echo, sink and iperf3 servers
#     pvpnd, pvpn
#                                "wire"                          "lan"
#     10.99.1.2  ───────────────────────── 10.99.1.1   10.99.2.1 ─────────── 10.99.2.2
#     fd99:1::2          tap here          fd99:1::1   fd99:2::1             fd99:2::2
#                                                                            10.99.3.2, fd99:3::2 (on lo)
#     routes: 10.99.2.0/24 via gw          10.99.3.0/24 via inner            10.99.1.0/24, 10.77.0.0/16 via gw
#             (10.99.3.0/24: none)         forwards IPv4 and IPv6            (and the same in IPv6)
#
# 10.99.2.2 is reachable by everybody, in the clear; a tunnel to the same address changes that for its owner only.
# 10.99.3.2 is reachable through a tunnel alone: the shared host has no other route to it.
# 10.77.0.0/16 and fd77::/64 are the server's address pools.
#
# Several labs may be up at once: LAB_PREFIX (default pv-) names the namespaces, LAB_STATE the directory with
# keys, configuration, logs and pid files. LAB_BIG is the size of the large file in MB (default 200).
set -euo pipefail
# shellcheck source=Scripts/lab/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lab/common.sh"

# ---- accounts: real ones, made if missing, removed with the last lab that is up (if a lab made them) ----

accounts_up() {
    mkdir -p "$LAB_ACCOUNTS/labs"
    (
        flock 9
        for user in $LAB_USERS; do
            getent passwd "$user" >/dev/null && continue
            useradd --create-home --shell /bin/sh --comment "PersonalVpn lab" "$user"
            echo "$user" >>"$LAB_ACCOUNTS/made"
        done
        touch "$LAB_ACCOUNTS/labs/$NS_HOST"
    ) 9>"$LAB_ACCOUNTS/lock"
}

accounts_down() {
    [ -d "$LAB_ACCOUNTS" ] || return 0
    (
        flock 9
        rm -f "$LAB_ACCOUNTS/labs/$NS_HOST"
        [ -z "$(ls -A "$LAB_ACCOUNTS/labs" 2>/dev/null)" ] && [ -e "$LAB_ACCOUNTS/made" ] || exit 0
        while read -r user; do userdel --remove "$user" >/dev/null 2>&1 || true; done <"$LAB_ACCOUNTS/made"
        rm -f "$LAB_ACCOUNTS/made"
    ) 9>"$LAB_ACCOUNTS/lock"
}

# ---- what the accounts must be able to read ----

copy_readable() { # SOURCE TARGET: TARGET when alice cannot read and run SOURCE, else SOURCE; prints the one to use
    if setpriv --reuid alice --regid alice --init-groups test -x "$1" -a -r "$1" 2>/dev/null; then
        printf '%s\n' "$1"
    else
        mkdir -p "$2"
        cp -a --reflink=auto "$1/." "$2/"
        chmod -R u=rwX,go=rX "$2"
        printf '%s\n' "$2"
    fi
}

state_up() {
    [ ! -L "$LAB_STATE" ] || die "$LAB_STATE is a symbolic link; remove it"
    mkdir -p "$(dirname "$LAB_STATE")"
    [ -d "$LAB_STATE" ] || mkdir -m 711 "$LAB_STATE"
    [ "$(stat -c %u "$LAB_STATE")" = 0 ] || die "$LAB_STATE belongs to somebody else; set LAB_STATE to another directory"
    chmod 711 "$LAB_STATE"
    install -d -m 700 "$LAB_STATE"/{pids,log,gw,gw/authorized_keys}
    install -d -m 755 "$LAB_STATE"/{host,host/run,host/run/pvpn,gw/run,gw/run/pvpn,inner,inner/run,inner/www,inner/log,tools,home}
    install -m 755 "$SCRIPTS"/lab/*.py "$LAB_STATE/tools/"
    local user out="" dotnet
    for user in $LAB_USERS; do
        install -d -m 700 -o "$user" -g "$user" "$LAB_STATE/home/$user" "$LAB_STATE/home/$user/.ssh"
        make_key "$user" "$LAB_STATE/home/$user/.ssh/id_rsa"
        install -m 600 "$LAB_STATE/home/$user/.ssh/id_rsa.pub" "$LAB_STATE/gw/authorized_keys/$user"
    done
    if [ -x "$PVPN_OUT/pvpn" ]; then
        out=$(copy_readable "$(cd "$PVPN_OUT" && pwd -P)" "$LAB_STATE/programs")
    fi
    dotnet=$(dotnet_root)
    [ -z "$dotnet" ] || dotnet=$(copy_readable "$dotnet" "$LAB_STATE/dotnet")
    cat >"$LAB_STATE/lab.env" <<N
LAB_PREFIX='$LAB_PREFIX'
LAB_PROGRAMS='$out'
LAB_DOTNET_ROOT='$dotnet'
LAB_PATH='${out:+$out:}$LAB_STATE/tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
N
}

dotnet_root() { # the runtime's directory
    local program
    if [ -n "${DOTNET_ROOT:-}" ]; then printf '%s\n' "$DOTNET_ROOT"; return; fi
    program=$(command -v dotnet) || return 0
    dirname "$(readlink -f "$program")"
}

make_key() { # USER FILE: an RSA key without passphrase, owned by USER
    [ -e "$2" ] || ssh-keygen -q -t rsa -b 2048 -N '' -C "$1@lab" -f "$2"
    chown "$1:$1" "$2" "$2.pub"
}

# ---- namespaces ----

net_up() {
    local ns
    for ns in "$NS_HOST" "$NS_GW" "$NS_INNER"; do
        ip netns add "$ns"
        # no duplicate address detection: addresses are usable at once; set before any link exists
        ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
            net.ipv4.ping_group_range='0 2147483647'
        ip -n "$ns" link set lo up
    done
    if [ -n "$LAB_CC" ]; then
        # a namespace may only choose what the first one allows; net_down puts the list back
        local allowed=net.ipv4.tcp_allowed_congestion_control
        if ! sysctl -n $allowed | grep -qw "$LAB_CC"; then
            sysctl -n $allowed >"$LAB_STATE/allowed_cc"
            sysctl -qw "$allowed=$(sysctl -n $allowed) $LAB_CC"
        fi
        for ns in "$NS_HOST" "$NS_GW" "$NS_INNER"; do
            ip netns exec "$ns" sysctl -qw net.ipv4.tcp_congestion_control="$LAB_CC"
        done
    fi
    ip netns exec "$NS_GW" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    # the strictest that distributions ship; packets of a tunnel must not depend on it being off
    ip netns exec "$NS_HOST" sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1

    ip -n "$NS_HOST" link add wire type veth peer name wire netns "$NS_GW"
    ip -n "$NS_GW" link add lan type veth peer name lan netns "$NS_INNER"
    link_up "$NS_HOST" wire 10.99.1.2/24 fd99:1::2/64
    link_up "$NS_GW" wire 10.99.1.1/24 fd99:1::1/64
    link_up "$NS_GW" lan 10.99.2.1/24 fd99:2::1/64
    link_up "$NS_INNER" lan 10.99.2.2/24 fd99:2::2/64
    ip -n "$NS_INNER" addr add 10.99.3.2/32 dev lo
    ip -n "$NS_INNER" addr add fd99:3::2/128 dev lo nodad

    ip -n "$NS_HOST" route add 10.99.2.0/24 via 10.99.1.1
    ip -n "$NS_HOST" route add fd99:2::/64 via fd99:1::1
    ip -n "$NS_GW" route add 10.99.3.0/24 via 10.99.2.2
    ip -n "$NS_GW" route add fd99:3::/64 via fd99:2::2
    ip -n "$NS_INNER" route add 10.99.1.0/24 via 10.99.2.1
    ip -n "$NS_INNER" route add fd99:1::/64 via fd99:2::1
    ip -n "$NS_INNER" route add 10.77.0.0/16 via 10.99.2.1
    ip -n "$NS_INNER" route add fd77::/64 via fd99:2::1
}

link_up() { # NAMESPACE LINK ADDRESS4 ADDRESS6
    ip -n "$1" addr add "$3" dev "$2"
    ip -n "$1" addr add "$4" dev "$2" nodad
    ip -n "$1" link set "$2" up
}

net_down() {
    local ns
    for ns in "$NS_HOST" "$NS_GW" "$NS_INNER"; do
        if [ -e "/run/netns/$ns" ]; then ip netns del "$ns"; fi
    done
    if [ -s "$LAB_STATE/allowed_cc" ]; then
        sysctl -qw "net.ipv4.tcp_allowed_congestion_control=$(cat "$LAB_STATE/allowed_cc")"
        rm -f "$LAB_STATE/allowed_cc"
    fi
}

# ---- servers of the inner host ----

servers_up() {
    local www=$LAB_STATE/inner/www kb address
    for kb in 0 1 10 100 1000; do head -c $((kb * 1024)) /dev/urandom >"$www/$kb.bin"; done
    if [ "$LAB_BIG" -gt 0 ]; then head -c $((LAB_BIG * 1000000)) /dev/urandom >"$www/big.bin"; fi
    install -d -m 755 -o www-data "$LAB_STATE/inner/www/upload"
    install -d -m 700 -o www-data "$LAB_STATE/inner/tmp"
    cat >"$LAB_STATE/inner/nginx.conf" <<N
daemon off; user www-data; worker_processes 1; pid $LAB_STATE/inner/nginx.pid; error_log $LAB_STATE/inner/log/nginx warn;
events { worker_connections 4096; }
http {
    access_log off; sendfile on; default_type application/octet-stream; client_max_body_size 0;
    client_body_temp_path $LAB_STATE/inner/tmp; proxy_temp_path $LAB_STATE/inner/tmp/p; fastcgi_temp_path $LAB_STATE/inner/tmp/f;
    uwsgi_temp_path $LAB_STATE/inner/tmp/u; scgi_temp_path $LAB_STATE/inner/tmp/s;
    server {
        listen 80 backlog=4096; listen [::]:80 backlog=4096 ipv6only=on; root $www;
        location = /who { default_type text/plain; return 200 "\$remote_addr \$remote_port \$arg_tag\n"; }
        location /upload/ { dav_methods PUT DELETE; }
    }
}
N
    spawn nginx inner nginx -e "$LAB_STATE/inner/log/nginx" -c "$LAB_STATE/inner/nginx.conf"
    spawn inner inner /usr/bin/python3 "$LAB_STATE/tools/inner.py" "$LAB_STATE/inner/log/sink" \
        10.99.2.2 10.99.3.2 fd99:2::2 fd99:3::2
    # one per address: a server bound to the wildcard would answer UDP from whatever address the route suggests
    for address in 10.99.2.2 10.99.3.2 fd99:2::2 fd99:3::2; do
        spawn "iperf3-${address//:/_}" inner iperf3 -s -B "$address" -p 5201
    done
    wait_log 10 inner '^ready'
    wait_for 10 "the web server's start" at inner sh -c 'ss -Hltn "sport = 80" | grep -q .'
    # shellcheck disable=SC2016
    wait_for 10 "the start of four iperf3 servers" at inner sh -c '[ "$(ss -Hltn "sport = 5201" | wc -l)" -ge 4 ]'
}

# ---- commands ----

up() {
    need_root
    [ ! -e "/run/netns/$NS_HOST" ] || down
    trap 'echo "lab: could not be brought up; taking down what there is" >&2; down' EXIT
    accounts_up
    state_up
    net_up
    servers_up
    trap - EXIT
}

down() {
    need_root
    trap - EXIT
    local file
    for file in "$LAB_STATE"/pids/{alice,bob,carol,forwarder,server} "$LAB_STATE"/pids/*; do
        [ -e "$file" ] && stop_one "$(basename "$file")"
    done
    net_down
    accounts_down
    # the directory is ours only if state_up made it
    if [ -d "$LAB_STATE/pids" ] && [ ! -L "$LAB_STATE" ]; then rm -rf --one-file-system "${LAB_STATE:?}"; fi
}

status() {
    local ns name state
    for ns in "$NS_HOST" "$NS_GW" "$NS_INNER"; do
        state=down
        if [ -e "/run/netns/$ns" ]; then state=$(ip -n "$ns" -br addr | awk '$1 !~ /^lo/ {$2 = ""; print}' | paste -sd' '); fi
        printf '%-16s %s\n' "$ns" "$state"
    done
    [ -d "$LAB_STATE/pids" ] || return 0
    for name in "$LAB_STATE"/pids/*; do
        [ -e "$name" ] || continue
        name=$(basename "$name")
        state=ended
        if alive "$name"; then state="pid $(pid_of "$name")"; fi
        printf '%-16s %s\n' "$name" "$state"
    done
    printf '%-16s %s\n' "state" "$LAB_STATE"
}

require_up() { [ -e "$LAB_STATE/lab.env" ] || die "no lab is up at $LAB_STATE; run Scripts/lab.sh up"; }

require_programs() {
    # shellcheck source=/dev/null
    . "$LAB_STATE/lab.env"
    [ -n "$LAB_PROGRAMS" ] || die "the programs were not built when the lab came up; run make, then lab.sh up"
}

start() { # [server|forwarder] [LINE...]
    require_up
    require_programs
    local which="server forwarder" one
    case ${1:-} in server|forwarder) which=$1; shift ;; esac
    for one in $which; do
        stop_one "$one"
        "start_$one" "$@"
        wait_log 15 "$one" ': ready'
    done
}

start_server() {
    write_conf "$LAB_STATE/gw/server.conf" "\
Port 443
HostKey $LAB_STATE/gw/host_key.pem
AuthorizedKeysFile $LAB_STATE/gw/authorized_keys/%u
LeaseFile $LAB_STATE/gw/leases
AddressPool 10.77.0.0/16
AddressPool6 fd77::/64
Route 10.99.2.0/24
Route 10.99.3.0/24
Route fd99:2::/64
Route fd99:3::/64
Egress routed" "$@"
    spawn server gw pvpn-server --config "$LAB_STATE/gw/server.conf"
}

start_forwarder() {
    write_conf "$LAB_STATE/host/forwarder.conf" "ControlSocket /run/pvpn/forwarder.sock" "$@"
    spawn forwarder host pvpnd --config "$LAB_STATE/host/forwarder.conf"
}

connect() { # USER [OPTION...]
    require_up
    require_programs
    local user=$1
    shift
    stop_one "$user"
    spawn "$user" "$user" pvpn -o StrictHostKeyChecking=accept-new \
        -o UserKnownHostsFile="$LAB_STATE/home/$user/known_hosts" -i "$LAB_STATE/home/$user/.ssh/id_rsa" "$user@10.99.1.1" "$@"
    wait_log 15 "$user" '^pvpn: connected'
}

stop() { # [NAME...]
    require_up
    local name
    # shellcheck disable=SC2086
    [ $# -gt 0 ] || set -- $LAB_USERS forwarder server
    for name in "$@"; do stop_one "$name"; done
}

command=${1:-help}
[ $# -eq 0 ] || shift
case $command in
    up|down|status) "$command" ;;
    exec) need_root; require_up; exec "$SCRIPTS/lab/enter.sh" "$@" ;;
    start|stop|connect) need_root; "$command" "$@" ;;
    *) sed -n '2,/^set -euo/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; [ "$command" = help ] || exit 2 ;;
esac
