#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages that bindep.txt lists with a profile, those that
# are missing only: install-packages.sh [PROFILE]; without one those of the lab.
#
# Some of them bring daemons that Debian starts, and starts again at every
# boot. The lab starts its own, in its own namespaces, so here they are kept
# still: masked until the installation is over (a mask under /run, gone
# after a reboot), then disabled. A daemon that was on the machine before is
# left as it is: only what this run installs is touched.
set -eu

profile=${1:-lab}
list=$(dirname "$0")/../bindep.txt
packages=$(sed -nE \
    "s/^([a-z0-9][a-z0-9.+-]*) \[(.* )?$profile( .*)?\]\$/\1/p" "$list")
if [ -z "$packages" ]; then
    echo "$list lists no package with the profile $profile." >&2
    exit 1
fi

missing=
for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) ||
        state=
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "Debian packages are missing:$missing" >&2
    echo "Run 'make packages' as root. Nothing was changed." >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "Not a Debian machine; please install:$missing" >&2
    exit 1
fi

units=
for package in $missing; do
    case $package in
    bird2) units="$units bird.service" ;;
    etcd-server) units="$units etcd.service" ;;
    frr) units="$units frr.service" ;;
    haproxy) units="$units haproxy.service" ;;
    libvirt-daemon-system) units="$units libvirtd.service libvirtd.socket \
libvirtd-ro.socket libvirtd-admin.socket libvirt-guests.service \
virtlogd.socket virtlogd-admin.socket virtlockd.socket virtlockd-admin.socket" ;;
    mariadb-server) units="$units mariadb.service" ;;
    prometheus) units="$units prometheus.service" ;;
    rabbitmq-server) units="$units rabbitmq-server.service epmd.service \
epmd.socket" ;;
    rsync) units="$units rsync.service" ;;
    esac
done
has_systemd=no
[ ! -d /run/systemd/system ] || has_systemd=yes

quiet() {
    [ -z "$units" ] || [ $has_systemd = no ] || systemctl "$@"
}

# shellcheck disable=SC2086 # lists of words
{
    quiet --runtime mask --quiet $units
    trap 'quiet --runtime unmask --quiet $units' EXIT
    echo "Installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    if ! { apt-get update && apt-get install --yes \
        --no-install-recommends $missing; } >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        exit 1
    fi
    rm -f "$log"
    quiet --runtime unmask --quiet $units
    trap - EXIT
    quiet disable --quiet $units
}
