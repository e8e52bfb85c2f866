#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# Build the amphora image and check it: build-image.sh [PYTHON]
#
# diskimage-builder with Octavia's own elements and ours, on Debian 12, as
# root. Octavia, its elements and all Python packages have the versions of
# requirements/constraints.txt and come by pip, as wheels: the image needs no
# package index. Debian's packages come from where this machine has its own.
# The image is kept in the user's cache, keyed by all of its inputs.
#
#   IMAGE_LAYOUT=disk   a whole disk with a boot loader: the default where this
#                       machine has the device mapper, which diskimage-builder
#                       makes partitions with
#   IMAGE_LAYOUT=root   a root file system, with kernel and ramdisk beside it
#   IMAGE_REBUILD=1     build though nothing changed here: for newer packages
#                       of Debian
#   IMAGE_LINK=NAME     the link in the cache that leads to it; without it the
#                       one of the install guide, amphora-anycast
set -euo pipefail
umask 022

cd "$(dirname "$0")/.."
project=$PWD
python=${1:-python3}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/octavia-anycast
draft=$cache/.amphora-image.draft
link=$cache/${IMAGE_LINK:-amphora-anycast}
log=$cache/amphora-image.log
constraints=$project/requirements/constraints.txt
export PIP_CACHE_DIR=$cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1
# Files and folders that the caller's pip uses: the image has none of them.
unset PIP_CONSTRAINT PIP_PREFIX PIP_REQUIREMENT PIP_REQUIRE_VIRTUALENV \
    PIP_TARGET PIP_USER

refuse() {
    echo "build-image.sh: $*" >&2
    exit 1
}

# layout: where diskimage-builder can make partitions, and where it cannot
layout() {
    case ${IMAGE_LAYOUT:-} in
    disk | root) echo "$IMAGE_LAYOUT" ;;
    '')
        modprobe --quiet dm_mod 2>/dev/null || true
        grep -qw device-mapper /proc/misc && echo disk || echo root
        ;;
    *) return 1 ;;
    esac
}

# inputs LAYOUT: all that decides what is in the image
inputs() {
    echo "$1"
    env | grep -E '^(AMP|DIB)_' | sort || true
    find elements -type f -perm -u+x | sort
    find elements octavia_anycast pyproject.toml README.md LICENSE \
        requirements/constraints.txt requirements/image.txt \
        tools/build-image.sh tools/compile-bpf.sh \
        -type f ! -path '*/tests/*' ! -path '*/__pycache__/*' \
        ! -name '*.bpf.o*' -print0 | sort -z | xargs -0 sha256sum
}

# version NAME: the one of constraints.txt
version() {
    sed -n "s/^$1==//p" "$constraints"
}

# mirror SUITE: where this machine has it from, without a password
mirror() {
    apt-get indextargets --format '$(RELEASE) $(SITE)' 'Created-By: Packages' |
        awk -v suite="$1" '$1 == suite && !n++ { print $2 }'
}

# wheels PIP: ours, and all that the image's environments need, into
# $draft/wheels. From a copy without tests, and without setup.py: the program
# of flow rescue is compiled.
wheels() {
    tools/compile-bpf.sh
    mkdir "$draft/source"
    cp pyproject.toml README.md LICENSE "$draft/source"
    tar --exclude=tests --exclude=__pycache__ -cf - octavia_anycast |
        tar -C "$draft/source" -xf -
    "$1" wheel --quiet --constraint "$constraints" \
        --wheel-dir "$draft/wheels" "$draft/source[agent]" \
        pip pbr setuptools wheel
}

