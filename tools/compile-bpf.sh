#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compile the program of flow rescue to flow_rescue.bpf.o beside its source.
#
# The object is for every kernel (CO-RE): a wheel carries it, so no amphora and
# no image has a compiler. It is compiled when the source or this script
# changed; the key of both is kept beside it. Needs clang 14 or newer and the
# headers of libbpf and of the kernel (Debian: clang, libbpf-dev).
set -eu

tools=$(cd "$(dirname "$0")" && pwd)
cd "$tools/../octavia_anycast/agent/flow_rescue"
source=flow_rescue.bpf.c
object=flow_rescue.bpf.o
key=$(cat "$source" "$tools/compile-bpf.sh" | sha256sum | cut -c1-16)
if [ -e "$object" ] && [ "$(cat "$object.key" 2>/dev/null)" = "$key" ]; then
    exit 0
fi
clang=${CLANG:-}
for name in clang clang-19 clang-16 clang-15 clang-14; do
    [ -n "$clang" ] || clang=$(command -v "$name") || clang=
done
if [ -z "$clang" ]; then
    echo "compile-bpf.sh: no clang (Debian: clang libbpf-dev)" >&2
    exit 1
fi
# Where a multi-architecture distribution keeps asm/types.h.
headers=/usr/include/$(uname -m)-linux-gnu
"$clang" -target bpf -mcpu=v3 -O2 -g -fdebug-compilation-dir=. \
    -Wall -Wextra -Werror -idirafter "$headers" -c "$source" -o "$object.new"
mv "$object.new" "$object"
echo "$key" >"$object.key"
