# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is stored comes back as it was, and the questions asked of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from sqlalchemy import Text, bindparam, cast, event, func, select

from octavia_anycast.db import heartbeat, schema
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.columns import (
    StoredString,
    StoredText,
    UtcDateTime,
)
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.db.models import Base, SpeakerRegistration
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import registrations
from octavia_anycast.db.registration.registrations import AnnouncedVip
from octavia_anycast.model.autoscale import Autoscale, Metric
from octavia_anycast.model.bgp import (
    Asn,
    AuthType,
    BfdTimers,
    Peer,
    PeeringNetwork,
    Speaker,
    SpeakerDriver,
)
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    ClusterSize,
    ServiceType,
)
from octavia_anycast.model.distributor import Distributor, Zone
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.monitoring.event import Mark
from octavia_anycast.model.wire import Frontend, FrontendAddress

NOW = datetime(2026, 11, 22, 17, 30, 0, 123456, tzinfo=UTC)


class Reversing:
    """A cipher that one can see through."""

    def encrypt(self, text):
        return text[::-1]

    def decrypt(self, text):
        return text[::-1]


CIPHER = Reversing()


def make_distributor(number=1, **changes):
    peers = tuple(
        Peer(
            id=f"peer-{number}-{index}",
            name="Blatt 🌿",
            peer_ip=ip_address(f"10.0.{number}.{index}"),
            remote_as=Asn(4_200_000_000),
            auth_type=AuthType.MD5,
            password="fabric",
            peer_port=1790,
            ttl_hops=1,
            hold_time=3,
            keepalive_interval=1,
            bfd=BfdTimers(min_tx_ms=50, min_rx_ms=60, multiplier=5),
            peering_network=PeeringNetwork.MANAGEMENT,
            availability_zone="rack1",
            compute_host="host1",
            max_prefixes=7,
            communities=("65100:1", "65100:2:3"),
            as_path_prepend=2,
            med=4_294_967_295,
            local_pref=0,
        )
        for index in (2, 1)
    )
    speaker = Speaker(
        id=f"speaker-{number}",
        ip_version=4,
        local_as=Asn(4_294_967_294),
        driver=SpeakerDriver.BIRD,
        peers=peers,
    )
    zones = (
        Zone(
            availability_zone="rack2",
            frontend_network_id="n2",
            frontend_subnet_ids=("b", "a"),
        ),
        Zone(availability_zone="rack1", frontend_network_id="n1"),
        Zone(),
    )
    return Distributor(
        id=f"distributor-{number}",
        speakers=(speaker,),
        zones=zones,
        **({"name": "fabric"} | changes),
    )


def make_cluster(**changes):
    return ClusterRecord(
        **{
            "load_balancer_id": "lb",
            "project_id": "project",
            "distributor_id": "distributor-1",
            "size": ClusterSize(desired=4, minimum=2, maximum=8),
            "created_at": NOW,
        }
        | changes
    )


ADDRESSES = (
    FrontendAddress(
        ip_address=ip_address("10.1.0.5"),
        prefix_length=24,
        gateway=ip_address("10.1.0.1"),
        subnet_id="v4",
    ),
    FrontendAddress(
        ip_address=ip_address("fd00:10:1::5"), prefix_length=64, subnet_id="v6"
    ),
)


def make_amphora(**changes):
    return AmphoraRecord(
        **{
            "id": "amphora",
            "load_balancer_id": "lb",
            "status": AmphoraStatus.BOOTING,
            "status_since": NOW,
        }
        | changes
    )


