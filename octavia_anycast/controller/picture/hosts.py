# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""By which names a browser may ask for the picture.

A page from elsewhere cannot read what another host answers, but its owner may
let the page's own name resolve to the controller's address afterwards (DNS
rebinding): the browser then takes both for one site. Such a request has that
name in ``Host`` (RFC 9110, section 7.2), and an address cannot be rebound.

Layer: controller.
"""

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

_LOCAL = "localhost"


class Hosts:
    """Addresses, this host's own name, and the names of the operator.

    :param names: host names without a port
    """

    def __init__(self, names: Iterable[str]) -> None:
        own = (_LOCAL, socket.gethostname())
        self._names = {_plain(name) for name in (*own, *names)}

    def refusal(self, host: str) -> str:
        """Why a request with this ``Host`` is refused; empty: it is not.

        Whoever sends none is no browser.
        """
        if not host:
            return ""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if _plain(name) in self._names or _is_address(name):
            return ""
        return (
            "Host: the page is served by address and by the names in "
            "[anycast] picture_hosts only, and this name is none of them."
        )


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
