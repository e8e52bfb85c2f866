# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A hypervisor with bridges around it, without Neutron: for the tests.

Used by ``test_amphora_container.py``; the networks are those of the lab, and
the ports are made up here.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys
import uuid

from octavia_anycast_lab import cleanup, deployment, registry, settings
from octavia_anycast_lab.amphora import hypervisor, image, machine
from octavia_anycast_lab.cloud import pki
from octavia_anycast_lab.fabric import topology
from octavia_anycast_lab.host import netns, process

REST = pathlib.Path(__file__).parent / "amphora_rest.py"
AGENT_PORT = 9443
NAMESPACE = "amphora-haproxy"

_CONFIGURATION = """\
[certificates]
ca_certificate = {pki}/server-ca.pem
ca_private_key = {pki}/server-ca.key
ca_private_key_passphrase = {passphrase}
signing_digest = sha256
cert_manager = local_cert_manager
[haproxy_amphora]
client_cert = {pki}/client.pem
server_ca = {pki}/server-ca.pem
connection_max_retries = 100
connection_retry_interval = 1
default_connection_limit = 5000
[controller_worker]
client_ca = {pki}/client-ca.pem
[health_manager]
controller_ip_port_list = 172.31.0.2:5555
heartbeat_key = tests-only
heartbeat_interval = 1
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Amphora:
    """An instance and the address under which its agent is reached."""

    instance_id: str
    amphora_id: str
    address: str


class Bench:
    """One lab instance with namespaces and bridges, and amphorae."""

    def __init__(self, lab: settings.Lab, flavour: image.Flavour) -> None:
        self.lab = lab
        self.registry = registry.Registry(lab.run_dir)
        self.hypervisor = hypervisor.Hypervisor(lab)
        self.flavour = flavour
        self._made = 0
        self._image: image.Image | None = None

    def up(self) -> None:
        """Make everything but amphorae, after removing what was left."""
        cleanup.clean(self.lab)
        self.lab.run_dir.mkdir(parents=True, exist_ok=True)
        topology.build(self.lab, self.registry)
        plane = deployment.Deployment.of(self.lab)
        pki.write_authorities(plane)
        self.configuration.write_text(
            _CONFIGURATION.format(
                pki=plane.config_dir / "pki",
                passphrase=plane.secrets.ca_passphrase,
            )
        )

    def down(self) -> None:
        """Remove everything."""
        for instance in self.hypervisor.instances():
            self.hypervisor.delete(instance.id)
        cleanup.clean(self.lab)

    @property
    def configuration(self) -> pathlib.Path:
        """The octavia.conf of the driver under test."""
        return self.lab.run_dir / "amphora-tests.conf"

    def order(self, zone: str = "rack1") -> Amphora:
        """Make an instance, without power."""
        self._made += 1
        address = f"172.31.1.{self._made}"
        instance_id, amphora_id = str(uuid.uuid4()), str(uuid.uuid4())
        files = self.rest("drive", {"amphora_id": amphora_id})
        management = nic(
            machine.Wire(
                namespace=self.lab.namespace("mgmt"),
                bridge=settings.MGMT_BRIDGE,
            ),
            addresses=(f"{address}/22",),
        )
        if self._image is None:
            self._image = image.ensure(self.flavour)
        instance = machine.Instance(
            id=instance_id,
            name=f"amphora-{amphora_id}",
            zone=zone,
            layers=tuple(str(layer) for layer in self._image.layers),
            disk=str(self.hypervisor.disk_of(instance_id)),
        ).with_nic(dataclasses.replace(management, interface="eth0"))
        self.hypervisor.create(
            hypervisor.Order(
                instance=instance,
                files={path: text.encode() for path, text in files.items()},
            )
        )
        return Amphora(
            instance_id=instance_id, amphora_id=amphora_id, address=address
        )

    def boot(self, zone: str = "rack1") -> Amphora:
        """Make an instance and give it power."""
        amphora = self.order(zone)
        self.hypervisor.boot(amphora.instance_id)
        return amphora

    def attach(self, amphora: Amphora, role: str, bridge: str) -> machine.Nic:
        """Hot-plug a made-up port."""
        wire = machine.Wire(namespace=self.lab.namespace(role), bridge=bridge)
        return self.hypervisor.attach(amphora.instance_id, nic(wire))

    def rest(
        self, command: str, request: dict, amphora: Amphora | None = None
    ) -> dict:
        """Call Octavia's amphora driver from the control namespace."""
        if amphora is not None:
            request = {
                "amphora_id": amphora.amphora_id,
                "address": amphora.address,
                **request,
            }
        done = netns.run(
            self.lab.namespace("ctl"),
            [sys.executable, str(REST), str(self.configuration), command],
            stdin=json.dumps(request),
        )
        return json.loads(done.stdout.splitlines()[-1])

    def is_reachable(self, amphora: Amphora) -> bool:
        """True if the agent's port accepts a connection."""
        code = (
            "import socket,sys;"
            "socket.create_connection((sys.argv[1],9443),0.5).close()"
        )
        done = netns.run(
            self.lab.namespace("ctl"),
            [sys.executable, "-S", "-c", code, amphora.address],
            check=False,
        )
        return done.returncode == 0

    def await_agent(self, amphora: Amphora, seconds: float = 30.0) -> float:
        """Wait until the agent accepts connections."""
        return process.wait_until(
            lambda: self.is_reachable(amphora), seconds, "the agent"
        )

    def inside(
        self, amphora: Amphora, *argv: str, namespace: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the amphora."""
        instance = self.hypervisor.get(amphora.instance_id)
        return self.hypervisor.execute(instance, argv, namespace=namespace)


def nic(wire: machine.Wire, addresses: tuple[str, ...] = ()) -> machine.Nic:
    """A made-up port."""
    port_id = str(uuid.uuid4())
    tail = [port_id[i : i + 2] for i in (0, 2, 4, 6)]
    return machine.Nic(
        port_id=port_id,
        network_id=str(uuid.uuid4()),
        mac=":".join(["fa", "16", *tail]),
        interface="",
        wire=wire,
        addresses=addresses,
    )
