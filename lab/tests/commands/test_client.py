# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The client: every command of the plug-in, typed in the real lab.

Real Keystone, Neutron and API; what a change does is read off the leaf's own
routes. The tests are one story and run in their order.
"""

import contextlib
import dataclasses
import importlib.metadata
import ipaddress
import json
import subprocess
import typing

import pytest
import sdk as lab_sdk
from loaded_client import COMMAND_SECONDS, LoadedClient
from octavia_anycast_client import sdk
from octavia_anycast_lab import deployment, settings, shell
from octavia_anycast_lab.api import seed
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process
from openstack import exceptions

pytestmark = pytest.mark.lab

FABRIC = "client-fabric"
RENAMED = "client-edge"
PEER = "client-leaf"
SECOND_PEER = "client-v6"
ANNOUNCER = "client-announcer"
BALANCER = "client-web"
OURS = "octavia_anycast_client."
GROUPS = ("openstack.load_balancer.v2", "openstack.extension")
LEAF = settings.RACK_LEAVES[0]
MED = 77
ROTATED_SECONDS = 120.0
ANNOUNCED_SECONDS = 120.0
# Far from where Neutron begins to allocate.
EXTERNAL_VIP = "198.51.100.249"


@dataclasses.dataclass(frozen=True, slots=True)
class Client:
    """``openstack``, as somebody; it keeps which commands were run."""

    plane: deployment.Deployment
    loaded: LoadedClient
    used: set[str] = dataclasses.field(default_factory=set)

    def run(
        self,
        words: str,
        *more: str,
        cloud: str = "admin",
        code: int = 0,
        stdin: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """``openstack loadbalancer WORDS MORE``; has to end with a code."""
        argv = ["openstack", "loadbalancer", *words.split(), *more]
        if stdin:
            done = self._asked(argv, cloud, stdin)
        else:
            done = self.loaded.run(argv[1:], cloud)
        assert done.returncode == code, done.stdout + done.stderr
        if code == 0:
            self.used.update(n for n in commands() if is_of(n, argv))
        return done

    def _asked(
        self, argv: list[str], cloud: str, stdin: str
    ) -> subprocess.CompletedProcess[str]:
        """The client itself, which asks for a password."""
        return subprocess.run(
            shell.command_line(self.plane, argv),
            env={**shell.environment(self.plane), "OS_CLOUD": cloud},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def ask(self, words: str, *more: str, cloud: str = "admin") -> typing.Any:
        """What a command prints."""
        done = self.run(words, *more, "-f", "json", cloud=cloud)
        return json.loads(done.stdout)


def commands() -> dict[str, str]:
    """The commands of the plug-in, by their words."""
    return {
        point.name.replace("_", " "): point.value
        for group in GROUPS
        for point in importlib.metadata.entry_points(group=group)
        if point.value.startswith(OURS)
    }


def is_of(name: str, argv: list[str]) -> bool:
    """Whether a command line is one of that command."""
    words = name.split()
    return argv[1 : 1 + len(words)] == words


@pytest.fixture(scope="module")
def client(cloud, openstack):
    """The client; what it made is removed at the end, also after failures."""
    balancing = sdk.add_to(lab_sdk.connect(cloud, "admin")).load_balancer
    _remove(balancing)
    yield Client(cloud, openstack)
    _remove(balancing)


def _remove(balancing: sdk.Proxy) -> None:
    """Remove what a run has left, by the calls that the commands use."""
    for balancer in balancing.load_balancers(name=BALANCER):
        balancing.delete_load_balancer(balancer, cascade=True)
        balancing.wait_for_delete(balancer)
    for name in (FABRIC, RENAMED, ANNOUNCER):
        for distributor in balancing.distributors(name=name):
            with contextlib.suppress(exceptions.ResourceFailure):
                balancing.wait_for_distributor(distributor)
            for one in balancing.amphora_registrations(distributor):
                balancing.unregister_amphora(distributor, one)
            balancing.delete_distributor(distributor)
            balancing.wait_for_no_distributor(distributor)
    for name in (PEER, SECOND_PEER):
        for peer in balancing.bgp_peers(name=name):
            balancing.delete_bgp_peer(peer)


@pytest.fixture(scope="module")
def peer(client):
    """A BGP peer profile of the leaf of the first rack."""
    done = client.run(
        f"bgp peer create --name {PEER} --peer-ip {LEAF.mgmt.ip}",
        *("--remote-as", str(LEAF.asn), "--password-file", "-"),
        *("--ttl-hops", str(settings.BGP_TTL_HOPS)),
        *("--hold-time", str(settings.HOLD_TIME_SECONDS)),
        *("--keepalive-interval", str(settings.KEEPALIVE_SECONDS)),
        *("--availability-zone", str(LEAF.rack), "-f", "json"),
        stdin=f"{settings.BGP_PASSWORD}\n",
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def distributor(client, peer):
    """A distributor with that peer and that rack, its networks by name."""
    network = seed.front_end_network(str(LEAF.rack))
    return client.ask(
        f"distributor create --name {FABRIC} --description made-by-hand",
        "--speaker",
        f"ip-version=4,local-as={settings.AMPHORA_AS},peer={PEER}",
        "--zone",
        f"availability-zone={LEAF.rack},network={network},"
        f"subnet={network}-v4,subnet={network}-v6",
        "--wait",
    )


@pytest.fixture(scope="module")
def balancer(client, distributor):
    """A tenant's load balancer with its own front end, and a listener.

    Without one there is nothing to announce.
    """
    network = seed.front_end_network(str(LEAF.rack))
    made = client.ask(
        f"create --name {BALANCER} --flavor cluster-1",
        *("--vip-subnet-id", "anycast-v4", "--distributor", FABRIC),
        *("--frontend-network-id", network),
        *("--frontend-subnet-id", f"{network}-v4", "--wait"),
        cloud="demo",
    )
    client.run(
        "listener create --protocol HTTP --protocol-port 80 --wait",
        BALANCER,
        cloud="demo",
    )
    return made


def meds(client: Client, vip: str) -> set[int | None]:
    """The MED of each amphora's path that the leaf has; empty without any."""
    paths = observe.amphora_paths(client.plane.lab, f"{vip}/32")
    return {path.med for path in paths}


