# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A cloud without machines: compute, network, HAProxy and agents.

It implements the controller's ports and watches over what the controller
does with them: ``violations`` lists what must never happen. Time is a
number that the test moves.

Any call can be the last one of a controller (``die_in``): from then on every
call fails, database included, until :meth:`FakeCloud.revive`. What a call
did before it died is there; that is how crashes are tested.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.engine import Database
from octavia_anycast.model.actions import PlugFrontend
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    ComputeState,
    ConfigDrive,
    Server,
)
from octavia_anycast.model.codec import (
    digest,
    peer_digests,
    report_digest,
    speakers_digest,
)
from octavia_anycast.model.errors import Permanent, Retryable
from octavia_anycast.model.heartbeat import Heartbeat
from octavia_anycast.model.housekeeping import OrphanKind
from octavia_anycast.model.load_balancer import (
    LoadBalancerTree,
    MemberNetworks,
    Prepared,
)
from octavia_anycast.model.wire import (
    DesiredState,
    Frontend,
    FrontendAddress,
    GateReport,
    GateState,
    Intent,
    LvsReport,
    PathReport,
    PathState,
    Report,
)
from octavia_anycast.octavia_adapter.load_balancer.data_model import suspects
from octavia_anycast.planning.cluster.culprits import Alert, Findings, find
from octavia_anycast.testing.fakes import fake_rescue
from octavia_anycast.testing.fakes.fake_contents import FakeContents
from octavia_anycast.testing.fakes.fake_inventory import (
    FakeDrive,
    FakeFiles,
    FakeInventory,
)
from octavia_anycast.testing.fakes.fake_machine import Machine
from octavia_anycast.testing.mortal_database import Died, MortalDatabase

__all__ = ["Died", "FakeCloud", "FakeDrive", "FakeFiles", "Machine"]
START = datetime(2026, 1, 1, tzinfo=UTC)
BOOT_SECONDS = 3.0
VIP_PEER = "leaf"


