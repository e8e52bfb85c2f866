#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make a Python environment:
# make-venv.sh PYTHON DIRECTORY STAMP REQUIREMENTS OWN ...
#
# Third-party distributions exactly as in requirements/constraints.txt, or in
# the file that the variable CONSTRAINTS names, unless REQUIREMENTS says another
# version; then those of this repository in the folders OWN, editable. One at a
# time: a second make waits.
# While the constraints are the same the environment is only brought up to
# date; other constraints make it anew. The stamp says that it is complete.
set -eu

python=$1
venv=$2
stamp=$3
requirements=$4
constraints=${CONSTRAINTS:-requirements/constraints.txt}
shift 4
for folder; do
    set -- "$@" --editable "$folder"
    shift
done

exec 9>"$venv.lock"
flock 9
[ ! -e "$stamp" ] || exit 0

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer, please: make PYTHON=... (is: $python)" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    tools/install-packages.sh
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# left: the constraints that REQUIREMENTS leaves as they are
left() {
    awk -F== 'FNR == NR { if (NF > 1) own[tolower($1)]; next }
        !(tolower($1) in own)' "$requirements" "$constraints"
}
pinned() {
    left >"$venv/constraints-used.txt"
    "$venv/bin/pip" install --constraint "$venv/constraints-used.txt" "$@"
}
create() {
    "$python" -m venv --clear "$venv" &&
        pinned --upgrade setuptools wheel
}
populate() {
    pinned --no-build-isolation --requirement "$requirements" "$@" &&
        "$venv/bin/pip" check
}
attempt() {
    "$@" >"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    exit 1
}

if cmp -s "$constraints" "$venv/constraints.txt"; then
    echo "Bringing the Python environment $venv up to date"
else
    echo "Making the Python environment $venv (about a minute, once)"
    attempt create
    cp "$constraints" "$venv/constraints.txt"
fi
rm -f "$venv"/made-*
attempt populate "$@"
touch "$stamp"
