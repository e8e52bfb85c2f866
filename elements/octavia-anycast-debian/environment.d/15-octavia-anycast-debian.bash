# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# diskimage-builder reads this before each phase, outside and inside.

# It takes 2 for Debian, which has none.
export DIB_PYTHON_VERSION=${DIB_PYTHON_VERSION:-3}
# DHCP for the management interface alone. eth1 is the front end: it belongs
# to another namespace, and its network has no DHCP server to wait for.
export DIB_NETWORK_INTERFACE_NAMES=${DIB_NETWORK_INTERFACE_NAMES:-eth0}

# For each pip, Octavia's too.
if [ -n "${DIB_OCTAVIA_ANYCAST_WHEELS:-}" ]; then
    export PIP_NO_INDEX=1
    export PIP_FIND_LINKS=/tmp/in_target.d/octavia-anycast-wheels
fi
export PIP_NO_CACHE_DIR=1
export PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_ROOT_USER_ACTION=ignore
