# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/bgp-speakers`` and, below one, the peers registered with it.

Each change is one of the speaker's distributor, which has to be valid with
it, and goes to PENDING_UPDATE.
"""

from typing import Any

from octavia.common import constants
from oslo_log import log as logging
from pecan import expose
from wsme import types as wtypes
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api import (
    listing,
    policies,
    requests,
    resource,
)
from octavia_anycast.api.bgp_speaker.schema import SPEAKER
from octavia_anycast.db.distributor import (
    distributors,
    lifecycle,
    peers,
    speakers,
)
from octavia_anycast.db.engine import Database
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import registered_paths
from octavia_anycast.model import codec
from octavia_anycast.model.bgp import Peer
from octavia_anycast.model.errors import Conflict, InvalidRequest

LOG = logging.getLogger(__name__)
PEERS = "bgp-peers"


class SpeakersController(resource.Collection):
    """The collection and its members."""

    RBAC_TYPE = policies.RBAC_SPEAKER

    @resource.shows(SPEAKER)
    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        self._authorize(constants.RBAC_GET_ONE, id)
        with self._transaction() as session:
            shown = SPEAKER.shown(speakers.get(session, id))
        return self._one(SPEAKER, shown, fields)

    @resource.lists(SPEAKER)
    def get_all(self, fields: Any = None) -> Any:
        """List them, oldest first if not asked otherwise."""
        self._authorize(constants.RBAC_GET_ALL)
        wanted = listing.requested()
        with self._transaction() as session:
            found = speakers.page(session, wanted)
        shown = [SPEAKER.shown(record) for record in found]
        return self._list(SPEAKER, shown, wanted, fields)

    @resource.takes(SPEAKER, status=201)
    def post(self, bgp_speaker_: Any) -> Any:
        """Give a distributor a speaker."""
        self._authorize(constants.RBAC_POST)
        with self._transaction() as session:
            created = SPEAKER.shown(_create(session, bgp_speaker_))
        LOG.info("BGP speaker %s created", created.id)
        return SPEAKER.one(created)

    @resource.takes(SPEAKER, wtypes.text, status=200)
    def put(self, id: str, bgp_speaker_: Any) -> Any:
        """Change its AS or its driver, which its distributor's share."""
        self._authorize(constants.RBAC_PUT, id)
        with self._transaction() as session:
            _update(session, id, bgp_speaker_)
            shown = SPEAKER.shown(speakers.get(session, id))
        LOG.info(
            "BGP speaker %s has the AS %s and the driver %s",
            id,
            shown.local_as,
            shown.driver,
        )
        return SPEAKER.one(shown)

    @resource.deletes()
    def delete(self, id: str) -> None:
        """Delete one; not the last one that load balancers need."""
        self._authorize(constants.RBAC_DELETE, id)
        with self._transaction() as session:
            distributor_id = _locked_distributor(session, id)
            speakers.delete(session, id)
            _check_left(session, distributor_id, "speaker")
            lifecycle.begin_update(session, [distributor_id])
        LOG.info("BGP speaker %s deleted", id)

    @expose()
    def _lookup(self, id: str, *remainder: str) -> Any:
        if remainder and remainder[0] == PEERS:
            return RegistrationsController(self._database, id), remainder[1:]
        return None


