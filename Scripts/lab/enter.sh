#!/bin/sh
# enter.sh NODE|USER COMMAND...   become a process of the lab (used by lab.sh exec, the demo and the tests).
#
# NODE is host, gw or inner: the command runs as root in that network namespace. USER is alice, bob or carol:
# the command runs on the shared host with that account's uid, groups, home and nothing else of the caller's.
# Every node sees a /run of its own, so /run/pvpn/forwarder.sock and friends are where they are on a real host.
# The command replaces this process, so the pid that the caller sees is the command's own.
set -eu
: "${LAB_STATE:?enter.sh: LAB_STATE is not set; use Scripts/lab.sh exec}"
# shellcheck source=/dev/null
. "$LAB_STATE/lab.env"
[ $# -ge 2 ] || { echo "usage: enter.sh host|gw|inner|alice|bob|carol COMMAND..." >&2; exit 2; }
who=$1
shift
case $who in
    host|gw|inner) node=$who ;;
    alice|bob|carol) node=host ;;
    *) echo "enter.sh: no node or user '$who' in this lab; there are host gw inner alice bob carol" >&2; exit 2 ;;
esac

# The mount is seen by this command alone: ip netns exec has just made a private mount namespace.
# shellcheck disable=SC2016
exec ip netns exec "$LAB_PREFIX$node" /bin/sh -c '
    state=$1 node=$2 who=$3 path=$4 dotnet=$5
    shift 5
    mount --bind "$state/$node/run" /run || exit 125
    [ "$who" != "$node" ] || exec env PATH="$path" ${dotnet:+"DOTNET_ROOT=$dotnet"} LAB_STATE="$state" "$@"
    home=$state/home/$who
    cd "$home" || exit 125
    exec setpriv --reuid "$who" --regid "$who" --init-groups --inh-caps=-all -- \
        env -i HOME="$home" USER="$who" LOGNAME="$who" SHELL=/bin/sh PATH="$path" LANG=C.UTF-8 TERM="${TERM:-dumb}" \
        ${dotnet:+"DOTNET_ROOT=$dotnet"} "$@"
' enter "$LAB_STATE" "$node" "$who" "$LAB_PATH" "$LAB_DOTNET_ROOT" "$@"
