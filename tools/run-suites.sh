#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run every test suite:
# run-suites.sh PYTHON PYTHON_OF_UPSTREAM [ARGUMENT OF PYTEST ...]
#
# Two groups run side by side. The suites of the lab mostly wait for daemons
# and leave the second processor to the others, whose output comes at the end.
# Octavia's own tests follow the others: the lab's suites take longer still.
# With REPORTS=DIRECTORY each group writes DIRECTORY/GROUP.xml (JUnit).
# The exit code is zero if all groups passed.
set -u

python=$1
upstream_python=$2
shift 2
output=$(mktemp)
running=

# run GROUP COMMAND ...
run() {
    group=$1
    shift
    if [ -n "${REPORTS:-}" ]; then
        set -- "$@" "--junitxml=$REPORTS/$group.xml"
    fi
    exec "$@" -o "cache_dir=.pytest_cache/$group"
}

stop() {
    trap - INT TERM
    # shellcheck disable=SC2086 # a list of numbers
    kill $running 2>/dev/null
    wait
    cat "$output"
    rm -f "$output"
    exit 130
}
trap stop INT TERM

(run lab "$python" -m pytest lab/tests --ignore=lab/tests/unit "$@") &
lab=$!
(run others "$python" -m pytest octavia_anycast/tests/unit \
    octavia_anycast/tests/functional octavia_anycast/tests/contract \
    client/tests lab/tests/unit "$@") >"$output" 2>&1 &
others=$!
running="$lab $others"
wait "$others"
others_code=$?
(run upstream tools/run-upstream.sh "$upstream_python" "$@") \
    >>"$output" 2>&1 &
upstream=$!
running="$lab $upstream"
wait "$upstream"
upstream_code=$?
wait "$lab"
lab_code=$?
cat "$output"
rm -f "$output"

# pytest's 5: no test of this group was selected, by -k for instance.
result=5
for code in "$lab_code" "$others_code" "$upstream_code"; do
    case $code in
    0) [ "$result" -ne 5 ] || result=0 ;;
    5) ;;
    *)
        result=$code
        break
        ;;
    esac
done
exit "$result"