def test_peer_and_distributor_by_name_and_id(client, peer, distributor):
    assert distributor["provisioning_status"] == "ACTIVE"
    for named in (FABRIC, distributor["id"]):
        shown = client.ask("distributor show", named)
        assert shown["id"] == distributor["id"]
        (speaker,) = shown["speakers"]
        assert [p["id"] for p in speaker["peers"]] == [peer["id"]]
        (zone,) = shown["zones"]
        assert len(zone["frontend_subnet_ids"]) == 2
    for named in (PEER, peer["id"]):
        shown = client.ask("bgp peer show", named)
        assert shown["id"] == peer["id"]
        assert shown["auth_type"] == "md5"
    assert settings.BGP_PASSWORD not in json.dumps([peer, shown])


def test_lists(client, peer, distributor):
    (found,) = client.ask("distributor list --name", FABRIC)
    assert found["id"] == distributor["id"]
    (found,) = client.ask("bgp peer list --name", PEER)
    assert found["id"] == peer["id"]
    (found,) = client.ask("bgp speaker list --distributor", FABRIC)
    shown = client.ask(f"bgp speaker show {FABRIC}/4")
    assert shown["id"] == found["id"]
    assert shown["local_as"] == settings.AMPHORA_AS


def test_a_load_balancer_with_its_own_front_end(client, distributor, balancer):
    assert balancer["provisioning_status"] == "ACTIVE"
    assert balancer["distributor_id"] == distributor["id"]
    assert client.ask("event list", BALANCER, cloud="demo")
    client.ask("distributor event list", FABRIC)
    shown = client.ask("show", BALANCER, cloud="demo")
    for name in ("frontend_network_id", "frontend_subnet_id"):
        assert shown[name] == balancer[name] is not None
    found = client.ask("list --distributor", FABRIC, cloud="demo")
    assert [lb["id"] for lb in found] == [balancer["id"]]
    vip = ipaddress.ip_network(balancer["vip_address"])
    process.wait_until(
        lambda: observe.announcers(client.plane.lab, str(vip)),
        ANNOUNCED_SECONDS,
        "the leaf has a route to the VIP",
    )
    (hop,) = observe.announcers(client.plane.lab, str(vip))
    assert hop in LEAF.gateway_v4.network


