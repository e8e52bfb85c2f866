#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run every test suite of ours: run-suites.sh PYTHON [ARGUMENT OF PYTEST ...]
#
# Three groups run side by side. "lab" and "lab2" mostly wait for daemons; each
# has a lab of its own, called OA_LAB and OA_LAB with a 2 behind it. "others"
# computes: it has a process for each processor, and takes the time that the
# labs leave. The output of "lab" is shown at once, that of the other groups at
# the end; the last lines of all are pytest's closing lines of each group.
# If one to three tests of a group failed, their files run once more when the
# groups have ended, alone on the machine and with no more time than deadlines
# say: this tells a fault from a lack of time. Whole files, as the tests of some
# are one story. The group passes if they pass then; both results are shown.
# With REPORTS=DIRECTORY each group writes DIRECTORY/GROUP.xml (JUnit), and
# DIRECTORY/GROUP-again.xml if tests ran once more.
# The exit code is zero if all groups passed.
set -u

python=$1
shift
groups="lab lab2 others"
again_max=3
# "lab2" has every folder of lab/tests that is not named here.
first_lab="fabric amphora commands distributor doctor"
name=${OA_LAB:-oat}
# They share the machine: a failover of the demonstration takes 20 s alone, and
# has taken more than 60 s beside the other groups.
patience_alone=${OA_LAB_PATIENCE:-1}
export OA_LAB_PATIENCE="${OA_LAB_PATIENCE:-3}"
output=$(mktemp -d)

# run GROUP COMMAND ...: its output is kept in $output
run() {
    group=$1
    shift
    if [ -n "${REPORTS:-}" ]; then
        set -- "$@" "--junitxml=$REPORTS/$group.xml"
    fi
    exec "$@" -o "cache_dir=.pytest_cache/$group" \
        >"$output/$group" 2>&1
}

# again GROUP CODE LAB OPTION ...: the files of its few failures once more, if
# CODE is that of failures; the exit code is the group's now
again() {
    group=$1
    code=$2
    lab_name=$3
    shift 3
    [ "$code" -eq 1 ] || return "$code"
    failed=$(grep -E '^(FAILED|ERROR) ' "$output/$group")
    count=$(printf '%s' "$failed" | grep -c .)
    [ "$count" -ge 1 ] && [ "$count" -le "$again_max" ] || return "$code"
    files=$(printf '%s\n' "$failed" | cut -d ' ' -f 2 | sed 's/::.*//' | sort -u)
    # shellcheck disable=SC2086 # a list of files
    (export OA_LAB="$lab_name" OA_LAB_PATIENCE="$patience_alone" &&
        run "$group-again" "$python" -m pytest $files "$@") &
    running=$!
    wait "$running"
    code=$?
    groups="$groups $group-again"
    # pytest's 5: they have no test now; this is no pass.
    [ "$code" -ne 5 ] || code=1
    return "$code"
}

# show: what was not shown yet, and how each group ended
show() {
    for group in $groups; do
        [ "$group" = lab ] || cat "$output/$group"
    done
    for group in $groups; do
        closing=$(grep -E ' in [0-9.]+s' "$output/$group" | tail -n 1)
        echo "$group: ${closing:-did not end}"
    done
    rm -rf "$output"
}

# SIGINT does not reach what runs in the background; SIGTERM ends it tidily.
stop() {
    trap '' INT TERM
    # shellcheck disable=SC2086 # a list of numbers
    kill $running 2>/dev/null
    wait
    tail -n 60 "$output/lab"
    show 2>/dev/null
    exit 130
}
running=
trap stop INT TERM

first=
rest="octavia_anycast/tests/contract lab/tests"
# "upgrade" has a lab of an older release: make test-upgrade.
for folder in $first_lab; do
    first="$first lab/tests/$folder"
    rest="$rest --ignore=lab/tests/$folder"
done
rest="$rest --ignore=lab/tests/unit --ignore=lab/tests/upgrade"
# shellcheck disable=SC2086 # lists of folders
(export OA_LAB="$name" && run lab "$python" -m pytest $first "$@") &
lab=$!
# shellcheck disable=SC2086
(export OA_LAB="${name}2" && run lab2 "$python" -m pytest $rest "$@") &
lab2=$!
others="octavia_anycast/tests/unit octavia_anycast/tests/functional
    client/tests lab/tests/unit"
# shellcheck disable=SC2086
(run others nice -n 10 "$python" -m pytest -n auto --dist loadfile \
    $others "$@") &
computing=$!
running="$lab $lab2 $computing"
touch "$output/lab"
tail -n +1 -f --pid="$lab" "$output/lab" &
wait "$computing"
others_code=$?
wait "$lab"
lab_code=$?
wait "$lab2"
lab2_code=$?
wait
again lab "$lab_code" "$name" "$@"
lab_code=$?
again lab2 "$lab2_code" "${name}2" "$@"
lab2_code=$?
again others "$others_code" "$name" "$@"
others_code=$?
show

# pytest's 5: no test of this group was selected, by -k for instance.
result=5
for code in "$lab_code" "$lab2_code" "$others_code"; do
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
