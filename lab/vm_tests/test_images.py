# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Images, flavors and certificates with which no amphora comes up.

Each with a load balancer of its own: the reason says what is wrong, a failed
boot is not followed by a crowd of others, and the tenant can delete it.
``boot_timeout`` and ``error_after`` are shorter here: what never answers is
given up sooner, and can be deleted then.
"""

import collections.abc
import contextlib
import json
import subprocess

import looks
import pytest
from octavia_anycast_lab import shell
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.cloud import controller
from octavia_anycast_lab.host import process
from octavia_anycast_lab.vm import guests
from octavia_anycast_lab.vm import settings as vm_settings
from octavia_anycast_lab.vm import survey as vm_survey
from octavia_anycast_lab.vm.api import image
from octavia_anycast_lab.vm.balancers import Amphora
from octavia_anycast_lab.vm.world import BOOT_SECONDS, World

Amphorae = tuple[Amphora, ...]
NAME = "doomed"
# Of the boot after the first one that failed the test sees the beginning.
SERVERS_AT_ONCE = 2
SHORT = "[anycast]\nboot_timeout = 180\nerror_after = 60\n"
REFUSED = "refuses the controller's certificate"
MUTE_TAG = "amphora-mute"
NEXT_TAG = "amphora-next"
_UPLOAD_SECONDS = 600.0
_PROFILES = "/v2/lbaas/flavorprofiles"
_FLAVORS = "/v2/lbaas/flavors"


@contextlib.contextmanager
def flavor(world: World, **data: str) -> collections.abc.Iterator[None]:
    """A flavor of Octavia's, named like the load balancer."""
    profile = {
        "name": NAME,
        "provider_name": "anycast",
        "flavor_data": json.dumps({"cluster_size": 1, **data}),
    }
    made = _post(world, _PROFILES, "flavorprofile", profile)
    body = {"name": NAME, "flavor_profile_id": made["id"]}
    chosen = _post(world, _FLAVORS, "flavor", body)
    try:
        yield
    finally:
        for path, one in ((_FLAVORS, chosen), (_PROFILES, made)):
            world.admin.request(
                "DELETE", rest.LOAD_BALANCER, f"{path}/{one['id']}"
            )


def _post(world: World, path: str, root: str, body: rest.Body) -> rest.Body:
    made = world.admin.request("POST", rest.LOAD_BALANCER, path, {root: body})
    return dict(made[root])


@contextlib.contextmanager
def uploaded(
    world: World, tag: str, command_line: str = image.COMMAND_LINE
) -> collections.abc.Iterator[str]:
    """Another image record of the same file, with that tag; its id."""
    path = f"/v2/images?tag={vm_settings.IMAGE_TAG}"
    (known,) = world.admin.get(vm_survey.IMAGE, path)["images"]
    words = [
        *("openstack", "image", "create", tag, "-f", "value", "-c", "id"),
        *("--file", str(image.folder() / f"{image.NAME}.qcow2")),
        *("--disk-format", "qcow2", "--public", "--tag", tag),
        *("--property", f"os_command_line={command_line}"),
    ]
    for name in ("kernel_id", "ramdisk_id", "hw_machine_type"):
        words += ["--property", f"{name}={known[name]}"]
    done = subprocess.run(
        shell.command_line(world.plane, words),
        env=dict(shell.environment(world.plane)),
        capture_output=True,
        text=True,
        timeout=_UPLOAD_SECONDS,
        check=True,
    )
    identifier = done.stdout.strip()
    try:
        yield identifier
    finally:
        world.admin.request(
            "DELETE", vm_survey.IMAGE, f"/v2/images/{identifier}"
        )


@contextlib.contextmanager
def doomed(world: World) -> collections.abc.Iterator[Balancer]:
    """A load balancer that cannot come up; nothing of it is left."""
    made = world.create(NAME, flavor=NAME)
    try:
        yield made
    finally:
        world.await_status(made.id, ("ERROR", "ACTIVE"), BOOT_SECONDS)
        world.delete(made.id)
        world.await_nothing_left(made)


def _await_given_up(
    world: World, made: Balancer, words: tuple[str, ...]
) -> None:
    reason = world.await_reason(made.id, words, BOOT_SECONDS)
    assert reason.count(" ") > 3, "it is a sentence"
    servers = looks.servers_made(world, made.before.things["Nova servers"])
    assert len(servers) <= SERVERS_AT_ONCE