def test_paths_are_what_the_leaf_has(client, peer, balancer):
    prefix = f"{balancer['vip_address']}/32"

    def advertised():
        return client.ask(
            f"distributor path list {FABRIC} --peer {PEER}",
            *("--state", "advertised", "--load-balancer", BALANCER),
        )

    process.wait_until(advertised, 30.0, "the path is reported", 1.0)
    (path,) = advertised()
    assert path["prefix"] == prefix
    assert path["session_state"] == "Established"
    assert path["peer_name"] == PEER
    hops = observe.announcers(client.plane.lab, prefix)
    assert {ipaddress.ip_address(path["next_hop"])} == hops


def test_the_doctor_finds_nothing_wrong(client, distributor, balancer):
    """Who does not know is silent, too: the sessions have to be known."""
    rows = []

    def is_well():
        rows[:] = client.ask("distributor check --all --long", FABRIC)
        wrong = {"error", "warning"} & {row["severity"] for row in rows}
        well = {row["check"] for row in rows if row["severity"] == "ok"}
        return not wrong and "bgp-sessions" in well

    try:
        process.wait_until(is_well, 60.0, "a silent doctor", 1.0)
    except TimeoutError as error:
        raise AssertionError(f"the doctor says {rows}") from error
    assert {row["distributor_id"] for row in rows} <= {distributor["id"], None}
    words = ["loadbalancer", "distributor", "check", distributor["id"]]
    done = client.loaded.run([*words, "-f", "json"], "admin")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_the_cluster_as_tenant_and_operator(client, distributor, balancer):
    seen = client.ask("cluster show", BALANCER, cloud="demo")
    assert seen["load_balancer_id"] == balancer["id"]
    assert seen["distributor_id"] == distributor["id"]
    assert (seen["desired_size"], seen["amphora_count"]) == (1, 1)
    assert seen["amphorae"] is None
    (amphora,) = client.ask("cluster show", balancer["id"])["amphorae"]
    assert amphora["availability_zone"] == LEAF.rack


def test_a_changed_peer_is_at_the_leaf_when_wait_comes_back(client, balancer):
    vip = balancer["vip_address"]
    before = meds(client, vip)
    assert len(before) == 1
    assert MED not in before
    client.run(f"bgp peer set {PEER} --med {MED} --wait")
    process.wait_until(
        lambda: meds(client, vip) == {MED}, 10.0, "the leaf has the MED"
    )
    client.run(f"bgp peer unset {PEER} --med --wait")
    process.wait_until(
        lambda: meds(client, vip) == before, 10.0, "the MED is gone"
    )


def test_a_second_speaker_comes_and_goes(client, balancer):
    client.run(
        f"bgp peer create --name {SECOND_PEER} --peer-ip 2001:db8::1",
        *("--remote-as", "65001"),
    )
    made = client.ask(
        f"bgp speaker create --distributor {FABRIC} --ip-version 6",
        *("--local-as", str(settings.AMPHORA_AS), "--wait"),
    )
    client.run(f"bgp speaker add peer {FABRIC}/6 {SECOND_PEER} --wait")
    shown = client.ask("bgp speaker show", made["id"])
    assert len(shown["peers"]) == 1
    client.run(f"bgp speaker set {made['id']} --local-as 65500 --wait")
    assert client.ask(f"bgp speaker show {FABRIC}/6")["local_as"] == 65500
    client.run(f"bgp speaker remove peer {made['id']} {SECOND_PEER} --wait")
    client.run(f"bgp speaker delete {FABRIC}/6 --wait")
    client.run(f"bgp peer delete {SECOND_PEER}")
    assert meds(client, balancer["vip_address"])


def test_a_distributor_is_changed(client, balancer):
    client.run(f"distributor set {FABRIC} --name {RENAMED} --wait")
    client.run(f"distributor unset {RENAMED} --description --wait")
    shown = client.ask("distributor show", RENAMED)
    assert shown["description"] == ""
    assert shown["load_balancer_count"] == 1
    assert meds(client, balancer["vip_address"])


