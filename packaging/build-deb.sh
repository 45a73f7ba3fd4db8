#!/usr/bin/env bash
# build-deb.sh [DIRECTORY]: pvpn_VERSION_amd64.deb (the shared host) and pvpn-server_VERSION_amd64.deb (the gateway) into
# DIRECTORY (default dist), of what `make` has built into out/. Needs nothing but dpkg-deb.
# The .NET runtime is in the packages: Debian 12 has none, and an administrator should need nothing but apt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${1:-dist}
command -v dpkg-deb >/dev/null || { echo "build-deb: dpkg-deb is not installed; packages are built on Debian" >&2; exit 1; }
[ -x out/pvpn ] || { echo "build-deb: nothing is built; run make deb" >&2; exit 1; }
version=$(sed -n 's|.*<Version>\(.*\)</Version>.*|\1|p' Directory.Build.props)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
# A tenth larger than with -z6, in a fifth of the time; nothing at all for a test that unpacks it at once.
compression=(-Zxz -z1)
[ "${DEB_COMPRESSION:-xz}" = xz ] || compression=("-Z$DEB_COMPRESSION")

build() { # PACKAGE, and the programs that are not in it
    local package=$1 root=$work/$1 lib=$work/$1/usr/lib/$1 other runtime script
    shift
    make --no-print-directory "install-$package" LIB="$package" DESTDIR="$root" PREFIX=/usr SYSCONFDIR=/etc >/dev/null
    for other in "$@"; do rm "$lib/$other" "$lib/$other.dll" "$lib/$other.deps.json" "$lib/$other.runtimeconfig.json"; done
    rm -f "$root"/etc/pvpn/*.example
    gzip -9n "$root"/usr/share/man/man*/*
    install -d "$root/DEBIAN" "$root/usr/share/doc/$package" "$root/usr/share/lintian/overrides"
    install -m 644 packaging/debian/copyright "$root/usr/share/doc/$package/"
    runtime=$(find "${NUGET_PACKAGES:-$HOME/.nuget/packages}/microsoft.netcore.app.runtime.linux-x64" -maxdepth 2 -iname 'third-party-notices.txt' 2>/dev/null | sort -V | tail -n 1)
    [ -z "$runtime" ] || gzip -9nc "$runtime" >"$root/usr/share/doc/$package/THIRD-PARTY-NOTICES.txt.gz"
    printf '%s (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- PersonalVpn maintainers <maintainers@personalvpn.invalid>  %s\n' \
        "$package" "$version" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$root/usr/share/doc/$package/changelog.gz"
    install -m 644 "packaging/debian/$package.lintian-overrides" "$root/usr/share/lintian/overrides/$package"
    sed "s/@VERSION@/$version/; s/@SIZE@/$(du -sk "$root" | cut -f1)/" "packaging/debian/$package.control" >"$root/DEBIAN/control"
    install -m 644 "packaging/debian/$package.conffiles" "$root/DEBIAN/conffiles"
    for script in postinst prerm postrm; do install -m 755 "packaging/debian/$package.$script" "$root/DEBIAN/$script"; done
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
    dpkg-deb --root-owner-group "${compression[@]}" --build "$root" "$target/${package}_${version}_amd64.deb" >/dev/null
    echo "$target/${package}_${version}_amd64.deb"
}

mkdir -p "$target"
build pvpn pvpn-server
build pvpn-server pvpn pvpnd