class RegistrationsController(resource.Collection):
    """``/v2/lbaas/bgp-speakers/ID/bgp-peers/ID``."""

    RBAC_TYPE = policies.RBAC_SPEAKER

    def __init__(self, database: Database, speaker_id: str) -> None:
        super().__init__(database)
        self._speaker_id = speaker_id

    @wsme_pecan.wsexpose(SPEAKER.one_type, wtypes.text, status_code=200)
    def put(self, id: str) -> Any:
        """Register a peer; idempotent."""
        self._authorize(policies.PUT_PEER, id)
        with self._transaction() as session:
            self._register(session, id)
            shown = SPEAKER.shown(speakers.get(session, self._speaker_id))
        LOG.info(
            "BGP peer %s is registered with speaker %s", id, self._speaker_id
        )
        return SPEAKER.one(shown)

    @resource.deletes()
    def delete(self, id: str) -> None:
        """Unregister a peer, which stays."""
        self._authorize(policies.DELETE_PEER, id)
        with self._transaction() as session:
            distributor_id = _locked_distributor(session, self._speaker_id)
            speakers.unregister(session, self._speaker_id, id)
            _check_left(session, distributor_id, "peer")
            lifecycle.begin_update(session, [distributor_id])
        LOG.info(
            "BGP peer %s is unregistered from speaker %s",
            id,
            self._speaker_id,
        )

    def _register(self, session: Any, peer_id: str) -> None:
        found = speakers.get(session, self._speaker_id)
        if any(peer.id == peer_id for peer in found.speaker.peers):
            return
        lifecycle.lock(session, [found.distributor_id])
        with resource.keeping_whole(session, [found.distributor_id]):
            speakers.register(session, self._speaker_id, peer_id)
        lifecycle.begin_update(session, [found.distributor_id])


def _create(session: Any, body: Any) -> speakers.SpeakerRecord:
    given = requests.under(requests.SPEAKER, body)
    request = codec.read(requests.SpeakerRequest, given)
    distributor_id = request.distributor_id
    if not distributors.exists(session, distributor_id):
        raise InvalidRequest(
            "distributor_id", f"there is no distributor {distributor_id}"
        )
    known = peers.find(session, [peer.id for peer in request.peers])
    lifecycle.lock(session, [distributor_id])
    present = distributors.show(session, distributor_id).distributor.speakers
    speaker = request.to_model(known, present[0].driver if present else None)
    with resource.keeping_whole(session, [distributor_id]):
        # Its peers are there already: nothing is encrypted.
        speakers.create(session, distributor_id, speaker, WithoutPasswords())
    registered_paths.check_driver(session, distributor_id)
    lifecycle.begin_update(session, [distributor_id])
    return speakers.get(session, speaker.id)


def _update(session: Any, id: str, body: Any) -> None:
    record = speakers.get(session, id)
    change = requests.merged(
        requests.SpeakerChange,
        requests.under(requests.SPEAKER, body),
        {
            "local_as": record.speaker.local_as,
            "driver": record.speaker.driver.value,
        },
    )
    lifecycle.lock(session, [record.distributor_id])
    driver = change.driver or requests.fitting_driver(
        _peers_beside(session, record)
    )
    if (change.local_as, driver) == (
        record.speaker.local_as,
        record.speaker.driver,
    ):
        return
    with resource.keeping_whole(session, [record.distributor_id]):
        speakers.update(session, id, local_as=change.local_as, driver=driver)
    registered_paths.check_driver(session, record.distributor_id)
    lifecycle.begin_update(session, [record.distributor_id])


def _peers_beside(
    session: Any, record: speakers.SpeakerRecord
) -> tuple[Peer, ...]:
    """The peers of all speakers of its distributor."""
    shown = distributors.show(session, record.distributor_id)
    return tuple(p for s in shown.distributor.speakers for p in s.peers)


def _locked_distributor(session: Any, speaker_id: str) -> str:
    distributor_id = speakers.get(session, speaker_id).distributor_id
    lifecycle.lock(session, [distributor_id])
    return distributor_id


def _check_left(session: Any, distributor_id: str, what: str) -> None:
    """Keep load balancers announced: something has to be left.

    The session of a speaker carries both families, whatever its own.

    :raises Conflict: if nobody is left to announce their VIPs to.
    """
    shown = distributors.show(session, distributor_id)
    users = shown.counts.load_balancers
    if users and not any(s.peers for s in shown.distributor.speakers):
        raise Conflict(
            f"It is the last BGP {what} of distributor {distributor_id}, "
            f"which {users} load balancer(s) use."
        )