WHOLE = make_amphora(
    status=AmphoraStatus.ALLOCATED,
    generation=3,
    service_type=ServiceType.LOADBALANCER,
    availability_zone="rack1",
    compute_host="host1",
    compute_id="server",
    lb_network_ip=ip_address("172.31.1.7"),
    cert_expiration=NOW + timedelta(days=30),
    frontend=Frontend(
        mac_address="02:00:00:00:00:05", mtu=1450, addresses=ADDRESSES
    ),
    frontend_port_id="port",
    frontend_interface="eth1",
    member_network_ids=("m1", "m2"),
    distributor_id="own",
    applied_revision="f" * 64,
    peer_amphora_ids=("amphora", "another"),
    refused_revision="e" * 64,
    refused_at=NOW,
    refusal="regex '(' is invalid",
    refusal_count=2,
    refuses_anything=True,
    partial_revision="d" * 64,
    unread="Listener l keeps the configuration that it has",
    unread_listener_ids=("l", "k"),
    lacking_listener_ids=("k",),
    applied_at=NOW,
    leaving_since=NOW,
    speakers_changed_at=NOW,
    failover_wanted=True,
    agent_update_wanted=True,
    spare_since=NOW,
    is_replacing=True,
    drain_wanted_since=NOW,
    drain_deadline=NOW + timedelta(seconds=30),
    draining_since=NOW,
    drained_at=NOW,
    finishing_since=NOW,
    zone_drain_id="zone-drain",
    stand_in_wanted=True,
    image_id="image",
    fleet_change_id="fleet-change",
    mute_since=NOW,
    stale_since=NOW,
    told={"phase": Mark("serving"), "gate": Mark("open", 5.25, 6, 2)},
    reason="because",
)


def test_a_distributor_comes_back_whole(session):
    distributor = make_distributor(is_default=True)
    distributors.create(session, distributor, CIPHER)
    session.expire_all()

    assert distributors.get(session, distributor.id, CIPHER) == distributor
    assert distributors.default_id(session) == distributor.id
    assert distributors.exists(session, distributor.id)


def test_nothing_is_not_a_distributor(session):
    assert distributors.get(session, "none", CIPHER) is None
    assert distributors.default_id(session) is None
    assert distributors.is_empty(session)
    assert not distributors.exists(session, "none")
    with pytest.raises(NotFound):
        lifecycle.remove(session, "none")


def test_readers_without_passwords_get_none(session):
    distributors.create(session, make_distributor(), CIPHER)
    session.expire_all()

    (read,) = distributors.list_all(session, WithoutPasswords())

    assert read.speakers[0].peers[0].password != "fabric"


@pytest.mark.parametrize("count", [1, 12])
def test_a_list_takes_five_queries(database, count):
    with database.transaction() as session:
        for number in range(count):
            distributors.create(session, make_distributor(number), CIPHER)
    queries = []
    event.listen(
        database.engine(),
        "before_cursor_execute",
        lambda *arguments: queries.append(arguments[2]),
    )
    with database.transaction() as session:
        assert len(distributors.list_all(session, CIPHER)) == count

    assert len([q for q in queries if q.startswith("SELECT")]) == 5, queries


def counts_of(session):
    found = distributors.counts_of(session, ["distributor-1"])
    return found["distributor-1"]


def test_a_distributor_in_use_stays(session):
    distributors.create(session, make_distributor(), CIPHER)
    clusters.create(session, make_cluster())

    assert counts_of(session).load_balancers == 1
    for refused in (
        lambda: lifecycle.remove(session, "distributor-1"),
        lambda: lifecycle.begin_delete(
            session, "distributor-1", with_peers=True
        ),
    ):
        with pytest.raises(Conflict, match="1 load balancer"):
            refused()

    clusters.delete(session, "lb")
    lifecycle.begin_delete(session, "distributor-1", with_peers=True)
    lifecycle.remove(session, "distributor-1")
    for table in schema.METADATA.tables.values():
        assert not session.scalar(select(func.count()).select_from(table))


def test_a_cluster_comes_back_whole(session):
    distributors.create(session, make_distributor(), CIPHER)
    record = make_cluster(
        is_enabled=False,
        frontend_network_id="n",
        frontend_subnet_id="s",
        failover_generation=2,
        reason="r",
        config_revision="c",
        cooldown_seconds=60,
        spare_count=2,
        autoscale=Autoscale(metric=Metric.CPU, target=60),
        scaled_at=NOW,
        scaling_reason="scaled out",
        changed_at=NOW,
        told={"size": Mark("2")},
    )
    clusters.create(session, record)
    session.expire_all()

    assert clusters.get(session, "lb") == record
    assert clusters.list_all(session) == [record]
    assert clusters.get(session, "none") is None


