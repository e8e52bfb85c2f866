#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run Octavia's own functional tests of its API against our root:
# run-upstream.sh PYTHON [ARGUMENT OF PYTEST ...]
#
# In a network namespace of its own, with the loopback interface only: some
# of Octavia's tests remove the addresses of the interfaces that they find.
set -eu

python=$1
shift
suite=octavia_anycast.tests.upstream
exec unshare --net sh -c 'ip link set lo up && exec "$@"' sh \
    "$python" -m pytest -p "$suite.plugin" --pyargs "$suite" \
    octavia.tests.functional.api --disable-warnings --tb=short "$@"
