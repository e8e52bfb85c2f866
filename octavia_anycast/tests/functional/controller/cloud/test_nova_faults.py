# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults of compute and image service, through Octavia's own drivers.

Octavia's ``compute_nova_driver`` and ``image_glance_driver`` with novaclient
and glanceclient, against both services over HTTP. Each fault: the service's
own sentence is in the cluster's reason, few servers are ordered, none is left,
the load balancer can be deleted, and it heals by itself.
"""

import pytest
from octavia.common import clients
from oslo_config import cfg
from oslo_config import fixture as config_fixture

from octavia_anycast import options
from octavia_anycast.octavia_adapter.cloud.answer_limit import (
    ANSWER_SECONDS,
    limit_answers,
)
from octavia_anycast.octavia_adapter.cloud.compute import Compute
from octavia_anycast.planning.amphora.assessment import STOPPED_SHARE
from octavia_anycast.testing.controller_process import ControllerProcess
from octavia_anycast.testing.fakes.fake_nova import (
    MANAGEMENT_NETWORK,
    FakeNova,
    Fault,
)
from octavia_anycast.tests.functional.controller.looks import (
    cluster,
    fail_over,
    look,
    status,
)

SERVERS = "/v2.1/servers$"
ONE = "/v2.1/servers/[^/]+$"
IMAGES = "/v2/images$"
QUOTA = "Quota exceeded for instances: Requested 1, but already used 10 of 10"
NO_HOST = "No valid host was found. There are not enough hosts available."
NO_ADDRESS = (
    "Build of instance aborted: Failed to allocate the network(s) with error "
    "No fixed IP addresses available for network: net-management"
)
# Boots of the first hour, by the default back-off, for two amphorae.
BOOTS_MAX = 20
HOUR = 3600


@pytest.fixture
def nova(stage):
    """The services; the stage's controller asks them."""
    made = FakeNova(
        stage.cloud, lambda i: stage.controller.files.first_states[i]
    )
    with made, config_fixture.Config(cfg.CONF) as conf:
        configure(conf, made.url)
        start_controller(stage)
        yield made
    clients.NovaAuth.nova_client = clients.GlanceAuth.glance_client = None


def start_controller(stage):
    """A controller with Octavia's clients, as they are configured now."""
    clients.NovaAuth.nova_client = clients.GlanceAuth.glance_client = None
    stage.controller.stop()
    stage.controller = ControllerProcess(
        stage.cloud, options.read(cfg.CONF), compute=Compute()
    )


def configure(conf, url):
    """What octavia.conf says of the services."""
    conf.config(
        group="controller_worker",
        compute_driver="compute_nova_driver",
        image_driver="image_glance_driver",
        volume_driver="volume_noop_driver",
        amp_boot_network_list=[MANAGEMENT_NETWORK],
        amp_flavor_id="small",
        amp_image_tag="amphora",
    )
    conf.config(
        group="nova", endpoint=f"{url}/v2.1", enable_anti_affinity=True
    )
    conf.config(group="glance", endpoint=url)
    conf.config(group="service_auth", auth_type="none")


def answers(status, sentence, path=SERVERS, method="POST"):
    """A call is answered with an error."""

    def begin(nova):
        nova.faults.append(
            Fault(method=method, path=path, status=status, sentence=sentence)
        )

    return begin


def is_not_built(sentence):
    """Servers are taken, and go to ERROR."""

    def begin(nova):
        nova.fault = sentence

    return begin


def no_image(nova):
    nova.images.clear()


def heal(nova):
    nova.faults.clear()
    nova.fault = ""
    nova.images[:] = ["image"]


