#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# Runs the phases of elements in a root file system:
#   layer.sh MODE ROOT HOOKS [LOWER UPPER WORK]
# Meant for namespaces of its own (mount, network, pid): all that is mounted
# here ends with it, and nothing in the image can reach a network.

set -eu
set -o pipefail

mode=$1 root=$2 hooks=$3
if [ "$mode" = overlay ]; then
    mount -t overlay overlay \
        -o "lowerdir=$4,upperdir=$5,workdir=$6" "$root"
fi

cp -a --no-preserve=ownership "$STATIC/." "$root/"

mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/tmp/in_target.d"
mount --bind "$hooks" "$root/tmp/in_target.d"
# As diskimage-builder does: a script that writes there has to fail here too.
mount -o remount,ro,bind "$hooks" "$root/tmp/in_target.d"

for phase in pre-install.d install.d post-install.d finalise.d; do
    for script in "$hooks/$phase"/*; do
        [ -e "$script" ] || continue
        name="$phase/${script##*/}"
        echo "== $name"
        # Only what is said here reaches the image from this environment.
        env -i \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
            DIB_INIT_SYSTEM=systemd DISTRO_NAME=debian DIB_RELEASE=bookworm \
            PIP_NO_INDEX=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
            PIP_DISABLE_PIP_VERSION_CHECK=1 \
            PIP_FIND_LINKS=/tmp/in_target.d/octavia-anycast-wheels \
            chroot "$root" "/tmp/in_target.d/$name"
    done
done
