#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make the Python environment: make-venv.sh PYTHON DIRECTORY
#
# Third-party distributions exactly as in requirements/constraints.txt, then
# this repository's own three, editable.
set -eu

python=$1
venv=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer, please: make PYTHON=... (is: $python)" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    [ "$(id -u)" -eq 0 ] && tools/install-packages.sh
fi

echo "Making the Python environment $venv (about a minute, once)"
log=$(mktemp)
fail() {
    tail -n 20 "$log" >&2
    rm -f "$log"
    exit 1
}
{
    "$python" -m venv --clear "$venv" &&
        "$venv/bin/pip" install --upgrade \
            --constraint requirements/constraints.txt setuptools wheel &&
        "$venv/bin/pip" install --no-build-isolation \
            --constraint requirements/constraints.txt \
            --requirement requirements/dev.txt \
            --editable . --editable lab --editable client
} >"$log" 2>&1 || fail
rm -f "$log"
"$venv/bin/pip" check >/dev/null || {
    "$venv/bin/pip" check >&2
    exit 1
}
