#!/bin/sh
# kernel-state.sh: everything that PersonalVpn may leave in a network namespace, one line each, sorted: rules, routes,
# addresses, devices and packet filter rules. Two runs are equal when nothing was left in between. Left out is what
# changes by itself (counters, lifetimes) and the empty tables and chains that iptables leaves behind.
for family in -4 -6; do
    ip $family rule | sed "s/^/rule $family /"
    ip $family route show table all | grep -v -e ' expires ' -e '^multicast' -e 'table local' | sed "s/^/route $family /"
    ip $family -o addr | sed "s/^[0-9]*: /address $family /; s/ *valid_lft.*//"
done | sort
ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/link \1/' | sort
{
    iptables-save 2>/dev/null | sed -n 's/^-A/iptables -A/p'
    ip6tables-save 2>/dev/null | sed -n 's/^-A/ip6tables -A/p'
    if command -v nft >/dev/null; then
        nft list ruleset 2>/dev/null | grep -v -e '^[[:space:]]*}*$' -e '^[[:space:]]*type .* hook' -e '^[[:space:]]*chain ' -e '^table ' -e '^#' |
            sed 's/counter packets [0-9]* bytes [0-9]*//; s/^[[:space:]]*/nft /'
    fi
} | sort