def test_a_cluster_grows_and_one_amphora_of_it_drains(client, balancer):
    vip = f"{balancer['vip_address']}/32"

    def announcers():
        return observe.announcers(client.plane.lab, vip)

    client.run(
        f"cluster set {BALANCER} --desired-size 2 --cooldown 5 --wait",
        cloud="demo",
    )
    shown = client.ask("cluster show", BALANCER)
    assert (shown["desired_size"], shown["cooldown"]) == (2, 5)
    process.wait_until(
        lambda: len(announcers()) == 2, 30.0, "the leaf has both"
    )
    first, second = shown["amphorae"]
    drained = client.ask(f"amphora drain {first['id']} --timeout 5 --wait")
    assert drained["state"] == "DRAINED"
    process.wait_until(
        lambda: announcers() == {ipaddress.ip_address(second["frontend_ip"])},
        30.0,
        "the leaf has the other one",
    )
    done = client.run(f"amphora drain {second['id']}", code=1)
    assert "(HTTP 409)" in done.stderr
    assert client.ask("amphora drain show", first["id"])["state"] == "DRAINED"
    client.run("amphora undrain", first["id"])
    process.wait_until(
        lambda: len(announcers()) == 2, 60.0, "the leaf has both again"
    )
    drained_with_its_peer(client, first["id"])
    process.wait_until(
        lambda: len(announcers()) == 2, 60.0, "the leaf has both once more"
    )
    client.run(f"cluster unset {BALANCER} --cooldown --wait", cloud="demo")
    client.run(f"cluster set {BALANCER} --desired-size 1 --wait", cloud="demo")
    process.wait_until(
        lambda: len(announcers()) == 1, 60.0, "the leaf has one"
    )


def drained_with_its_peer(client, amphora_id):
    """Both have that peer: neither can be missed, and both stay."""
    done = client.run("zone drain rack9 --for 2h", code=1)
    assert "there is no availability zone rack9" in done.stderr
    done = client.run("zone drain rack1 --until 2020-01-01T00:00:00", code=1)
    assert "is past" in done.stderr
    made = client.ask(
        f"zone drain --peer {PEER} --for 1h --timeout 5 --force",
        *("--why", "a look at the leaf"),
    )
    assert made["reason"] == "a look at the leaf"

    def is_counted():
        shown = client.ask("zone show", made["id"])
        return shown["amphora_count"] >= 1

    process.wait_until(is_counted, 30.0, "amphorae that are to drain")
    shown = client.ask("amphora drain show", amphora_id)
    assert shown["state"] != "NONE"
    (listed,) = [
        one for one in client.ask("zone list") if one["id"] == made["id"]
    ]
    assert listed["state"] in ("DRAINING", "DRAINED")
    client.run("zone end", made["id"])

    def has_ended():
        return client.ask("zone show", made["id"])["state"] == "ENDED"

    process.wait_until(has_ended, 30.0, "the end of the zone drain")


def test_the_fleet_is_not_changed_by_halves(client, balancer):
    """Each command; ``lab/tests/fleet`` has a whole change."""
    before = client.ask("fleet show")
    assert sum(one["amphora_count"] for one in before["images"]) >= 1
    made = client.ask("fleet upgrade --canaries 0 --parallel 1")
    assert made["kind"] == "image"
    assert client.ask("fleet pause")["state"] == "PAUSED"
    assert client.ask("fleet resume")["state"] == "RUNNING"
    assert client.ask("fleet abort", made["id"])["state"] == "ABORTED"
    made = client.ask("fleet rotate")
    assert made["kind"] == "certificate"
    # The one that took the aborted change's place may still boot, or leave.
    process.wait_until(
        lambda: client.ask("fleet show")["state"] != "RUNNING",
        ROTATED_SECONDS,
        "new certificates of all agents",
    )
    shown = client.ask("fleet show")
    assert shown["state"] == "DONE", shown["reason"]
    done = client.run("fleet replace --host nowhere", code=1)
    assert "(HTTP 400)" in done.stderr
    host, *_ = database.query(
        client.plane,
        "octavia",
        "SELECT compute_host FROM anycast_amphora WHERE status = 'ALLOCATED'"
        f" AND load_balancer_id = '{balancer['id']}'"
        " AND leaving_since IS NULL",
    ).split()
    made = client.ask(f"fleet replace --host {host} --canaries 0")
    assert made["compute_host"] == host
    client.ask("fleet abort", made["id"])
    client.run(f"cluster set {BALANCER} --desired-size 1 --wait", cloud="demo")


