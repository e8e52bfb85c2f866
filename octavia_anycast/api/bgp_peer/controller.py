# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/bgp-peers``: the blueprint's BGP peer profiles."""

from typing import Any

from octavia.common import constants
from oslo_log import log as logging
from wsme import types as wtypes

from octavia_anycast.api import (
    listing,
    policies,
    requests,
    resource,
)
from octavia_anycast.api.bgp_peer.schema import PEER
from octavia_anycast.db.distributor import lifecycle, peers, speakers
from octavia_anycast.octavia_adapter.secrets import FernetCipher

LOG = logging.getLogger(__name__)


class PeersController(resource.Collection):
    """The collection and its members."""

    RBAC_TYPE = policies.RBAC_PEER

    @resource.shows(PEER)
    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        self._authorize(constants.RBAC_GET_ONE, id)
        with self._transaction() as session:
            shown = PEER.shown(peers.get(session, id))
        return self._one(PEER, shown, fields)

    @resource.lists(PEER)
    def get_all(self, fields: Any = None) -> Any:
        """List them, oldest first if not asked otherwise."""
        self._authorize(constants.RBAC_GET_ALL)
        wanted = listing.requested()
        with self._transaction() as session:
            found = peers.page(session, wanted)
        shown = [PEER.shown(record) for record in found]
        return self._list(PEER, shown, wanted, fields)

    @resource.takes(PEER, status=201)
    def post(self, bgp_peer_: Any) -> Any:
        """Create one that no speaker uses yet."""
        self._authorize(constants.RBAC_POST)
        with self._transaction() as session:
            peer = requests.new_peer(bgp_peer_)
            peers.create(session, peer, FernetCipher())
            created = peers.get(session, peer.id)
        LOG.info("BGP peer %s, %s, created", peer.id, peer.peer_ip)
        return PEER.one(PEER.shown(created))

    @resource.takes(PEER, wtypes.text, status=200)
    def put(self, id: str, bgp_peer_: Any) -> Any:
        """Change one; it reaches every amphora that peers with it."""
        self._authorize(constants.RBAC_PUT, id)
        with self._transaction() as session:
            is_changed = _update(session, id, bgp_peer_)
            shown = PEER.shown(peers.get(session, id))
        if is_changed:
            LOG.info("BGP peer %s, %s, changed", id, shown.peer_ip)
        return PEER.one(shown)

    @resource.deletes()
    def delete(self, id: str) -> None:
        """Delete one that no speaker uses."""
        self._authorize(constants.RBAC_DELETE, id)
        with self._transaction() as session:
            peers.lock(session, id)
            peers.delete(session, id)
        LOG.info("BGP peer %s deleted", id)


def _update(session: Any, id: str, body: Any) -> bool:
    """Carry out a PUT; whether anything is different now."""
    peers.lock(session, id)
    record = peers.get(session, id)
    peer, with_password = requests.changed_peer(body, record.peer)
    if peer == record.peer and not with_password:
        return False
    concerned = speakers.distributors_of(session, record.speaker_ids)
    lifecycle.lock(session, concerned)
    with resource.keeping_whole(session, concerned):
        peers.update(
            session, peer, FernetCipher(), with_password=with_password
        )
    lifecycle.begin_update(session, concerned)
    return True
