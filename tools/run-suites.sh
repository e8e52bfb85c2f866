#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run every test suite: run-suites.sh PYTHON [ARGUMENT OF PYTEST ...]
#
# Two groups run side by side. The suites of the lab mostly wait for daemons
# and leave the second processor to the others, whose output comes at the end.
# With REPORTS=DIRECTORY each group writes DIRECTORY/GROUP.xml (JUnit).
# The exit code is zero if both groups passed.
set -u

python=$1
shift
output=$(mktemp)

run() {
    group=$1
    shift
    if [ -n "${REPORTS:-}" ]; then
        set -- "$@" "--junitxml=$REPORTS/$group.xml"
    fi
    exec "$python" -m pytest -o "cache_dir=.pytest_cache/$group" "$@"
}

stop() {
    trap - INT TERM
    kill "$others" "$lab" 2>/dev/null
    wait
    cat "$output"
    rm -f "$output"
    exit 130
}

(run others octavia_anycast/tests/unit octavia_anycast/tests/functional \
    octavia_anycast/tests/contract client/tests lab/tests/unit "$@") \
    >"$output" 2>&1 &
others=$!
(run lab lab/tests --ignore=lab/tests/unit "$@") &
lab=$!
trap stop INT TERM

wait "$lab"
lab_code=$?
wait "$others"
others_code=$?
cat "$output"
rm -f "$output"
# pytest's 5: no test of this group was selected, by -k for instance.
case $lab_code in
0 | 5) [ "$others_code" -ne 5 ] && exit "$others_code" ;;
esac
exit "$lab_code"