def test_a_cluster_changes_field_by_field(session):
    distributors.create(session, make_distributor(), CIPHER)
    clusters.create(session, make_cluster())
    changes = {
        "size": ClusterSize(desired=5, minimum=1, maximum=6),
        "is_enabled": False,
        "cooldown_seconds": 9,
        "spare_count": 1,
        "autoscale": Autoscale(metric=Metric.BYTES, target=1000),
        "scaled_at": NOW,
        "scaling_reason": "scaled in",
        "operating_status": "DEGRADED",
    }

    clusters.update(session, "lb", **changes)

    assert clusters.get(session, "lb") == make_cluster(**changes)
    with pytest.raises(ValueError, match="colour"):
        clusters.update(session, "lb", colour="red")
    with pytest.raises(NotFound):
        clusters.update(session, "none", reason="")


def test_failovers_are_counted(session):
    distributors.create(session, make_distributor(), CIPHER)
    clusters.create(session, make_cluster())

    assert clusters.request_failover(session, "lb") == 1
    assert clusters.request_failover(session, "lb") == 2
    session.expire_all()
    assert clusters.get(session, "lb").failover_generation == 2
    with pytest.raises(NotFound):
        clusters.request_failover(session, "none")


@pytest.mark.parametrize("record", [make_amphora(), WHOLE])
def test_an_amphora_comes_back_whole(session, record):
    amphorae.create(session, record)
    session.expire_all()

    assert amphorae.get(session, "amphora") == record
    assert amphorae.list_for(session, "lb") == [record]
    assert amphorae.list_all(session) == [record]
    assert amphorae.list_for(session, "other") == []


