# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Connections held through a round: who owns each, and which ones broke.

The owner is the amphora whose kernel has the connection: its sockets say so,
before the faults begin and once more when all are made, for those that the
server ended tidily meanwhile (``Connection: close``) and the client made anew.
A connection breaks if a request on it gets no answer within
``ANSWER_SECONDS``, which is longer than a short outage and TCP's
retransmissions after it, or another end than an answer.
"""

import collections
import collections.abc
import contextlib
import dataclasses
import time

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import hypervisor, sockets
from octavia_anycast_lab.amphora.sockets import Connection
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record

PORT = 80
FLOWS = 24  # to each VIP
ANSWER_SECONDS = 20.0
_INTERVAL_SECONDS = 0.5
_LONGEST_SECONDS = 600.0


# Connection -> the label of the amphora that accepted it.
Owners = dict[Connection, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """How a connection ended that was held.

    ``owner``: None if it was made after the last look and broke since.
    """

    connection: Connection
    owner: str | None
    outcome: traffic_record.Outcome
    after_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.connection}, owned by"
            f" {self.owner or 'an amphora unknown'}: {self.outcome} of a"
            f" request {self.after_seconds:.1f} s after the first fault began"
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the connections; ``held``: owner -> how many.

    ``remade``: those that the server ended tidily.
    """

    held: collections.abc.Mapping[str, int]
    broken: tuple[Break, ...]
    remade: int

    def broken_of_others(
        self, lost: collections.abc.Collection[str]
    ) -> tuple[Break, ...]:
        """Those of amphorae that were not lost.

        One of an unknown owner is a lost one's, if there is a lost one.
        """
        return tuple(
            one
            for one in self.broken
            if one.owner not in lost and (one.owner or not lost)
        )

    def __str__(self) -> str:
        broken = collections.Counter(one.owner for one in self.broken)
        return (
            f"held {dict(sorted(self.held.items()))}, broken {dict(broken)},"
            f" made anew {self.remade}"
        )


class Held:
    """Connections that are held open, to each VIP as many."""

    def __init__(
        self,
        lab: settings.Lab,
        generators: collections.abc.Mapping[str, clients.Generator],
    ) -> None:
        self._machines = hypervisor.Hypervisor(lab)
        self._generators = generators
        self._owners: Owners = {}
        self._began = time.time()

    def begin(self) -> None:
        """See who owns each, before anything happens.

        :raises TimeoutError: no amphora has some of them.
        """

        def is_complete() -> bool:
            self.look()
            return self._latest().issubset(self._owners)

        process.wait_until(is_complete, 10.0, "an owner of each connection")
        self._began = time.time()

    def look(self) -> None:
        """Learn the owners of those that were made since the last look."""
        ours = self._latest()
        for instance in self._machines.instances():
            with contextlib.suppress(hypervisor.InstanceStateError):
                seen = sockets.established(self._machines, instance)
                for one in ours & seen:
                    self._owners.setdefault(one, instance.label)

    def counts(self) -> collections.Counter[str]:
        """How many each amphora owns, as of the last look."""
        ours = self._latest()
        return collections.Counter(
            owner for one, owner in self._owners.items() if one in ours
        )

    def broken(self) -> tuple[Break, ...]:
        """Those that have broken by now; it waits for nothing."""
        return judge(self._records(), self._owners, self._began).broken

    def outcome(self) -> Outcome:
        """What became of them, once each was asked after this call began.

        :raises TimeoutError: the generator ended before the round did.
        """
        since = time.time()
        process.wait_until(
            lambda: all(
                _is_known(generator.records(), since)
                for generator in self._generators.values()
            ),
            2 * ANSWER_SECONDS,
            "an answer on each held connection",
            0.2,
        )
        return judge(self._records(), self._owners, self._began)

    def _records(self) -> dict[str, tuple[traffic_record.Record, ...]]:
        return {
            vip: generator.records()
            for vip, generator in self._generators.items()
        }

    def _latest(self) -> set[Connection]:
        return {
            Connection(vip, PORT, record.port)
            for vip, records in self._records().items()
            for record in {r.flow: r for r in records}.values()
            if record.port is not None
        }


@contextlib.contextmanager
def holding(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    vips: collections.abc.Iterable[settings.Address],
) -> collections.abc.Iterator[Held]:
    """Hold connections to each VIP for the length of a block."""
    generators: dict[str, clients.Generator] = {}
    with contextlib.ExitStack() as ending:
        for vip in map(str, vips):
            generators[vip] = made = clients.start_keepalive(
                lab,
                registry,
                http_probe.Target(
                    address=vip, port=PORT, timeout_seconds=ANSWER_SECONDS
                ),
                FLOWS,
                _LONGEST_SECONDS,
                _INTERVAL_SECONDS,
            )
            # What still waits for an answer is not waited for.
            ending.callback(process.stop, registry, made.label, 1.0)
        yield Held(lab, generators)


def judge(
    records: collections.abc.Mapping[
        str, collections.abc.Iterable[traffic_record.Record]
    ],
    owners: collections.abc.Mapping[Connection, str],
    began: float,
) -> Outcome:
    """What became of connections; ``records``: VIP -> its records.

    A connection that could not be opened has no port and was never held.
    """
    held: collections.Counter[str] = collections.Counter()
    broken = []
    seen: set[Connection] = set()
    flows: set[tuple[str, int | None]] = set()
    for vip, found in records.items():
        for record in found:
            if record.port is None:
                continue
            connection = Connection(vip, PORT, record.port)
            owner = owners.get(connection)
            flows.add((vip, record.flow))
            if connection not in seen and owner is not None:
                held[owner] += 1
            seen.add(connection)
            if record.outcome is not traffic_record.Outcome.OK:
                broken.append(
                    Break(
                        connection=connection,
                        owner=owner,
                        outcome=record.outcome,
                        after_seconds=record.start - began,
                    )
                )
    return Outcome(
        held=held, broken=tuple(broken), remade=len(seen) - len(flows)
    )


def _is_known(
    records: collections.abc.Collection[traffic_record.Record], since: float
) -> bool:
    """Whether each flow broke or was answered after that."""
    broken = traffic_record.summarize_flows(records).broken
    asked = {r.flow for r in records if r.start > since}
    return len(asked | broken) >= FLOWS
