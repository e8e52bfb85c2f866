# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What happens to a guest: it comes back as it was, or is replaced."""

import datetime
import json

import looks
from conftest import SIZE, await_served
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.host import process
from octavia_anycast_lab.vm import content, guests
from octavia_anycast_lab.vm.balancers import Amphora
from octavia_anycast_lab.vm.world import BOOT_SECONDS, CHANGE_SECONDS, World

Amphorae = tuple[Amphora, ...]
_FILL = "sudo sh -c 'cat /dev/zero > /var/lib/filled 2>/dev/null; sync'"
_PATIENT = "[anycast]\ndead_after = 1200\ngate_timeout = 1200\n"
_EMPTY = "sudo rm -f /var/lib/filled"


def test_certificate_rotation(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """New certificates, the same sessions; strangers are refused."""
    before = {a: looks.agent(world, a) for a in amphorae}
    sessions = {a: looks.session(world, a) for a in amphorae}
    text = looks.manage(
        world,
        *("housekeeping", "rotate-certificates", "-f", "json"),
        *("--all", "--load-balancer", pair.id),
    )
    lines = json.loads(text)["certificates"]
    assert {line["outcome"] for line in lines} == {"done"}, lines
    for one in amphorae:
        shown = looks.agent(world, one)
        assert shown.serial != before[one].serial
        assert shown.status == 200
        assert isinstance(shown.stranger, str)
        assert sessions[one] is not None
        assert looks.session(world, one) == sessions[one]


def test_reboot(world: World, pair: Balancer, amphorae: Amphorae) -> None:
    """VIPs, speaker, configuration and certificates come back with it.

    The controller waits longer than an emulated guest takes to boot: else it
    would have replaced it.
    """
    one = amphorae[0]
    before = looks.session(world, one)
    serial = looks.agent(world, one).serial
    boot = looks.inside(world, one, "cat /proc/sys/kernel/random/boot_id")
    with looks.controller_with(world, _PATIENT):
        guests.reboot(world.plane, one.guest)
        world.await_withdrawn(pair, one)
        looks.await_back(world, pair, one, before)
    assert one.server_id in world.server_ids(), "it was not replaced"
    assert looks.agent(world, one).serial == serial
    again = looks.inside(world, one, "cat /proc/sys/kernel/random/boot_id")
    assert again != boot
    for service in content.SERVICES:
        await_served(world, pair, service)


def test_failover(world: World, pair: Balancer, amphorae: Amphorae) -> None:
    """The operator's: another server takes its place, in its rack."""
    old = amphorae[0]
    world.fail_over(old)
    world.await_replaced(pair, old, SIZE)
    assert {a.rack for a in world.amphorae(pair.id)} == {
        a.rack for a in amphorae
    }


def test_power_is_cut(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """Below Nova, which says SHUTOFF once it notices."""
    guests.cut_power(world.plane, amphorae[1].guest)
    world.await_withdrawn(pair, amphorae[1])
    world.await_replaced(pair, amphorae[1], SIZE)


def test_power_off_by_nova(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    guests.power_off(world.plane, amphorae[0].guest)
    world.await_withdrawn(pair, amphorae[0])
    world.await_replaced(pair, amphorae[0], SIZE)


def test_kernel_panic(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """For Nova the server is ACTIVE: only heartbeats and BFD tell."""
    one = amphorae[0]
    guests.panic(world.plane, one.guest)
    world.await_withdrawn(pair, one)
    assert "panic" in guests.console(world.plane, one.guest)
    world.await_replaced(pair, one, SIZE)


def test_a_full_disk_does_not_stop_traffic(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """It serves on, and takes changes again once there is room."""
    one = amphorae[1]
    before = looks.session(world, one)
    guests.run_in_guest(
        world.plane, one.guest, _FILL, check=False, timeout_seconds=600.0
    )
    try:
        room = looks.inside(world, one, "df --output=avail / | tail -n 1")
        assert int(room) < 1024, "it is full"
        for service in content.SERVICES:
            await_served(world, pair, service)
        assert looks.session(world, one) == before
    finally:
        looks.inside(world, one, _EMPTY)
    _change(world, pair)
    world.await_status(pair.id)
    assert one.server_id in world.server_ids(), "it was not replaced"


def _change(world: World, pair: Balancer) -> None:
    """Some change of the configuration, asked for but not awaited."""
    path = f"/v2/lbaas/listeners?loadbalancer_id={pair.id}&name=http"
    (found,) = world.ask("GET", path)["listeners"]
    limit = 500 + (found["connection_limit"] + 1) % 100
    world.ask(
        "PUT",
        f"/v2/lbaas/listeners/{found['id']}",
        {"listener": {"connection_limit": limit}},
    )


def test_suspended_while_it_boots(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """A boot that stands still for minutes ends well, and only one boots."""
    old = amphorae[0]
    known = world.server_ids()
    world.fail_over(old)
    process.wait_until(
        lambda: bool(_running(world, known)),
        BOOT_SECONDS,
        "another server runs",
        0.5,
    )
    (made,) = _running(world, known)
    guests.suspend(world.plane, made)
    try:
        process.wait_until(
            lambda: _seconds_of(world, made.id) > 300.0,
            CHANGE_SECONDS,
            "five minutes of a boot",
            5.0,
        )
    finally:
        guests.resume(world.plane, made)
    world.await_replaced(pair, old, SIZE)
    assert looks.servers_made(world, known) == {made.id}


def _running(world: World, known: frozenset[str]) -> list[guests.Guest]:
    return [
        guest
        for guest in guests.guests(world.plane)
        if guest.id not in known and guest.status == "ACTIVE"
    ]


def _seconds_of(world: World, server_id: str) -> float:
    """How long ago Nova made a server."""
    made = world.server(server_id)["created"]
    began = datetime.datetime.fromisoformat(made)
    now = datetime.datetime.now(datetime.UTC)
    return (now - began).total_seconds()
