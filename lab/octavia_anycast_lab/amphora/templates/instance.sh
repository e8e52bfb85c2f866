#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# One powered instance; its death is the instance's power loss.
#   instance.sh CGROUP LOWER DISK NAMESPACE MACHINE UUID REPLUG...
# Runs in the instance's network namespace and in a slave mount namespace of its
# own, so the overlay goes when the last process goes. REPLUG is run between
# a reboot from inside and the next start: interfaces which were in
# namespaces of the container died with these.

set -u
cgroup=$1 lower=$2 disk=$3 namespace=$4 machine=$5 uuid=$6
shift 6

echo 0 > "$cgroup/cgroup.procs" || exit 1
mount -t overlay overlay \
    -o "lowerdir=$lower,upperdir=$disk/upper,workdir=$disk/work" \
    "$disk/root" || exit 1

# Network sysctls are the instance's own; cgroup v2 alone, whatever the host
# mounts beside it.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
REBOOT=133
while :; do
    systemd-nspawn --quiet --register=no --keep-unit --boot \
        --directory="$disk/root" --machine="$machine" --uuid="$uuid" \
        --network-namespace-path="$namespace" --console=pipe \
        --capability=CAP_NET_ADMIN --system-call-filter=bpf \
        --link-journal=no --resolv-conf=off --timezone=off \
        systemd.log_target=console systemd.show_status=true
    status=$?
    echo "instance $machine: systemd-nspawn ended with $status"
    [ "$status" -eq "$REBOOT" ] || exit "$status"
    "$@" || exit 1
done
