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
table="octavia-$2"

add() {
    {
        echo "add table $family $table"
        echo "add chain $family $table masquerade" \
            "{ type nat hook postrouting priority 100; }"
        echo "add rule $family $table masquerade oifname $interface" \
            "meta l4proto { udp, sctp } masquerade"
        if [ "$sriov" != sriov ]; then
            echo "add chain $family $table untracked-in" \
                "{ type filter hook prerouting priority -300; }"
            echo "add rule $family $table untracked-in" \
                "iifname $interface meta l4proto tcp notrack"
            echo "add chain $family $table untracked-out" \
                "{ type filter hook output priority -300; }"
            echo "add rule $family $table untracked-out" \
                "oifname $interface meta l4proto tcp notrack"
        fi
    } | nft -f -
}

# Rules name their interface: those of others stay.
delete() {
    nft --json list table "$family" "$table" 2> /dev/null \
        | python3 -c '
import json, sys
interface = sys.argv[1]
for item in json.load(sys.stdin)["nftables"]:
    rule = item.get("rule")
    if rule and any(
        part.get("match", {}).get("right") == interface
        for part in rule["expr"]
    ):
        print("delete rule", rule["family"], rule["table"], rule["chain"],
              "handle", rule["handle"])
' "$interface" | nft -f - || true
}

case $action in
    add) delete; add ;;
    delete) delete ;;
    *) usage ;;
esac
