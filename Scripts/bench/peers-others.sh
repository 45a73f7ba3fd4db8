# shellcheck shell=bash
# peers-others.sh: how the other VPNs are configured. Sourced by peers.sh. Each with its defaults and AES-256-GCM.

# ---- OpenVPN
ovpn_s() {
    spawn s ovpn openvpn --dev tun --topology subnet --server 10.90.8.0 255.255.255.0 --local 10.90.1.1 --port 1194 \
        --ca "$K/ca.crt" --cert "$K/server.crt" --key "$K/server.key" --dh none --data-ciphers AES-256-GCM --keepalive 10 60 --verb 3 \
        --push "route 10.90.3.0 255.255.255.0" --push "route 10.90.4.0 255.255.255.0" "$@"
    sleep 1
}
ovpn_c() {
    spawn c ovpn openvpn --client --dev tun --remote 10.90.1.1 1194 --nobind --ca "$K/ca.crt" --cert "$K/client.crt" --key "$K/client.key" \
        --remote-cert-tls server --data-ciphers AES-256-GCM --verb 3 "$@"
}
start_s_openvpn-udp() { ovpn_s --proto udp; }
start_c_openvpn-udp() { ovpn_c --proto udp; }
start_s_openvpn-tcp() { ovpn_s --proto tcp-server; }
start_c_openvpn-tcp() { ovpn_c --proto tcp-client; }
# OpenVPN leaves Nagle's algorithm on for its TCP transport unless told otherwise
start_s_openvpn-tcp-nodelay() { ovpn_s --proto tcp-server --socket-flags TCP_NODELAY; }
start_c_openvpn-tcp-nodelay() { ovpn_c --proto tcp-client --socket-flags TCP_NODELAY; }

# ---- OpenSSH. sshd wants /run/sshd, which the mount shows to it alone.
sshd_start() {
    cat >"$STATE/sshd.conf" <<N
ListenAddress 10.90.1.1:2222
HostKey $K/hostkey
AuthorizedKeysFile $K/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PermitTunnel yes
PrintMotd no
N
    chmod 600 "$K/hostkey" "$K/userkey"
    spawn s sshd sh -c "mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -e -f '$STATE/sshd.conf'"
    sleep 0.4
}
SSH_OPTIONS="-F none -i $K/userkey -o UserKnownHostsFile=$K/known_hosts -o StrictHostKeyChecking=yes -o BatchMode=yes -c aes256-gcm@openssh.com"
start_s_ssh-w() { sshd_start; }
start_c_ssh-w() {
    # shellcheck disable=SC2086
    spawn c ssh ssh $SSH_OPTIONS -p 2222 -o Tunnel=point-to-point -w 0:0 -o PermitLocalCommand=yes \
        -o "LocalCommand=/sbin/ip addr add 10.90.9.2 peer 10.90.9.1 dev %T && /sbin/ip link set %T up && /sbin/ip route replace 10.90.3.0/24 dev %T && /sbin/ip route replace 10.90.4.0/24 dev %T" \
        root@10.90.1.1 "/sbin/ip addr add 10.90.9.1 peer 10.90.9.2 dev tun0; /sbin/ip link set tun0 up; exec sleep 3000"
}

# ---- sshuttle. The routes to lo only exist so that the OUTPUT hook sees the packets (nft redirects them). TCP only.
start_s_sshuttle() { sshd_start; }
start_c_sshuttle() {
    croutes dev lo
    spawn c sshuttle sshuttle --method nft --python /usr/bin/python3 -e "ssh $SSH_OPTIONS" -r root@10.90.1.1:2222 10.90.3.0/24 10.90.4.0/24
}
stop_sshuttle() { x "$C" nft flush ruleset 2>/dev/null || true; }

# ---- wireguard-go
start_s_wireguard-go() {
    [ -e "$K/wg.c" ] || (umask 077; wg genkey >"$K/wg.c"; wg genkey >"$K/wg.s")
    mkdir -p "$STATE/wg"
    spawn s wg sh -c "mkdir -p /var/run/wireguard && mount --bind '$STATE/wg' /var/run/wireguard && WG_PROCESS_FOREGROUND=1 exec wireguard-go wgs0"
    until_ready 100 test -S "$STATE/wg/wgs0.sock"
    wg_at "$G" set wgs0 listen-port 51820 private-key "$K/wg.s" peer "$(wg pubkey <"$K/wg.c")" allowed-ips 10.90.7.2/32
    ip -n "$G" addr add 10.90.7.1/24 dev wgs0
    ip -n "$G" link set wgs0 mtu 1420 up
}
wg_at() { # NAMESPACE ARGUMENT...
    local ns=$1
    shift
    # shellcheck disable=SC2016
    x "$ns" sh -c 'mount --bind "$1" /var/run/wireguard; shift; exec wg "$@"' sh "$STATE/wg" "$@"
}
start_c_wireguard-go() {
    rm -f "$STATE/wg/wgc0.sock"
    spawn c wg sh -c "mount --bind '$STATE/wg' /var/run/wireguard && WG_PROCESS_FOREGROUND=1 exec wireguard-go wgc0"
    until_ready 200 test -S "$STATE/wg/wgc0.sock"
    wg_at "$C" set wgc0 private-key "$K/wg.c" peer "$(wg pubkey <"$K/wg.s")" \
        allowed-ips 10.90.3.0/24,10.90.4.0/24,10.90.7.0/24 endpoint 10.90.1.1:51820
    ip -n "$C" addr add 10.90.7.2/24 dev wgc0
    ip -n "$C" link set wgc0 mtu 1420 up
    croutes dev wgc0
}
stop_wireguard-go() { rmdir --ignore-fail-on-non-empty /var/run/wireguard 2>/dev/null || true; }

