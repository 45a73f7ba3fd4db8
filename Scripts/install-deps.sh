#!/usr/bin/env bash
# install-deps.sh: what a Debian machine with the .NET SDK may lack for the lab, the demo and the tests.
# Quiet, and nothing is done when all of it is there. Without apt it says what is missing.
#   install-deps.sh [COMMAND:PACKAGE...]      those as well
set -euo pipefail

# command -> Debian package
tools="iptables:iptables nft:nftables ip:iproute2 ss:iproute2 tcpdump:tcpdump /usr/bin/python3:python3-minimal nginx:nginx-light sudo:sudo
ping:iputils-ping ps:procps gcc:gcc iperf3:iperf3 ssh-keygen:openssh-client ssh-agent:openssh-client curl:curl
nmap:nmap openssl:openssl tmux:tmux zsh:zsh squid:squid tinyproxy:tinyproxy-bin danted:dante-server socat:socat systemd-analyze:systemd systemd-nspawn:systemd-container mmdebstrap:mmdebstrap dpkg-deb:dpkg
 setpriv:util-linux nsenter:util-linux flock:util-linux useradd:passwd sysctl:procps make:make $*"

missing=""
for pair in $tools; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
# asyncio and hashlib are not in python3-minimal; the C headers come without a command
/usr/bin/python3 -c 'import asyncio, hashlib' 2>/dev/null || missing="$missing python3"
[ -e /usr/include/linux/netfilter/nfnetlink_queue.h ] || missing="$missing linux-libc-dev"
[ -e /usr/include/stdlib.h ] || missing="$missing libc6-dev"
missing=$(tr ' ' '\n' <<<"$missing" | sort -u | sed '/^$/d' | paste -sd' ')
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || { echo "install-deps: please install what provides: $missing" >&2; exit 1; }
as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "install-deps: please install as root: $missing" >&2; exit 1; }
    as_root="sudo"
fi
echo "install-deps: installing $missing" >&2
# Packages must not start their daemons: the lab runs its own in its namespaces.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
    made=$policy
fi
trap '[ -z "$made" ] || $as_root rm -f "$made"' EXIT
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! { $as_root apt-get -qq update && $as_root apt-get -qq -y --no-install-recommends install $missing; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    echo "install-deps: apt-get could not install $missing (see above)" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