# repository PIP NAME: the sources of a release as $draft/NAME, with git:
# Octavia's elements install from repositories
repository() {
    local git=(git -C "$draft/$2" -c user.name=build-image
        -c user.email=build-image@localhost -c commit.gpgsign=false
        -c tag.gpgsign=false)
    local release
    release=$(version "$2")
    "$1" download --quiet --no-deps --no-binary "$2" \
        --dest "$draft/sdists" "$2==$release"
    mkdir "$draft/$2"
    tar -C "$draft/$2" --no-same-owner --strip-components=1 \
        -xzf "$draft/sdists/"${2//-/[-_]}-[0-9]*.tar.gz
    export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z'
    export GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
    "${git[@]}" init --quiet --template=
    "${git[@]}" add --all --force
    "${git[@]}" commit --quiet --no-verify --message "$2 $release"
    "${git[@]}" tag "$release"
}

# create LAYOUT: the image's files, in $draft/image
create() {
    # The install guide quotes from here ...
    export AMP_BASEOS=debian-minimal DIB_RELEASE=bookworm
    export DIB_LOCAL_ELEMENTS=octavia-anycast-debian
    export DIB_LOCAL_ELEMENTS_PATH=$project/elements
    export DIB_OCTAVIA_ANYCAST_WHEELS=$draft/wheels
    export DIB_REPOLOCATION_amphora_agent=$draft/octavia
    export DIB_REPOLOCATION_octavia_lib=$draft/octavia-lib
    export DIB_REPOLOCATION_upper_constraints=file://$draft/constraints.txt
    DIB_REPOREF_amphora_agent=$(version octavia)
    DIB_REPOREF_octavia_lib=$(version octavia-lib)
    : "${DIB_DISTRIBUTION_MIRROR:=$(mirror bookworm)}"
    : "${DIB_DEBIAN_SECURITY_MIRROR:=$(mirror bookworm-security)}"
    export DIB_REPOREF_amphora_agent DIB_REPOREF_octavia_lib
    export DIB_DISTRIBUTION_MIRROR DIB_DEBIAN_SECURITY_MIRROR
    if [ "$1" = root ]; then
        # Without "vm" there are neither partitions nor a boot loader;
        # "baremetal" hands out the kernel and the ramdisk.
        export AMP_element_sequence="base baremetal"
    fi
    unshare --mount --propagation private bash \
        "$draft/octavia/diskimage-create/diskimage-create.sh" \
        -c "$cache/dib" -w "$draft/tmp" \
        -o "$draft/image/amphora-anycast.qcow2"
    # ... to here.
}

# build LAYOUT: everything, from nothing
build() {
    "$python" -m venv "$draft/venv"
    local pip=$draft/venv/bin/pip
    "$pip" install --quiet --constraint "$constraints" \
        --requirement requirements/image.txt
    wheels "$pip"
    repository "$pip" octavia
    repository "$pip" octavia-lib
    # A copy is newer than what diskimage-builder may have kept of another.
    cp "$constraints" "$draft/constraints.txt"
    mkdir "$draft/image"
    export PATH=$draft/venv/bin:$PATH TMPDIR=$draft/tmp
    export DIB_LOCKFILES=$cache/dib/lockfiles
    unset PIP_CACHE_DIR
    create "$1"
}

# discard: the draft, and loop devices that a killed build left on it. What it
# mounted has gone with its mount namespace.
discard() {
    losetup --list --noheadings --output NAME,BACK-FILE |
        awk -v folder="$draft/" 'index($2, folder) == 1 { print $1 }' |
        xargs --no-run-if-empty losetup --detach
    rm -rf --one-file-system "$draft"
}

check() {
    "$python" tools/check_image.py "$1/amphora-anycast.qcow2"
}

# prune: of the other images only those that a link leads to, and the newest of
# the rest, are kept
prune() {
    find "$cache" -maxdepth 1 -name 'amphora-image-*' -type d \
        ! -path "$entry" -printf '%T@ %p\n' | sort -rn | cut -d' ' -f2- |
        { grep -vxFf <(find "$cache" -maxdepth 1 -type l -printf '%l\n') ||
            true; } |
        tail -n +2 | xargs --no-run-if-empty rm -rf
}

show() {
    local file
    for file in "$1"/amphora-anycast.*; do
        [ ! -f "$file" ] || echo "$file: $(($(stat -Lc %s "$file") >> 20)) MiB"
    done
}

if [ "$(id -u)" -ne 0 ]; then
    refuse "run it as root: it mounts what it builds. Nothing was changed."
fi
chosen=$(layout) || refuse "IMAGE_LAYOUT is disk or root, not $IMAGE_LAYOUT"
case ${link#"$cache/"} in
*/* | amphora-image*)
    refuse "IMAGE_LINK is the name of a link in $cache, not $IMAGE_LINK" ;;
esac
tools/install-packages.sh image
if [ "$("$python" -c 'import sys; print(*sys.version_info[:2])')" != "3 11" ]
then
    refuse "PYTHON has to be a Python 3.11, as the image has: its wheels are" \
        "made here (is: $python)"
fi
mkdir -p "$cache"
exec 9>"$cache/amphora-image.lock"
flock 9
entry=$cache/amphora-image-$(inputs "$chosen" | sha256sum | cut -c1-16)

if [ -d "$entry" ] && [ -z "${IMAGE_REBUILD:-}" ]; then
    echo "Nothing changed since $(stat -c %y "$entry" | cut -c1-16):" \
        "checking that image"
    check "$entry"
else
    echo "Building the amphora image (a few minutes; $log)"
    discard
    trap discard EXIT
    mkdir -p "$draft/tmp"
    # Not as a condition: bash would go on after what fails in it.
    set +e
    (set -e; build "$chosen") >"$log" 2>&1
    code=$?
    set -e
    if [ "$code" -ne 0 ]; then
        tail -n 40 "$log" >&2
        refuse "not built; the whole log is $log"
    fi
    check "$draft/image"
    rm -rf "$entry"
    mv "$draft/image" "$entry"
fi
ln -sfn "$entry" "$link"
prune
show "$link"
