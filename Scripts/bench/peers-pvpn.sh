# shellcheck shell=bash
# peers-pvpn.sh: PersonalVpn itself, and the bound: one bare TLS stream. Sourced by peers.sh.

# pvpnd is up before the clock starts, as on any shared host; set-up time is `pvpn` alone. The programs see a /run of
# their own, and are copied when the account whose traffic is measured cannot read them.
dotnet_root() {
    if [ -n "${DOTNET_ROOT:-}" ]; then echo "$DOTNET_ROOT"; else dirname "$(readlink -f "$(command -v dotnet)")"; fi
}
readable() { # DIRECTORY NAME: DIRECTORY, or a copy of it that the account can read
    local from
    from=$(cd "$1" && pwd -P)
    if as_user test -r "$from" -a -x "$from" 2>/dev/null; then echo "$from"; return; fi
    if [ ! -d "$STATE/$2" ]; then
        mkdir -p "$STATE/$2"
        cp -a --reflink=auto "$from/." "$STATE/$2/"
        chmod -R u=rwX,go=rX "$STATE/$2"
    fi
    echo "$STATE/$2"
}
own_run() { # DIRECTORY COMMAND...: COMMAND with DIRECTORY as its /run
    mkdir -p "$1/pvpn"
    # shellcheck disable=SC2016
    echo 'mount --bind "$1" /run || exit 125; shift; exec "$@"'
}
start_s_pvpn() {
    local out home=$STATE/home
    out=$(readable "$PVPN_OUT" programs)
    DOTNET_ROOT=$(readable "$(dotnet_root)" dotnet)
    export DOTNET_ROOT
    mkdir -p "$STATE/pvpn/keys"
    [ -e "$home/id_rsa" ] || ssh-keygen -q -t rsa -b 2048 -N '' -C bench -f "$home/id_rsa"
    chown "$BENCH_USER:" "$home/id_rsa" "$home/id_rsa.pub"
    install -m 600 "$home/id_rsa.pub" "$STATE/pvpn/keys/bench"
    # Egress routed, as the others are: the target answers to the inner address
    cat >"$STATE/pvpn/server.conf" <<N
ListenAddress 10.90.1.1
Port 7443
HostKey $STATE/pvpn/host_key.pem
AuthorizedKeysFile $STATE/pvpn/keys/%u
AddressPool 10.77.0.0/16
Route 10.90.3.0/24
Route 10.90.4.0/24
Egress routed
${PVPN_SERVER:-}
N
    printf 'ControlSocket /run/pvpn/forwarder.sock\n%s\n' "${PVPN_FORWARDER:-}" >"$STATE/pvpn/forwarder.conf"
    spawn s pvpn-server sh -c "$(own_run "$STATE/pvpn/run-s")" sh "$STATE/pvpn/run-s" "$out/pvpn-server" --config "$STATE/pvpn/server.conf"
    spawn c pvpnd sh -c "$(own_run "$STATE/pvpn/run-c")" sh "$STATE/pvpn/run-c" "$out/pvpnd" --config "$STATE/pvpn/forwarder.conf"
    until_ready 500 grep -q ready "$STATE/log/peer.s.pvpn-server.log" || die "pvpn-server is not ready"
    until_ready 500 grep -q ready "$STATE/log/peer.c.pvpnd.log" || die "pvpnd is not ready"
}
as_bench() { # NAME COMMAND...: a process of the account, counted, in the client's namespace, with pvpnd's /run
    local name=$1 home=$STATE/home
    shift
    # shellcheck disable=SC2016
    spawn c "$name" sh -c "$(own_run "$STATE/pvpn/run-c")" sh "$STATE/pvpn/run-c" setpriv --reuid "$BENCH_USER" --regid "$BENCH_USER" \
        --init-groups --inh-caps=-all -- env -i HOME="$home" USER="$BENCH_USER" PATH="$PATH" LANG=C.UTF-8 DOTNET_ROOT="$DOTNET_ROOT" "$@"
}
start_c_pvpn() {
    local home=$STATE/home
    as_bench pvpn "$(readable "$PVPN_OUT" programs)/pvpn" ${PVPN_CLIENT:+"$PVPN_CLIENT"} -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="$home/known_hosts" \
        -i "$home/id_rsa" -p 7443 bench@10.90.1.1
}

pvpn_status() { # what pvpn and pvpn-server say of themselves: drops by reason, sessions
    local out
    out=$(readable "$PVPN_OUT" programs)
    DOTNET_ROOT=$(readable "$(dotnet_root)" dotnet)
    export DOTNET_ROOT
    x "$C" sh -c "$(own_run "$STATE/pvpn/run-c")" sh "$STATE/pvpn/run-c" "$out/pvpn" status --json
    x "$G" sh -c "$(own_run "$STATE/pvpn/run-s")" sh "$STATE/pvpn/run-s" "$out/pvpn-server" sessions --json --config "$STATE/pvpn/server.conf"
}

# ---- bound: one SslStream from c to g, nothing else; no packet path can be faster than its own TLS
start_s_bound() {
    spawn s bound dotnet "$BENCH_BOUND" server 10.90.1.1 7444
    until_ready 500 grep -q ready "$STATE/log/peer.s.bound.log" || die "the bound's server is not ready"
}
start_c_bound() { :; }
BENCH_BOUND=${BENCH_BOUND:-$BENCH/../../tests/Bench.Bound/bin/Release/net10.0/PersonalVpn.Bench.Bound.dll}