CHANGES = {
    name: getattr(WHOLE, name)
    for name in WHOLE.__dataclass_fields__
    if name not in ("id", "status", "status_since")
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_amphora_changes_field_by_field(session, name):
    amphorae.create(session, make_amphora())

    amphorae.update(session, "amphora", **{name: CHANGES[name]})
    session.expire_all()

    wanted = replace(make_amphora(), **{name: CHANGES[name]})
    if name != "load_balancer_id":
        assert wanted != make_amphora()
    assert amphorae.get(session, "amphora") == wanted


def test_front_end_addresses_are_replaced(session):
    amphorae.create(session, WHOLE)
    changed = replace(WHOLE.frontend, addresses=ADDRESSES[::-1])
    amphorae.update(session, "amphora", frontend=changed)
    session.expire_all()
    assert amphorae.get(session, "amphora").frontend == changed

    amphorae.update(session, "amphora", frontend=None)
    session.expire_all()
    assert amphorae.get(session, "amphora").frontend is None


def test_a_status_has_its_time(session):
    later = NOW + timedelta(seconds=5)
    amphorae.create(session, make_amphora())
    amphorae.update(
        session, "amphora", status=AmphoraStatus.BOOTING, now=later
    )
    assert amphorae.get(session, "amphora").status_since == NOW

    amphorae.update(
        session, "amphora", status=AmphoraStatus.ALLOCATED, now=later
    )

    assert amphorae.get(session, "amphora").status_since == later
    with pytest.raises(ValueError, match="time"):
        amphorae.update(session, "amphora", status=AmphoraStatus.ERROR)
    with pytest.raises(ValueError, match="colour"):
        amphorae.update(session, "amphora", colour="red")
    with pytest.raises(NotFound):
        amphorae.update(session, "none", reason="")


def test_failures_are_remembered_after_the_deletion(session):
    for number in range(3):
        amphorae.create(session, make_amphora(id=f"amphora-{number}"))
        at = NOW + timedelta(minutes=number)
        amphorae.update(
            session, f"amphora-{number}", status=AmphoraStatus.ERROR, now=at
        )
        amphorae.mark_deleted(session, f"amphora-{number}", at)

    assert amphorae.list_all(session) == []
    found = amphorae.failures_since(session, "lb", NOW + timedelta(minutes=1))
    assert [failure.at for failure in found] == [
        NOW + timedelta(minutes=1),
        NOW + timedelta(minutes=2),
    ]
    assert not any(failure.has_run for failure in found)
    assert amphorae.failures_since(session, "other", NOW) == []


def test_replacements_under_way_are_counted(session):
    for name, changes in {
        "booting": {},
        "coming-up": {"status": AmphoraStatus.ALLOCATED},
        "failed": {"status": AmphoraStatus.ERROR},
        "configured": {
            "status": AmphoraStatus.ALLOCATED,
            "is_replacing": False,
        },
    }.items():
        record = make_amphora(id=name, is_replacing=True)
        amphorae.create(session, replace(record, **changes))

    for is_locked in (False, True):
        count = amphorae.replacements_under_way(
            session, NOW - timedelta(minutes=1), is_locked=is_locked
        )
        assert count == 2
    later = NOW + timedelta(minutes=1)
    assert amphorae.replacements_under_way(session, later) == 0


def test_only_old_deleted_amphorae_are_purged(session):
    amphorae.create(session, WHOLE)
    amphorae.create(session, make_amphora(id="alive"))
    amphorae.mark_deleted(session, "amphora", NOW)

    assert amphorae.purge(session, NOW) == 0
    assert amphorae.purge(session, NOW + timedelta(seconds=1)) == 1
    assert amphorae.purge(session, NOW + timedelta(seconds=1)) == 0
    assert [a.id for a in amphorae.list_all(session)] == ["alive"]
    assert amphorae.get(session, "amphora") is None


def test_heartbeats(session):
    amphorae.create(session, make_amphora())
    later = NOW + timedelta(seconds=3)

    assert heartbeat.touch(session, "amphora", NOW)
    assert heartbeat.touch(session, "amphora", later)
    assert not heartbeat.touch(session, "stranger", later)

    wanted = ["amphora", "stranger"]
    assert heartbeat.last_updates(session, wanted) == {"amphora": later}
    amphorae.mark_deleted(session, "amphora", later)
    assert not heartbeat.touch(session, "amphora", later)
    assert heartbeat.last_updates(session, wanted) == {}


VIP = AnnouncedVip(
    vip_ip=ip_address("198.51.100.1"),
    nexthop_ip=ip_address("10.1.0.5"),
    load_balancer_id="lb",
)
VIP6 = AnnouncedVip(
    vip_ip=ip_address("2001:db8:100::1"),
    nexthop_ip=ip_address("fd00:10:1::5"),
    peer_id="peer",
)


def test_registrations_are_whole_and_end_with_the_amphora(session):
    amphorae.create(session, make_amphora())
    for speakers in (["s1", "s2"], ["s2"]):
        registrations.register(
            session,
            "amphora",
            load_balancer_id="lb",
            distributor_id="distributor-1",
            speaker_ids=speakers,
        )
    registrations.replace_vips(session, "amphora", [VIP])
    registrations.replace_vips(session, "amphora", [VIP6, VIP])

    assert counts_of(session).amphorae == 1
    assert session.scalars(select(SpeakerRegistration.speaker_id)).all() == [
        "s2"
    ]
    assert registrations.list_vips(session, "amphora") == [VIP, VIP6]
    amphorae.mark_deleted(session, "amphora", NOW)
    assert counts_of(session).amphorae == 0
    assert session.scalars(select(SpeakerRegistration.speaker_id)).all() == []
    assert registrations.list_vips(session, "amphora") == []


def test_times_are_utc_whatever_they_were(session):
    east = timezone(timedelta(hours=5))
    amphorae.create(session, make_amphora(status_since=NOW.astimezone(east)))
    session.expire_all()

    read = amphorae.get(session, "amphora").status_since

    assert read == NOW
    assert read.tzinfo is UTC


def test_times_without_a_zone_are_refused():
    with pytest.raises(ValueError, match="no time zone"):
        UtcDateTime().process_bind_param(NOW.replace(tzinfo=None), None)


def test_no_text_makes_a_row_unwritable(session):
    """Each text column of ours takes what an amphora or a service said."""
    said = "HAProxy said \ud800\udc80 Ü 🌿"

    columns = [
        column
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, StoredString | StoredText)
    ]
    for column in columns:
        text = cast(bindparam("said", said, type_=column.type), Text)
        assert session.scalar(select(text)) == "HAProxy said ?? Ü 🌿"

    names = {str(column) for column in columns}
    assert names >= {
        "anycast_cluster.reason",
        "anycast_distributor.status_reason",
        "anycast_event.cause",
    }


def test_an_exception_rolls_back(database):
    def fail_half_way():
        with database.transaction() as session:
            amphorae.create(session, make_amphora())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()

    with database.transaction() as session:
        assert amphorae.list_all(session) == []
