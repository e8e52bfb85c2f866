# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# diskimage-builder reads this before each phase, outside and inside.

# It takes 2 for Debian, which has none.
export DIB_PYTHON_VERSION=${DIB_PYTHON_VERSION:-3}
# cloud-init alone configures the management interface, by what the cloud says
# of it. With DHCP in a file beside that, a boot in a network without DHCP waits
# a minute for it.
export DIB_APT_MINIMAL_CREATE_INTERFACES=${DIB_APT_MINIMAL_CREATE_INTERFACES:-0}

# For each pip, Octavia's too.
if [ -n "${DIB_OCTAVIA_ANYCAST_WHEELS:-}" ]; then
    export PIP_NO_INDEX=1
    export PIP_FIND_LINKS=/tmp/in_target.d/octavia-anycast-wheels
fi
export PIP_NO_CACHE_DIR=1
export PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_ROOT_USER_ACTION=ignore