class FakeCloud(FakeInventory):
    """Compute, network, HAProxy, agents, files and statistics in one."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.machines: dict[str, Machine] = {}  # server_id -> machine
        self.ports: dict[str, tuple[str, str]] = {}  # name -> (id, owner)
        # amphora_id -> network and subnets of its front end
        self.frontends: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.security_groups: set[str] = set()
        self.server_groups: set[str] = set()
        self.vip_ports: set[str] = set()
        self.deleted_load_balancers: set[str] = set()
        self.violations: list[str] = []
        self.calls: list[str] = []
        self.refuse: dict[str, int] = {}  # call -> how often it fails
        self.raises: dict[str, Exception] = {}  # call -> what it meets
        self.lost_vip_ports: set[str] = set()  # of these load balancers
        self.is_qos_policy_gone = False
        self.build_error = ""
        self.build_fault = ""  # of servers that are taken and not built
        self.now = START
        self._dies_at: int | None = None
        self.is_dead = False
        self.heartbeats: list[Heartbeat] = []
        self.refused_passwords: set[str] = set()  # by the fabric
        self.missing: set[str | None] = set()  # zones, networks, subnets
        self.image_id = "image-1"  # of servers built from now on
        self.image_lack = ""  # for UDP and SCTP, of servers built from now on
        self.do_heartbeats_arrive = True
        self.cut_sessions: set[str] = set()  # amphora ids
        self.speaker_changes: list[str] = []  # amphora ids, in order
        self.active: dict[str, int] = {}
        self.contents = FakeContents(self.violations)
        self.database = MortalDatabase(database, self)
        self._raw_database = database
        self._addresses = 10

    # -- life and death ----------------------------------------------------

    def step(self, name: str) -> None:
        """One thing the controller does; maybe its last."""
        if self.is_dead:
            raise Died(name)
        self.calls.append(name)
        if self._dies_at is not None and len(self.calls) >= self._dies_at:
            self.is_dead = True
            raise Died(name)
        if self.refuse.get(name, 0) > 0:
            self.refuse[name] -= 1
            raise Retryable(f"{name} does not work today")
        self.demand(name)

    def demand(self, name: str) -> None:
        """Raise what a test says that this call meets."""
        if name in self.raises:
            raise self.raises[name]

    def die_in(self, steps: int) -> None:
        """Let the controller die at this step from now on, from 1."""
        self._dies_at = len(self.calls) + steps

    def revive(self) -> None:
        """A new controller process starts; the last one must be dead.

        A test whose step is never reached would show nothing.
        """
        assert self._dies_at is None or self.is_dead, "it has not died"
        self.is_dead = False
        self._dies_at = None

    def pass_time(self, seconds: float) -> None:
        """Move the clock; who lives has sent a heartbeat then."""
        self.now += timedelta(seconds=seconds)
        beating = {
            m.amphora_id
            for m in self.machines.values()
            if m.has_power and m.is_reachable and self._has_booted(m)
        }
        if beating and self.do_heartbeats_arrive:
            self._raw_database.transact(
                lambda session: heartbeat.touch_all(
                    session, beating, self.now, is_beat=True
                )
            )

    def clock(self) -> datetime:
        """The controller's clock."""
        return self.now

    # -- what a test looks at ----------------------------------------------

    def of(self, load_balancer_id: str) -> list[Machine]:
        """The machines that have power, of one load balancer."""
        return [
            m
            for m in self.machines.values()
            if str(m.state.load_balancer_id) == load_balancer_id
            and m.has_power
        ]

    def announced(self, machine: Machine) -> frozenset[IPAddress]:
        """What the fabric holds of this machine."""
        if not machine.has_power or not machine.gate_is_up():
            return frozenset()
        if not self.is_established(machine):
            return frozenset()
        return frozenset(
            vip.vip_ip
            for vip in machine.state.vips
            if vip.intent is not Intent.WITHDRAW
        )

    def announcers(self, load_balancer_id: str) -> list[Machine]:
        """The machines that announce, of one load balancer."""
        return [m for m in self.of(load_balancer_id) if self.announced(m)]

    # -- compute -----------------------------------------------------------

    def build(
        self,
        tree: LoadBalancerTree | None,
        amphora_id: str,
        zone: str | None,
        drive: ConfigDrive,
    ) -> str:
        """Boot a server."""
        self.step("build")
        with self._raw_database.transaction() as session:
            if amphorae.get(session, amphora_id) is None:
                self.violations.append("built a server without a record")
        if tree is not None and tree.id not in self.server_groups:
            self.violations.append("built a server without its group")
        if self.build_error:
            raise Retryable(self.build_error)
        server_id = str(uuid.uuid4())
        (state,) = drive.first_states  # type: ignore[attr-defined]
        self.power_on(
            server_id,
            amphora_id,
            zone=zone,
            state=state,
            fault=self.build_fault,
        )
        self.step("build done")
        return server_id

    def power_on(
        self,
        server_id: str,
        amphora_id: str,
        *,
        zone: str | None,
        state: DesiredState,
        fault: str = "",
    ) -> None:
        """Let a server be there; with a fault it was not built."""
        self._addresses += 1
        self.machines[server_id] = Machine(
            server_id=server_id,
            amphora_id=amphora_id,
            zone=zone,
            address=ip_address(f"172.31.1.{self._addresses % 250}"),
            booted_at=self.now,
            state=state,
            fault=fault,
            has_power=not fault,
            lvs=LvsReport(lack=self.image_lack),
            image_id=self.image_id,
        )

    def look(self, server_id: str, tree: LoadBalancerTree | None) -> Server:
        """Look a server up."""
        machine = self.machines.get(server_id)
        if machine is None:
            return Server(state=ComputeState.GONE)
        if machine.fault:
            return Server(state=ComputeState.ERROR, fault=machine.fault)
        if not machine.has_power:
            return Server(state=ComputeState.UNKNOWN)
        return Server(
            state=ComputeState.ACTIVE,
            address=machine.address,
            host="host1",
            image_id=machine.image_id,
        )

    def delete(self, amphora_id: str, server_id: str | None) -> None:
        """Delete a server, found by its name if need be."""
        self.step("delete server")
        if server_id is not None:
            self._drop(OrphanKind.SERVER, server_id)
        for machine in list(self.machines.values()):
            if (
                machine.server_id == server_id
                if server_id
                else machine.amphora_id == amphora_id
            ):
                self._check_delete(machine)
                del self.machines[machine.server_id]
        self.step("delete server done")

    def check_zone(self, zone: str) -> None:
        """See that an availability zone exists."""
        self.step("check zone")
        if zone in self.missing:
            raise Permanent(f"there is no zone {zone}")

    def check_frontend(
        self, network_id: str | None, subnet_ids: Iterable[str]
    ) -> None:
        """See that a front-end network and its subnets exist."""
        self.step("check frontend")
        gone = self.missing & {network_id, *subnet_ids}
        if gone:
            raise Permanent(f"the front end {gone} is not there")

    def ensure_group(self, tree: LoadBalancerTree) -> None:
        """Make the server group."""
        self.step("ensure group")
        self.server_groups.add(tree.id)

    def remove_group(self, tree: LoadBalancerTree) -> None:
        """Delete the server group."""
        self.step("remove group")
        self.server_groups.discard(tree.id)

    # -- network -----------------------------------------------------------

    def prepare(
        self, tree: LoadBalancerTree, records: Iterable[AmphoraRecord]
    ) -> Prepared:
        """Make the security group, and a VIP port that is gone."""
        self.step("prepare")
        if tree.id in self.lost_vip_ports:
            self.demand("make VIP port")
            self.lost_vip_ports.discard(tree.id)
        self.security_groups.add(tree.id)
        names = {r.id: f"fe-{r.id}" for r in records if r.frontend_port_id}
        return Prepared(
            without_port=tuple(
                i for i, name in names.items() if name not in self.ports
            ),
            lacks=("the QoS policy could not be found",)
            if self.is_qos_policy_gone
            else (),
        )

    def remove(self, tree: LoadBalancerTree) -> None:
        """Delete the security group and the VIP."""
        self.step("remove")
        if self.of(tree.id):
            self.violations.append("removed the VIP under its amphorae")
        self.security_groups.discard(tree.id)
        self.deleted_load_balancers.add(tree.id)

    def networks_of(self, subnet_ids: Iterable[str]) -> MemberNetworks:
        """A subnet has the network of its own name."""
        self.demand("look up subnets")
        ids = set(subnet_ids)
        return MemberNetworks(
            network_ids=tuple(sorted(f"net-{i}" for i in ids - self.missing)),
            gone_subnet_ids=tuple(sorted(ids & self.missing)),
        )

    def plug_frontend(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        action: PlugFrontend,
    ) -> tuple[str, Frontend]:
        """Make and attach the front-end port."""
        self.step("plug frontend")
        if tree.id not in self.security_groups:
            self.demand("prepare")  # it makes the group itself
            self.security_groups.add(tree.id)
        port_id, _ = self._port(f"fe-{record.id}", record.id)
        self.frontends[record.id] = (action.network_id, action.subnet_ids)
        self.step("plug frontend half")
        self._machine(record).frontend_port = port_id
        number = int(str(self._machine(record).address).split(".")[-1])
        frontend = Frontend(
            mac_address=f"fa:16:3e:00:00:{number:02x}",
            mtu=1500,
            addresses=tuple(
                FrontendAddress(
                    ip_address=ip_address(
                        f"10.1.0.{number}"
                        if version == 4
                        else f"fd00:10:1::{number}"
                    ),
                    prefix_length=24 if version == 4 else 64,
                    subnet_id=str(uuid.UUID(int=version)),
                )
                for version in action.ip_versions
            ),
        )
        self.step("plug frontend done")
        return port_id, frontend

    def release(self, record: AmphoraRecord) -> None:
        """Delete all ports of an amphora."""
        self.step("release")
        for name, (_, owner) in list(self.ports.items()):
            if owner == record.id:
                del self.ports[name]

    def plug_members(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        network_ids: Iterable[str],
    ) -> list[dict[str, Any]]:
        """Make and attach ports in networks of members."""
        self.step("plug members")
        return [
            {"network": n, "id": self._port(f"m-{record.id}-{n}", record.id)}
            for n in network_ids
        ]

    def unplug_members(
        self, record: AmphoraRecord, network_ids: Iterable[str]
    ) -> None:
        """Detach and delete them."""
        self.step("unplug members")
        for network_id in network_ids:
            self.ports.pop(f"m-{record.id}-{network_id}", None)
            self._machine(record).member_networks.discard(network_id)

    # -- HAProxy -----------------------------------------------------------

    def push(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord] = (),
        left_out_ids: Sequence[str] = (),
    ) -> None:
        """Configure HAProxy."""
        self.step("push")
        machine = self._machine(record)
        self._check_agent(machine)
        if machine.frontend_port is None:
            self.violations.append("HAProxy before the front end")
        missing = set(record.member_network_ids) - machine.member_networks
        if missing:
            self.violations.append(f"HAProxy without networks {missing}")
        self.contents.check_push(tree, machine)
        unread = self.contents.unread_in(tree, machine)
        machine.revision = machine.revision if unread else tree.revision
        machine.peers = frozenset(peer.id for peer in peers)
        if any(peer.frontend is None for peer in peers):
            self.violations.append("a peer without an address")
        machine.sockets = frozenset(
            (s.ip_address, s.port)
            for s in tree.listeners
            if not unread or s.listener_id not in unread.lacking_ids
        )
        given = frozenset(tree.lvs_listener_ids) - frozenset(left_out_ids)
        if given and machine.lvs and machine.lvs.lack:
            self.violations.append("keepalived where there is no ip_vs")
        machine.lvs_listener_ids = given
        machine.pushes += 1
        self.step("push done")
        if unread:
            raise unread

    def find_culprits(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord] = (),
        left_out_ids: Sequence[str] = (),
    ) -> Findings:
        """Find out what it refuses; each trial may be the last."""
        machine = self._machine(record)

        def attempt(left_out: frozenset[str]) -> tuple[Alert, ...]:
            self.step("trial")
            return self.contents.alerts(tree, machine, left_out)

        found = find(suspects(self.contents.model_of(tree)), attempt)
        self.step("trials done")
        return found

    def plug_network(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> None:
        """Configure the interface of a member network."""
        self.step("plug network")
        self._machine(record).member_networks.add(port_info["network"])

    def has_addresses(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> bool:
        """Whether it is configured."""
        self.step("has addresses")
        return port_info["network"] in self._machine(record).member_networks

    def update_agent(self, record: AmphoraRecord, configuration: str) -> None:
        """Hand the agent its configuration."""
        self.step("update agent")
        self._machine(record).configurations.append(configuration)
        self.step("update agent done")

    def finish_connections(
        self, tree: LoadBalancerTree, record: AmphoraRecord
    ) -> None:
        """Reload HAProxy."""
        self.step("finish connections")
        self._machine(record).connections_finished += 1

    # -- agents ------------------------------------------------------------

    @property
    def speakerds(self) -> "Speakerds":
        """The same amphorae, at speakerd's own port."""
        return Speakerds(self)

    def get_report(self, amphora_id: str, address: IPAddress) -> Report:
        """Ask an agent."""
        self.step("get report")
        machine = self._by_address(amphora_id, address)
        self._check_agent(machine)
        return self.report_of(machine)

    def _check_agent(self, machine: Machine) -> None:
        if machine.is_agent_hung:
            raise machine.hangs_with or Retryable(
                f"the agent of {machine.amphora_id} does not answer"
            )

    def report_of(self, machine: Machine) -> Report:
        """What its speakerd says."""
        amphora_id = machine.amphora_id
        if machine.speaks_another_version:
            raise Permanent("its answer is not understood: version")
        gate = machine.gate
        up = gate is GateState.UP and self.is_established(machine)
        paths = _paths(machine, up=up)
        report = Report(
            amphora_id=amphora_id,
            digest=digest(machine.state),
            revision=machine.state.revision,
            gate=GateReport(
                state=gate,
                reason="",
                since=machine.booted_at,
            ),
            speaker_is_running=True,
            frontend_is_up=(
                machine.frontend_port is not None
                and machine.state.frontend is not None
            ),
            listeners=machine.state.listeners,
            lvs_listener_ids=machine.state.lvs_listener_ids,
            sessions=machine.sessions(is_up=self.is_established(machine)),
            paths=paths,
            speakers_digest=speakers_digest(machine.state.speakers),
            peer_digests=peer_digests(machine.state.speakers),
            driver=machine.state.driver,
            are_speakers_loaded=True,
            path_counts=machine.path_counts(
                is_up=self.is_established(machine)
            ),
            flow_rescue=fake_rescue.report(machine.state),
            knows_tenant_metrics=True,
            lvs=machine.lvs,
            connections={
                str(path.vip_ip): machine.established for path in paths
            },
        )
        said = report_digest(report) if machine.knows_digests else ""
        return replace(report, report_digest=said)

    def beats(self) -> list[Heartbeat]:
        """The heartbeats that living amphorae send now, with digests."""
        return [
            Heartbeat(
                amphora_id=machine.amphora_id,
                report_digest=""
                if machine.is_agent_hung
                else self.report_of(machine).report_digest,
            )
            for machine in self.machines.values()
            if machine.has_power and self._has_booted(machine)
        ]

    def put_state(
        self, amphora_id: str, address: IPAddress, state: DesiredState
    ) -> None:
        """Tell an agent."""
        self.step("put state")
        machine = self._by_address(amphora_id, address)
        self._check_agent(machine)
        self.take_state(machine, state)

    def take_state(self, machine: Machine, state: DesiredState) -> None:
        """What its speakerd does with a state."""
        before = bool(self.announced(machine))
        if state.keeps_speakers or state.kept_peer_ids:
            state = state.completed(machine.state)
        if state.speakers != machine.state.speakers:
            self.speaker_changes.append(machine.amphora_id)
            machine.change_speakers(state, self.now)
        machine.state = state
        lost = before and not self.announced(machine)
        lb_id = str(state.load_balancer_id)
        if lost and not self.announcers(lb_id) and not self._may_stop(lb_id):
            self.violations.append("withdrew the last announcing amphora")
        self.step("put state done")

    def _may_stop(self, load_balancer_id: str) -> bool:
        return load_balancer_id in self.stopping

    # What a test sets when it deletes or disables a load balancer.
    stopping: frozenset[str] = frozenset()

    # -- files and statistics ----------------------------------------------

    def add(self, heartbeats: Iterable[Heartbeat]) -> None:
        """Keep what was counted."""
        self.heartbeats += heartbeats

    def set_active(self, active: Mapping[str, int]) -> None:
        """Keep what was counted."""
        self.active |= active

    # -- details -----------------------------------------------------------

    def is_established(self, machine: Machine) -> bool:
        """Whether the fabric takes its sessions."""
        if machine.amphora_id in self.cut_sessions:
            return False
        return not self.refused_passwords & machine.passwords

    def _machine(self, record: AmphoraRecord) -> Machine:
        for machine in self.machines.values():
            if machine.amphora_id == record.id and machine.has_power:
                return machine
        raise Retryable(f"amphora {record.id} has no server")

    def machine_at(self, amphora_id: str, address: IPAddress) -> Machine:
        """The machine that has this address.

        :raises Retryable: there is none, or it cannot be reached.
        """
        return self._by_address(amphora_id, address)

    def _by_address(self, amphora_id: str, address: IPAddress) -> Machine:
        for machine in self.machines.values():
            if (
                machine.address == address
                and machine.amphora_id == amphora_id
                and machine.has_power
                and machine.is_reachable
                and self._has_booted(machine)
            ):
                return machine
        raise Retryable(f"amphora {amphora_id} does not answer")

    def _has_booted(self, machine: Machine) -> bool:
        return self.now >= machine.booted_at + timedelta(seconds=BOOT_SECONDS)

    def _port(self, name: str, owner: str) -> tuple[str, str]:
        port = self.ports.setdefault(name, (str(uuid.uuid4()), owner))
        self.born.setdefault(port[0], self.now)
        return port

    def _check_delete(self, machine: Machine) -> None:
        load_balancer_id = str(machine.state.load_balancer_id)
        others = [
            m for m in self.announcers(load_balancer_id) if m is not machine
        ]
        if (
            self.announced(machine)
            and not others
            and not self._may_stop(load_balancer_id)
        ):
            self.violations.append("deleted the last announcing amphora")


class Speakerds:
    """speakerd's own port of each amphora; implements Agents."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def get_report(self, amphora_id: str, address: IPAddress) -> Report:
        """Ask speakerd."""
        self._cloud.step("get report directly")
        return self._cloud.report_of(self._machine(amphora_id, address))

    def put_state(
        self, amphora_id: str, address: IPAddress, state: DesiredState
    ) -> None:
        """Tell speakerd."""
        self._cloud.step("put state directly")
        machine = self._machine(amphora_id, address)
        self._cloud.take_state(machine, state)

    def served_serial(self, amphora_id: str, address: IPAddress) -> int:
        """Nobody asks speakerd for its certificate."""
        raise NotImplementedError

    def _machine(self, amphora_id: str, address: IPAddress) -> Machine:
        machine = self._cloud.machine_at(amphora_id, address)
        if machine.is_speakerd_deaf:
            raise Retryable(f"the speakerd of {amphora_id} does not answer")
        return machine


def _paths(machine: Machine, *, up: bool) -> tuple[PathReport, ...]:
    """The paths of its VIPs; a distributor's own only counts its paths."""
    if machine.state.is_distributor:
        return ()
    states = {
        Intent.ADVERTISE: PathState.ADVERTISED,
        Intent.DRAIN: PathState.DRAINING,
    }
    return tuple(
        PathReport(
            vip_ip=vip.vip_ip,
            nexthop_ip=vip.nexthop_ip,
            peer_id=VIP_PEER,
            state=states.get(vip.intent, PathState.WITHDRAWN)
            if up
            else PathState.WITHDRAWN,
            reason="",
        )
        for vip in machine.state.vips
    )
