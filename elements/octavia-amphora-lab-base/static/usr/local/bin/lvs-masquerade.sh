#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# Octavia's agent runs this as an interface goes up or down:
#   lvs-masquerade.sh add|delete ipv4|ipv6 INTERFACE [sriov]
# UDP and SCTP leave masqueraded (they pass through ip_vs); TCP, which HAProxy
# terminates, is not tracked.

set -eu

usage() {
    echo "usage: $(basename "$0") add|delete ipv4|ipv6 INTERFACE [sriov]" >&2
    exit 1
}

[ $# -ge 3 ] || usage
action=$1
interface=$3
sriov=${4:-}
case $2 in
    ipv4) family=ip ;;
    ipv6) family=ip6 ;;
    *) usage ;;
esac
# A table for each interface: one can go without touching another.
table="octavia-$2-$interface"

# Adding it first makes deleting it succeed, whether or not it was there.
delete() {
    echo "add table $family $table"
    echo "delete table $family $table"
}

add() {
    delete
    echo "add table $family $table"
    echo "add chain $family $table leaving" \
        "{ type nat hook postrouting priority 100; }"
    echo "add rule $family $table leaving oifname $interface" \
        "meta l4proto { udp, sctp } masquerade"
    if [ "$sriov" != sriov ]; then
        echo "add chain $family $table arriving-untracked" \
            "{ type filter hook prerouting priority -300; }"
        echo "add rule $family $table arriving-untracked" \
            "iifname $interface meta l4proto tcp notrack"
        echo "add chain $family $table leaving-untracked" \
            "{ type filter hook output priority -300; }"
        echo "add rule $family $table leaving-untracked" \
            "oifname $interface meta l4proto tcp notrack"
    fi
}

case $action in
    add) add | nft -f - ;;
    delete) delete | nft -f - ;;
    *) usage ;;
esac