BOOT_FAULTS = {
    # what is wrong, what the reason says, and whether it is a refusal
    "500": (answers(500, "Unexpected API Error."), "Unexpected API", False),
    "503": (answers(503, "Service Unavailable"), "Service Unavai", False),
    "quota": (answers(403, QUOTA), QUOTA, True),
    "flavor": (
        answers(404, "Flavor small could not be found."),
        "Flavor small could not be found",
        True,
    ),
    "no-host": (is_not_built(NO_HOST), NO_HOST.removesuffix("."), True),
    "no-address": (is_not_built(NO_ADDRESS), "No fixed IP addresses", True),
    "address-409": (
        answers(409, "No more IP addresses available on network net-1."),
        "No more IP addresses available",
        False,
    ),
    "image-tag": (no_image, "amphora tag", True),
    "glance": (
        answers(503, "Service Unavailable", IMAGES, "GET"),
        "HTTP 503",
        False,
    ),
}


@pytest.mark.parametrize("name", BOOT_FAULTS)
def test_boots_that_fail(nova, stage, name):
    begin, sentence, is_refused = BOOT_FAULTS[name]
    begin(nova)

    took = look(stage, 120, "ERROR")

    assert took <= (60 if is_refused else 90), cluster(stage)
    assert sentence in cluster(stage).reason
    for _ in range(HOUR // 60):
        stage.controller.reconcile(stage.load_balancer_id)
        stage.cloud.pass_time(60)
    assert sentence in cluster(stage).reason
    assert nova.count("POST", SERVERS) <= BOOTS_MAX
    assert len(stage.cloud.machines) <= 1, "the one that is tried now"
    heal(nova)
    look(stage, 400, "ACTIVE")
    stage.run(400)
    assert status(stage) == "ACTIVE"
    assert len(stage.cloud.machines) == 2
    assert sentence not in cluster(stage).reason


@pytest.mark.parametrize("name", ["503", "quota", "no-host", "glance"])
def test_one_that_cannot_boot_is_deleted_and_leaves_nothing(nova, stage, name):
    BOOT_FAULTS[name][0](nova)
    look(stage, 120, "ERROR")

    stage.delete()
    look(stage, 60, "DELETED")

    assert status(stage) == "DELETED"
    assert stage.cloud.machines == {}
    assert stage.cloud.ports == {}
    assert nova.groups == {}


@pytest.mark.parametrize("code", [500, 503])
def test_a_server_group_that_is_not_made(nova, stage, code):
    answers(code, "Nova is not well", "/os-server-groups$")(nova)

    took = look(stage, 120, "ERROR")

    assert took <= 90, cluster(stage)
    assert "Nova is not well" in cluster(stage).reason
    assert nova.built == []
    heal(nova)
    look(stage, 400, "ACTIVE")
    assert status(stage) == "ACTIVE"


@pytest.fixture
def serving(nova, stage):
    """Two amphorae that announce."""
    stage.run()
    stage.add_listener()
    stage.run()
    nova.requests.clear()
    return stage


def first_of(stage):
    return stage.cloud.of(stage.load_balancer_id)[0]


def sweep(stage):
    """Look for what has lost its owner, after it may be removed."""
    stage.cloud.pass_time(cfg.CONF.anycast.orphan_after + 1)
    stage.controller.sweep.run()


def test_a_server_deleted_behind_our_back_is_replaced(nova, serving):
    gone = first_of(serving)
    del serving.cloud.machines[gone.server_id]

    serving.run()

    assert gone.server_id not in serving.cloud.machines
    assert len(serving.cloud.announcers(serving.load_balancer_id)) == 2
    # Octavia's driver would have asked 15 times, a second apart.
    path = f"/v2.1/servers/{gone.server_id}$"
    assert nova.count("GET", path) == 1
    assert len(nova.built) == 3


@pytest.mark.parametrize("word", ["SHUTOFF", "SHELVED_OFFLOADED", "PAUSED"])
def test_a_server_that_was_stopped_is_replaced_and_deleted(
    nova, serving, word
):
    lost = first_of(serving)
    lost.is_reachable = lost.has_power = False
    nova.statuses[lost.server_id] = word
    serving.cloud.pass_time(cfg.CONF.anycast.dead_after + 1)

    serving.run(120)

    assert lost.server_id not in serving.cloud.machines
    assert len(serving.cloud.announcers(serving.load_balancer_id)) == 2
    assert len(nova.built) == 3
    assert lost.amphora_id not in cluster(serving).reason


def test_a_server_that_nova_says_is_stopped_is_replaced_sooner(nova, serving):
    """It is no network that keeps its heartbeats back."""
    lost, kept = serving.cloud.of(serving.load_balancer_id)
    for machine, word in ((lost, "SHUTOFF"), (kept, "ACTIVE")):
        nova.statuses[machine.server_id] = word
    lost.is_reachable = lost.has_power = False
    share = cfg.CONF.anycast.dead_after / STOPPED_SHARE
    serving.cloud.pass_time(share - 1)
    serving.controller.reconcile(serving.load_balancer_id)
    assert len(nova.built) == 2
    serving.cloud.pass_time(2)
    serving.controller.reconcile(serving.load_balancer_id)
    assert len(nova.built) == 3


def test_a_stopped_server_goes_when_its_replacement_announces(nova, serving):
    """Nova takes the deletion and carries it out later, or does not."""
    nova.deletes_slowly = True
    lost = first_of(serving)
    lost.is_reachable = lost.has_power = False
    fail_over(serving)
    serving.cloud.pass_time(cfg.CONF.anycast.dead_after + 1)

    look(serving, 240, "ACTIVE")

    assert status(serving) == "ACTIVE"
    assert lost.amphora_id not in cluster(serving).reason
    assert lost.server_id in nova.deleting
    # Nova forgot it: the server runs again, and is nobody's any more.
    nova.deleting.discard(lost.server_id)
    lost.is_reachable = lost.has_power = True
    nova.deletes_slowly = False
    sweep(serving)
    assert lost.server_id not in serving.cloud.machines


def test_nova_that_does_not_answer_is_no_lost_server(nova, serving):
    for machine in serving.cloud.of(serving.load_balancer_id):
        machine.is_reachable = False
    answers(503, "Service Unavailable", "/servers", "GET")(nova)
    answers(503, "Service Unavailable")(nova)
    serving.cloud.pass_time(cfg.CONF.anycast.dead_after + 1)

    look(serving, 60)

    assert len(serving.cloud.of(serving.load_balancer_id)) == 2
    assert "Service Unavailable" in cluster(serving).reason
    assert nova.count("DELETE", ONE) == 0
    nova.faults.clear()
    look(serving, 240)
    serving.run(240)
    assert len(serving.cloud.machines) == 2
    assert len(serving.cloud.announcers(serving.load_balancer_id)) == 2


def test_nova_that_never_answers_holds_nobody_for_ever(nova, serving):
    with config_fixture.Config(cfg.CONF) as conf:
        conf.config(group="service_auth", timeout=1)
        start_controller(serving)
    lost = first_of(serving)
    del serving.cloud.machines[lost.server_id]
    nova.is_hanging = True

    serving.controller.reconcile(serving.load_balancer_id)
    serving.cloud.pass_time(cfg.CONF.anycast.dead_after + 1)
    look(serving, 10)

    assert "timed out" in cluster(serving).reason
    nova.is_hanging = False
    nova.released.set()
    serving.run(400)
    assert len(serving.cloud.announcers(serving.load_balancer_id)) == 2


def test_answers_have_a_limit_unless_the_operator_sets_one(nova):
    try:
        with config_fixture.Config(cfg.CONF) as conf:
            conf.config(group="neutron", timeout=7)
            limit_answers(cfg.CONF)
            assert cfg.CONF.neutron.timeout == 7
            assert cfg.CONF.service_auth.timeout == ANSWER_SECONDS
    finally:
        for section in ("service_auth", "neutron"):
            cfg.CONF.clear_default("timeout", group=section)


def test_a_deletion_that_nova_refuses_is_tried_again(nova, serving):
    answers(500, "Unexpected API Error.", ONE, "DELETE")(nova)
    serving.delete()
    look(serving, 60)
    assert status(serving) == "PENDING_DELETE"
    assert "Unexpected API Error (HTTP 500)" in cluster(serving).reason
    nova.faults.clear()
    look(serving, 60, "DELETED")
    assert status(serving) == "DELETED"
    assert serving.cloud.machines == {}