# ---- ocserv + openconnect (AnyConnect protocol)
start_s_ocserv-tls() {
    cat >"$STATE/ocserv.conf" <<N
auth = "certificate"
listen-host = 10.90.1.1
tcp-port = 4443
udp-port = 4443
run-as-user = ocserv
run-as-group = ocserv
socket-file = $STATE/ocserv.sock
server-cert = $K/server.crt
server-key = $K/server.key
ca-cert = $K/ca.crt
cert-user-oid = 2.5.4.3
isolate-workers = true
max-clients = 16
max-same-clients = 4
rate-limit-ms = 0
keepalive = 300
dpd = 90
mobile-dpd = 1800
try-mtu-discovery = false
compression = false
tls-priorities = "NORMAL:%SERVER_PRECEDENCE:%COMPAT:-RSA:-VERS-SSL3.0:-ARCFOUR-128"
auth-timeout = 40
cookie-timeout = 300
rekey-time = 172800
use-occtl = false
device = vpns
predictable-ips = true
ipv4-network = 10.90.11.0
ipv4-netmask = 255.255.255.0
ping-leases = false
route = 10.90.3.0/255.255.255.0
route = 10.90.4.0/255.255.255.0
cisco-client-compat = true
dtls-legacy = true
N
    # shellcheck disable=SC2016
    printf '%s\n' '#!/bin/sh' '[ "$reason" = connect ] || exit 0' \
        'ip addr add $INTERNAL_IP4_ADDRESS/32 dev $TUNDEV; ip link set $TUNDEV mtu ${INTERNAL_IP4_MTU:-1400} up' \
        'ip route replace 10.90.3.0/24 dev $TUNDEV; ip route replace 10.90.4.0/24 dev $TUNDEV' >"$STATE/oc-script"
    chmod 755 "$STATE/oc-script"
    spawn s ocserv ocserv -f -c "$STATE/ocserv.conf"
    sleep 1
}
start_s_ocserv-dtls() { start_s_ocserv-tls; }
oc_c() {
    spawn c oc openconnect --non-inter --certificate="$K/client.crt" --sslkey="$K/client.key" --cafile="$K/ca.crt" --no-system-trust \
        --script="$STATE/oc-script" "$@" https://10.90.1.1:4443
}
start_c_ocserv-tls() { oc_c --no-dtls; }
start_c_ocserv-dtls() { oc_c; }

# ---- SoftEther 5 (layer 2 over TLS; a tap bridge at the server, a virtual NIC at the client). `ip netns exec` gives
# every process its own mount namespace, so these bind mounts stay private and the package's directories untouched.
SE=$STATE/softether
se_sh() { # s|c PROGRAM
    echo "mkdir -p /var/lib/softether /var/log/softether /run/softether; for d in lib log run; do mkdir -p $SE/$1/\$d; done
        mount --bind $SE/$1/lib /var/lib/softether; mount --bind $SE/$1/log /var/log/softether; mount --bind $SE/$1/run /run/softether
        exec /usr/libexec/softether/$2/$2 execsvc"
}
sevc() { x "$G" timeout 20 vpncmd localhost:5555 /SERVER "$@"; }
secc() { x "$C" timeout 20 vpncmd localhost /CLIENT /CMD "$@"; }
start_s_softether() {
    rm -rf "$SE"
    spawn s softether sh -c "$(se_sh s vpnserver)"
    until_ready 50 sevc /CMD About
    {
        sevc /CMD HubCreate bench /PASSWORD:x
        sevc /HUB:bench /PASSWORD:x /CMD UserCreate u /GROUP:none /REALNAME:none /NOTE:none
        sevc /HUB:bench /PASSWORD:x /CMD UserPasswordSet u /PASSWORD:pw
        sevc /CMD BridgeCreate bench /DEVICE:pb /TAP:yes
    } >"$STATE/log/se-server-setup.log" 2>&1 || true
    until_ready 200 ip -n "$G" link show tap_pb
    ip -n "$G" addr add 10.90.13.1/24 dev tap_pb
    ip -n "$G" link set tap_pb up
    # the client's daemon and its account are prepared here; set-up time is AccountConnect alone
    spawn c softether sh -c "$(se_sh c vpnclient)"
    until_ready 50 secc About
    {
        secc NicCreate pb
        secc AccountCreate b /SERVER:10.90.1.1:5555 /HUB:bench /USERNAME:u /NICNAME:pb
        secc AccountPasswordSet b /PASSWORD:pw /TYPE:standard
    } >"$STATE/log/se-client-setup.log" 2>&1 || true
    until_ready 200 ip -n "$C" link show vpn_pb
    ip -n "$C" addr add 10.90.13.2/24 dev vpn_pb
}
start_c_softether() {
    ip -n "$C" link set vpn_pb up
    secc AccountConnect b >/dev/null 2>&1 || true
    croutes via 10.90.13.1
}
