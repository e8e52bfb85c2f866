# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Ask a load balancer over HTTP, UDP and SCTP; who answered how often."""

import collections
import collections.abc
import dataclasses

from octavia_anycast_lab import settings
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record
from octavia_anycast_lab.traffic.datagram import asking
from octavia_anycast_lab.vm import content

QUESTIONS = 12
_CONCURRENCY = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """``members``: who answered -> how often; ``errors``: of the others."""

    service: content.Service
    vip: str
    asked: int
    members: collections.abc.Mapping[str, int]
    errors: tuple[str, ...] = ()

    @property
    def answered(self) -> int:
        """How many questions were answered."""
        return sum(self.members.values())

    @property
    def is_whole(self) -> bool:
        """True if each question was answered, and all members did."""
        names = {member.name for member in settings.MEMBERS}
        return self.answered == self.asked and set(self.members) == names

    def __str__(self) -> str:
        """For a sentence."""
        text = (
            f"{self.service.protocol} to {self.vip}: {self.answered} of "
            f"{self.asked} were answered, by {len(self.members)} members"
        )
        return f"{text} ({self.errors[0]})" if self.errors else text


def ask_all(
    lab: settings.Lab,
    service: content.Service,
    vips: collections.abc.Iterable[settings.Address],
) -> list[Served]:
    """The same for each VIP that the listener can serve."""
    return [
        ask(lab, service, str(vip))
        for vip in vips
        if vip.version in service.versions
    ]


def ask(
    lab: settings.Lab,
    service: content.Service,
    vip: str,
    count: int = QUESTIONS,
) -> Served:
    """New connections or associations to one VIP of one listener."""
    question = _http if service is content.HTTP else _datagrams
    return question(lab, service, vip, count)


def _http(
    lab: settings.Lab, service: content.Service, vip: str, count: int
) -> Served:
    target = http_probe.Target(address=vip, port=service.port)
    records = clients.shares(lab, target, count, _CONCURRENCY)
    ok = traffic_record.Outcome.OK
    return Served(
        service=service,
        vip=vip,
        asked=count,
        members=collections.Counter(
            str(r.member) for r in records if r.outcome is ok
        ),
        errors=tuple(str(r.outcome) for r in records if r.outcome is not ok),
    )


def _datagrams(
    lab: settings.Lab, service: content.Service, vip: str, count: int
) -> Served:
    answers = asking.ask(
        lab,
        asking.Question(
            protocol=asking.Protocol(service.protocol),
            address=vip,
            port=service.port,
            count=count,
        ),
    )
    return Served(
        service=service,
        vip=vip,
        asked=count,
        members=collections.Counter(a.member for a in answers if a.member),
        errors=tuple(a.error for a in answers if a.error),
    )
