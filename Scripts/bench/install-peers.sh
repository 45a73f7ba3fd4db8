#!/usr/bin/env bash
# install-peers.sh: what the benchmark needs, and those of the other VPNs that this machine's packages offer.
# A VPN that cannot be had is left out of the comparison; it is no error.
set -euo pipefail
SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$SCRIPTS/install-deps.sh" ab:apache2-utils ethtool:ethtool openssl:openssl taskset:util-linux
for peer in "openvpn:openvpn" "/usr/sbin/sshd:openssh-server nft:nftables sshuttle:sshuttle" "wireguard-go:wireguard-go wg:wireguard-tools" \
    "ocserv:ocserv openconnect:openconnect" \
    "vpncmd:softether-vpncmd /usr/libexec/softether/vpnserver/vpnserver:softether-vpnserver /usr/libexec/softether/vpnclient/vpnclient:softether-vpnclient"; do
    # shellcheck disable=SC2086
    "$SCRIPTS/install-deps.sh" $peer || echo "install-peers: left out: ${peer##*:}" >&2
done
