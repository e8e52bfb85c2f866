# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers of the provider ``anycast`` in the real lab, for the tests.

Everything is done through Octavia's API as a tenant (openstacksdk), and
everything is looked at from outside: the leaves' routes, packets of the
client, the hypervisor, Neutron, the tables.
"""

import dataclasses
import ipaddress
import json
import pathlib
import subprocess
import sys
import typing

import asker
import loaded_client
import sdk
from octavia_anycast_lab import deployment, settings, shell
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.amphora import cluster, hypervisor
from octavia_anycast_lab.api import balancers, distributors, rest
from octavia_anycast_lab.cloud import database, survey
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import cgroup, netns, process

HERE = pathlib.Path(__file__).parent
ACTIVE_SECONDS = 180.0
GONE_SECONDS = 120.0
CONVERGED_SECONDS = 180.0
BgpSession = tuple[int, int] | None
MEMBERS = frozenset(member.name for member in settings.MEMBERS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Balancer(balancers.Balancer):
    """And how many amphorae it has."""

    size: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Amphora:
    """An amphora as our table and the hypervisor know it."""

    id: str
    management: settings.Address
    seen: cluster.Amphora

    @property
    def instance_id(self) -> str:
        """The instance."""
        return self.seen.instance.id

    @property
    def leaf(self) -> settings.Leaf:
        """The leaf of its rack."""
        return settings.rack_leaf(self.seen.rack)


def _balancer(
    made: typing.Any, name: str, size: int, before: survey.Survey
) -> Balancer:
    """Out of what the API answered, as openstacksdk or as JSON."""
    others = [vip["ip_address"] for vip in made["additional_vips"]]
    return Balancer(
        id=made["id"],
        name=name,
        vips=tuple(map(ipaddress.ip_address, (made["vip_address"], *others))),
        size=size,
        before=before,
    )


class Bench:
    """The cloud with a distributor."""

    def __init__(
        self,
        plane: deployment.Deployment,
        client: loaded_client.LoadedClient,
    ) -> None:
        self.plane = plane
        self.client = client
        self.lab = plane.lab
        self.registry = registry_lib.Registry(plane.lab.run_dir)
        self.machines = hypervisor.Hypervisor(plane.lab)
        self._planner: subprocess.Popen[str] | None = None
        self.admin = rest.Api(plane=plane)
        self.connection = sdk.connect(plane, "demo")
        self.operator = sdk.connect(plane, "admin").load_balancer
        self.octavia = self.connection.load_balancer
        self.subnets = sdk.subnet_ids(self.connection)

    def connection_as(self, cloud: str) -> typing.Any:
        """A connection of another user of clouds.yaml."""
        return sdk.connect(self.plane, cloud)

    # -- the API -----------------------------------------------------------

    def create(
        self, name: str, size: int, **attributes: typing.Any
    ) -> Balancer:
        """Ask for a dual-stack load balancer; does not wait."""
        distributors.ensure(self.admin)
        before = survey.take(self.plane, self.admin)
        if "flavor_id" not in attributes:
            attributes["flavor_id"] = self.flavor_id(size)
        made = self.octavia.create_load_balancer(
            name=name,
            vip_subnet_id=self.subnets["anycast-v4"],
            additional_vips=[{"subnet_id": self.subnets["anycast-v6"]}],
            **attributes,
        )
        return _balancer(made, name, size, before)

    def create_on(self, distributor_id: str, name: str, size: int) -> Balancer:
        """The same on another distributor, which openstacksdk cannot name."""
        before = survey.take(self.plane, self.admin)
        body = {
            "name": name,
            "vip_subnet_id": self.subnets["anycast-v4"],
            "additional_vips": [{"subnet_id": self.subnets["anycast-v6"]}],
            "flavor_id": self.flavor_id(size),
            "distributor_id": distributor_id,
            "listeners": [web_listener(self)],
        }
        answer = self.octavia.post(
            "/lbaas/loadbalancers", json={"loadbalancer": body}
        )
        assert answer.status_code == 201, answer.text
        return _balancer(answer.json()["loadbalancer"], name, size, before)

    def flavor_id(self, size: int) -> str:
        """The flavor of clusters of that size."""
        return str(self.octavia.find_flavor(f"cluster-{size}").id)

    def remove_earlier(self, name: str) -> None:
        """Remove the load balancer that a run before this one has left."""
        found = self.octavia.find_load_balancer(name)
        if found is not None:
            self.await_settled(found.id)
            self.octavia.delete_load_balancer(found.id, cascade=True)
            self.await_gone(found.id)

    def await_active(self, balancer_id: str) -> None:
        """Wait until changes are made."""
        process.wait_until(
            lambda: self.provisioning(balancer_id) == "ACTIVE",
            ACTIVE_SECONDS,
            f"load balancer {balancer_id} ACTIVE",
        )

    def await_settled(self, balancer_id: str) -> None:
        """Wait until it may be deleted."""
        process.wait_until(
            lambda: self.provisioning(balancer_id) in ("ACTIVE", "ERROR"),
            ACTIVE_SECONDS,
            f"load balancer {balancer_id} not PENDING_*",
        )

    def provisioning(self, balancer_id: str) -> str:
        """The provisioning status, from the API."""
        found = self.octavia.get_load_balancer(balancer_id)
        return str(found.provisioning_status)

    def operating(self, balancer_id: str) -> str:
        """The operating status, from the API."""
        found = self.octavia.get_load_balancer(balancer_id)
        return str(found.operating_status)

    def await_gone(self, balancer_id: str) -> None:
        """Wait until the API does not know it any more."""
        process.wait_until(
            lambda: not list(self.octavia.load_balancers(id=balancer_id)),
            GONE_SECONDS,
            f"load balancer {balancer_id} gone",
        )

    # -- the cluster -------------------------------------------------------

    def amphorae(self, balancer: Balancer) -> tuple[Amphora, ...]:
        """Amphorae of a load balancer which have power, by rack."""
        rows = database.query(
            self.plane,
            "octavia",
            "SELECT id, compute_id, lb_network_ip FROM anycast_amphora"
            f" WHERE load_balancer_id = '{balancer.id}'"
            " AND status != 'DELETED' AND lb_network_ip IS NOT NULL",
        )
        known = {
            compute_id: (amphora_id, address)
            for amphora_id, compute_id, address in (
                line.split("\t") for line in rows.splitlines()
            )
        }
        return tuple(
            Amphora(
                id=known[seen.instance.id][0],
                management=ipaddress.ip_address(known[seen.instance.id][1]),
                seen=seen,
            )
            for seen in cluster.amphorae(self.plane, self.admin)
            if seen.instance.id in known
        )

    def instance_ids(self, balancer: Balancer) -> frozenset[str]:
        """All instances made since before the load balancer."""
        old = balancer.before.things["containers"]
        return frozenset(i.id for i in self.machines.instances()) - old

    def inside(self, amphora: Amphora, *argv: str, check: bool = True) -> str:
        """What a command in an amphora prints."""
        done = self.machines.execute(amphora.seen.instance, argv)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def main_pid(self, amphora: Amphora, unit: str) -> int:
        """The main process of a systemd unit, as the amphora numbers it."""
        text = self.inside(amphora, "systemctl", "show", "-P", "MainPID", unit)
        return int(text)

    def signal(self, amphora: Amphora, unit: str, name: str) -> None:
        """Send a signal to all processes of a systemd unit."""
        self.inside(amphora, "systemctl", "kill", "-s", name, unit)

    # -- the fabric --------------------------------------------------------

    def hops(
        self, balancer: Balancer
    ) -> dict[settings.Address, frozenset[settings.Address]]:
        """VIP -> next hops in the kernels of the racks' leaves."""
        return {
            vip: observe.forwarded_to(self.lab, prefix(vip))
            for vip in balancer.vips
        }

    def announces(self, balancer: Balancer, amphora: Amphora) -> bool:
        """True if the leaves use its paths for all VIPs."""
        return all(
            hops & amphora.seen.addresses
            for hops in self.hops(balancer).values()
        )

    def is_withdrawn(self, balancer: Balancer, amphora: Amphora) -> bool:
        """True if no leaf uses a path of it."""
        return not any(
            hops & amphora.seen.addresses
            for hops in self.hops(balancer).values()
        )

    def session(self, amphora: Amphora) -> BgpSession:
        """Its BGP session, by its leaf; None if it is down."""
        return observe.connection(
            self.lab, amphora.leaf.name, amphora.management
        )

    def is_kept(self, amphora: Amphora, before: BgpSession) -> bool:
        """True if its session was up then, and is the same one now."""
        return before is not None and self.session(amphora) == before

    def is_new(self, amphora: Amphora, before: BgpSession) -> bool:
        """True if its session is up, and was not up then."""
        return self.session(amphora) not in (None, before)

    def is_whole(self, balancer: Balancer) -> bool:
        """True if exactly its amphorae are the next hops of every VIP.

        And if every router has a route: a client is behind the last one.
        """
        hops = self.hops(balancer).values()
        # Asking the routers is cheap; asking Neutron for all ports is not.
        if any(len(found) != balancer.size for found in hops):
            return False
        wanted = self.amphorae(balancer)
        if self.instance_ids(balancer) != {a.instance_id for a in wanted}:
            return False
        addresses = {x for a in wanted for x in a.seen.addresses}
        return len(wanted) == balancer.size and all(
            found <= addresses and observe.is_routed(self.lab, prefix(vip))
            for vip, found in zip(balancer.vips, hops, strict=True)
        )

    def await_whole(self, balancer: Balancer) -> None:
        """Wait for that."""
        process.wait_until(
            lambda: self.is_whole(balancer),
            CONVERGED_SECONDS,
            f"{balancer.size} amphorae announce every VIP of {balancer.name}",
            0.3,
        )

    def planned(self, balancer: Balancer) -> list[str]:
        """What the planner would do now; empty if it would do nothing."""
        if self._planner is None:
            files = [
                word
                for path in self.plane.octavia_config_files
                for word in ("--config-file", str(path))
            ]
            script = [sys.executable, str(HERE / "plan_now.py"), *files]
            self._planner = subprocess.Popen(
                shell.command_line(self.plane, script),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self._planner.stdin
        assert self._planner.stdout
        self._planner.stdin.write(f"{balancer.id}\n")
        self._planner.stdin.flush()
        return list(json.loads(self._planner.stdout.readline()))

    def close(self) -> None:
        """End what was started."""
        if self._planner is not None:
            self._planner.communicate()

    def await_converged(self, balancer: Balancer) -> None:
        """N paths, ACTIVE and ONLINE, packets pass, nothing is planned."""
        self.await_whole(balancer)
        self.await_active(balancer.id)
        # Whole before the planner is asked, and after.
        process.wait_until(
            lambda: (
                self.is_whole(balancer)
                and not self.planned(balancer)
                and self.is_whole(balancer)
            ),
            CONVERGED_SECONDS,
            "an empty plan for a whole cluster",
            1.0,
        )

    # -- packets -----------------------------------------------------------

    def ask(
        self, address: str, port: int = 80, **more: typing.Any
    ) -> list[asker.Answer]:
        """Requests from the client."""
        question = asker.Question(address=address, port=port, **more)
        done = netns.run(
            self.lab.namespace(settings.CLIENT),
            [sys.executable, str(HERE / "asker.py")],
            stdin=json.dumps(dataclasses.asdict(question)),
            timeout_seconds=120.0,
        )
        return [asker.Answer(**found) for found in json.loads(done.stdout)]

    def await_answers(
        self,
        wanted: typing.Callable[[asker.Answer], bool],
        address: str,
        port: int = 80,
        **more: typing.Any,
    ) -> list[asker.Answer]:
        """Ask until each of several answers is as wanted; returns them.

        Several connections, because each may come to another amphora.
        """
        more.setdefault("count", 16)
        answers: list[asker.Answer] = []

        def is_so() -> bool:
            answers[:] = self.ask(address, port, **more)
            return all(wanted(answer) for answer in answers)

        try:
            process.wait_until(is_so, 60.0, "answers as wanted", 0.3)
        except TimeoutError as error:
            raise AssertionError(f"answers were {answers}") from error
        return answers

    # -- afterwards --------------------------------------------------------

    def leftovers(self, balancer: Balancer) -> dict[str, typing.Any]:
        """What is left of a deleted load balancer, anywhere."""
        found: dict[str, typing.Any] = {}
        for vip in balancer.vips:
            for router, held in observe.leftovers(
                self.lab, prefix(vip)
            ).items():
                found[f"{router} {vip}"] = held
        now = survey.take(self.plane, self.admin)
        for kind, ids in now.since(balancer.before).items():
            left = {x for x in ids if not self._is_others(kind, x)}
            if left:
                found[kind] = sorted(left)
        rows = survey.rows_of(self.plane, balancer.id)
        for table in survey.KEPT_UNTIL_PURGED:
            rows.pop(table, None)
        if rows:
            found["rows"] = rows
        return found

    def _is_others(self, kind: str, identifier: str) -> bool:
        """True for what comes and goes with load balancers that live on."""
        if kind == "processes in containers":
            return any(
                int(identifier)
                in cgroup.pids(cgroup.path(self.lab.name, instance.label))
                for instance in self.machines.instances()
            )
        # These rows have ids of their own and are made anew when their
        # distributor changes; ``rows_of`` counts what is a load balancer's.
        return identifier.startswith(
            (
                "anycast_distributor_l3_amphora_vip_registration:",
                "anycast_distributor_zone:",
            )
        )

    def openstack(self, *words: str, cloud: str = "demo") -> str:
        """The unmodified openstack client, as the tenant if not said."""
        done = self.client.run(words, cloud)
        assert done.returncode == 0, done.stderr
        return done.stdout


def prefix(vip: settings.Address) -> str:
    """A VIP as the fabric knows it: /32 or /128."""
    return f"{vip}/{vip.max_prefixlen}"


def web_listener(bench: Bench) -> dict[str, object]:
    """A listener with all that can be below it, for a create in one call."""
    members = [
        {
            "name": member.name,
            "address": str(member.address_v4.ip),
            "protocol_port": settings.MEMBER_PORT,
            "subnet_id": bench.subnets["backend-v4"],
        }
        for member in settings.MEMBERS
    ]
    monitor = {
        "type": "HTTP",
        "delay": 1,
        "timeout": 1,
        "max_retries": 1,
        "max_retries_down": 2,
        "url_path": "/",
    }
    return {
        "name": "web",
        "protocol": "HTTP",
        "protocol_port": 80,
        "default_pool": {
            "name": "web",
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "members": members,
            "healthmonitor": monitor,
        },
        "l7policies": [
            {
                "name": "moved",
                "action": "REDIRECT_TO_URL",
                "redirect_url": "http://lab.example/new",
                "rules": [
                    {
                        "type": "PATH",
                        "compare_type": "STARTS_WITH",
                        "value": "/old",
                    }
                ],
            }
        ],
    }