def test_image_without_our_agent(world: World) -> None:
    """It boots, and nobody answers: given up after boot_timeout."""
    line = f"{image.COMMAND_LINE} systemd.mask=octavia-anycast-agent.service"
    with (
        looks.controller_with(world, SHORT),
        uploaded(world, MUTE_TAG, line),
        flavor(world, amp_image_tag=MUTE_TAG),
        doomed(world) as made,
    ):
        _await_given_up(world, made, ("its agent did not answer within",))


def test_flavor_too_small(world: World) -> None:
    with (
        looks.controller_with(world, SHORT),
        flavor(world, compute_flavor=vm_settings.SMALL_FLAVOR),
        doomed(world) as made,
    ):
        _await_given_up(world, made, ("its agent did not answer within",))


def test_no_valid_host(world: World) -> None:
    """No host has the memory that the flavor asks for."""
    with (
        huge_flavor(world) as identifier,
        flavor(world, compute_flavor=identifier),
        doomed(world) as made,
    ):
        _await_given_up(world, made, ("No valid host",))


@contextlib.contextmanager
def huge_flavor(world: World) -> collections.abc.Iterator[str]:
    """A flavor of Nova's with 40 GB of memory; its id."""
    body = {"name": NAME, "ram": 40_000, "vcpus": 1, "disk": 3}
    made = world.admin.request(
        "POST", guests.NOVA, "/v2.1/flavors", {"flavor": body}
    )
    identifier = str(made["flavor"]["id"])
    try:
        yield identifier
    finally:
        world.admin.request(
            "DELETE", guests.NOVA, f"/v2.1/flavors/{identifier}"
        )


def test_wrong_authority_in_the_config_drive(world: World) -> None:
    """The amphora trusts somebody else: it refuses the controller."""
    wrong = world.plane.config_dir / "pki" / "server-ca.pem"
    text = (
        f"[controller_worker]\nclient_ca = {wrong}\n"
        "[anycast]\nboot_timeout = 240\nerror_after = 60\n"
    )
    with (
        looks.controller_with(world, text),
        flavor(world, compute_flavor=vm_settings.FLAVOR),
        doomed(world) as made,
    ):
        _await_given_up(world, made, (REFUSED,))


def test_image_changed_by_its_tag(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """The next amphora has the new image; the others stay as they are."""
    old, other = amphorae
    tag = vm_settings.IMAGE_TAG
    path = f"/v2/images?tag={tag}"
    (known,) = world.admin.get(vm_survey.IMAGE, path)["images"]
    with uploaded(world, NEXT_TAG) as identifier:
        _move_tag(world, tag, known["id"], identifier)
        try:
            world.fail_over(old)
            world.await_replaced(pair, old, len(amphorae))
        finally:
            _move_tag(world, tag, identifier, known["id"])
        assert _images(world, pair) == {
            other.server_id: known["id"],
            **{
                a.server_id: identifier
                for a in world.amphorae(pair.id)
                if a.server_id != other.server_id
            },
        }
        # The image cannot be deleted while a server uses it.
        _replace_all_of(world, pair, identifier)


def _move_tag(world: World, tag: str, source: str, target: str) -> None:
    for method, one in (("PUT", target), ("DELETE", source)):
        world.admin.request(
            method, vm_survey.IMAGE, f"/v2/images/{one}/tags/{tag}"
        )


def _images(world: World, pair: Balancer) -> dict[str, str]:
    """Server -> its image."""
    return {
        a.server_id: world.server(a.server_id)["image"]["id"]
        for a in world.amphorae(pair.id)
    }


def _replace_all_of(world: World, pair: Balancer, identifier: str) -> None:
    found = _images(world, pair)
    for one in world.amphorae(pair.id):
        if found[one.server_id] == identifier:
            world.fail_over(one)
            world.await_replaced(pair, one, len(found))


@pytest.fixture(autouse=True)
def _no_earlier(world: World) -> None:
    """A run that was killed may have left it."""
    world.remove_earlier(NAME)
    for path, key in ((_FLAVORS, "flavors"), (_PROFILES, "flavorprofiles")):
        found = world.admin.get(rest.LOAD_BALANCER, f"{path}?name={NAME}")
        for one in found[key]:
            world.admin.request(
                "DELETE", rest.LOAD_BALANCER, f"{path}/{one['id']}"
            )
    process.wait_until(
        lambda: controller.pid_of(world.registry) is not None,
        60.0,
        "a controller",
    )