def test_an_external_vip_comes_and_goes(client, balancer):
    hop = LEAF.gateway_v4.ip + 77
    client.run(f"distributor set {RENAMED} --dedicated-count 1 --wait")
    client.run(
        f"distributor vip register {RENAMED} --vip-address {EXTERNAL_VIP}",
        *("--next-hop", str(hop)),
    )
    (listed,) = client.ask(f"distributor vip list {RENAMED}")
    process.wait_until(
        lambda: (
            observe.announcers(client.plane.lab, f"{EXTERNAL_VIP}/32") == {hop}
        ),
        ANNOUNCED_SECONDS,
        "the leaf has a path to the external VIP",
    )
    shown = client.ask(f"distributor vip show {RENAMED} {EXTERNAL_VIP}")
    assert shown["id"] == listed["id"]
    assert shown["next_hop"] == str(hop)
    client.run(f"distributor vip unregister {RENAMED} {EXTERNAL_VIP}")
    process.wait_until(
        lambda: not observe.announcers(client.plane.lab, f"{EXTERNAL_VIP}/32"),
        30.0,
        "the leaf has none",
    )
    client.run(f"distributor set {RENAMED} --dedicated-count 0 --wait")


def test_amphorae_are_registered_with_another_distributor(client, balancer):
    network = seed.front_end_network(str(LEAF.rack))
    client.run(
        f"distributor create --name {ANNOUNCER} --dedicated-count 1",
        "--speaker",
        f"ip-version=4,local-as={settings.AMPHORA_AS},peer={PEER},driver=bird",
        "--zone",
        f"availability-zone={LEAF.rack},network={network},"
        f"subnet={network}-v4,subnet={network}-v6",
        "--wait",
    )
    words = "distributor amphora"
    made = client.ask(f"{words} register {ANNOUNCER} {BALANCER}")
    (listed,) = client.ask(f"{words} list {ANNOUNCER}")
    assert listed["id"] == made["id"]

    def states():
        shown = client.ask(f"{words} show {ANNOUNCER} {made['id']}")
        return {path["state"] for path in shown["paths"]}

    process.wait_until(
        lambda: states() == {"advertised"}, ANNOUNCED_SECONDS, "announced"
    )
    drained = client.ask(f"{words} drain {ANNOUNCER} {made['id']} --timeout 5")
    assert drained["draining"]
    process.wait_until(
        lambda: states() == {"withdrawn"}, 60.0, "drained and withdrawn"
    )
    # It announces itself still.
    assert observe.announcers(
        client.plane.lab, f"{balancer['vip_address']}/32"
    )
    client.run(f"{words} undrain {ANNOUNCER} {made['id']}")
    process.wait_until(
        lambda: states() == {"advertised"}, 60.0, "announced again"
    )
    client.run(f"{words} unregister {ANNOUNCER} {made['id']}")
    assert client.ask(f"{words} list {ANNOUNCER}") == []
    client.run(f"distributor delete {ANNOUNCER} --wait")


def test_refusals_are_a_sentence_and_a_status(client, peer, balancer):
    done = client.run(f"distributor delete {RENAMED}", code=1)
    assert "1 load balancer(s) use it" in done.stderr
    assert "(HTTP 409) (Request-ID: req-" in done.stderr
    done = client.run(f"bgp peer delete {PEER}", code=1)
    assert "(HTTP 409)" in done.stderr
    done = client.run("distributor show nobody", code=1)
    assert done.stderr.strip() == "No distributor found for nobody"
    done = client.run("bgp peer list", cloud="demo", code=1)
    assert "(HTTP 403)" in done.stderr
    assert str(LEAF.mgmt.ip) not in done.stderr
    done = client.run("distributor create --name mine", cloud="demo", code=1)
    assert "(HTTP 403)" in done.stderr
    done = client.run(
        f"create --name {BALANCER}-2 --vip-subnet-id anycast-v4",
        *("--frontend-network-id", "nowhere"),
        cloud="demo",
        code=1,
    )
    assert done.stderr.strip() == "No network found for nowhere"


def test_all_is_deleted_and_every_command_was_run(client, balancer):
    client.run(f"delete --cascade --wait {BALANCER}", cloud="demo")
    client.run(f"distributor delete {RENAMED} --cascade --wait")
    assert client.ask("bgp peer list --name", PEER) == []
    client.run("distributor show", RENAMED, code=1)
    assert client.used == set(commands())
