# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Sphinx directives that write reference pages from the code itself.

``.. contract:: DesiredState``
    One table per dataclass of a document, from the named one down: of the
    agent contract, or of a request of the API.

``.. contract-example:: DesiredState``
    A whole JSON document of that kind, encoded and read back by the codec.

``.. database-tables::``
    One table per table of ours, from SQLAlchemy's metadata.

``.. metrics:: deployment``
    One table of all metrics about the deployment, or about the process.

What these pages say cannot differ from what the code does.
"""

import inspect
import json
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from ipaddress import IPv4Address, ip_address
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sqlalchemy import Table

from octavia_anycast.controller.metrics.families import FAMILIES, Family
from octavia_anycast.db import models
from octavia_anycast.model import bgp, codec, wire

READERS = {
    "DesiredState": codec.desired_state_from,
    "Report": codec.report_from,
}


def type_name(kind: Any, page: str) -> str:
    """Say what JSON holds for a Python type; links stay on the page."""
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if IPv4Address in arguments:
            names = ["IP address"]
        else:
            names = [
                type_name(a, page) for a in arguments if a is not type(None)
            ]
        if type(None) in arguments:
            names.append("null")
        return " or ".join(names)
    if origin is tuple:
        return f"list of {type_name(arguments[0], page)}"
    if origin is dict:
        return f"object of {type_name(arguments[1], page)}"
    kind = getattr(kind, "__supertype__", kind)
    if is_dataclass(kind):
        return f":ref:`{kind.__name__} <{label(kind, page)}>`"
    if issubclass(kind, Enum):
        return ", ".join(f"``{member.value}``" for member in kind)
    names = {
        str: "string",
        int: "integer",
        float: "number",
        bool: "boolean",
    }
    return {**names, datetime: "ISO 8601 time with zone"}[kind]


def label(kind: type, page: str) -> str:
    """The label of a type's table on a page."""
    return f"{page}-{kind.__name__.lower()}"


def nested(kind: Any) -> Iterator[type]:
    """The dataclasses that a dataclass is made of, itself first."""
    if is_dataclass(kind) and isinstance(kind, type):
        yield kind
        hints = typing.get_type_hints(kind)
        for f in fields(kind):
            yield from nested(hints[f.name])
    for argument in typing.get_args(kind):
        yield from nested(argument)


def default_text(f: Field[Any]) -> str:
    """A field's default as JSON; dataclasses say theirs in their table."""
    if f.default is not MISSING:
        return f"``{json.dumps(codec.to_document(f.default))}``"
    if f.default_factory is MISSING:
        return "required"
    value = codec.to_document(f.default_factory())
    return "its defaults" if value else f"``{json.dumps(value)}``"


def list_table(header: list[str], rows: list[list[str]]) -> list[str]:
    """A list-table as lines of reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [header, *rows]:
        for index, cell in enumerate(row):
            lead = "   * - " if index == 0 else "     - "
            lines.append(lead + cell)
    return [*lines, ""]


def contract_lines(name: str, page: str, seen: set[type]) -> list[str]:
    """The reference of one document, without the types already seen."""
    lines: list[str] = []
    for kind in dict.fromkeys(nested(getattr(wire, name))):
        if kind in seen:
            continue
        seen.add(kind)
        hints = typing.get_type_hints(kind)
        lines += [f".. _{label(kind, page)}:", ""]
        lines += [kind.__name__, '"' * len(kind.__name__), ""]
        lines += [plain(inspect.getdoc(kind) or ""), ""]
        lines += list_table(
            ["Field", "Type", "Default"],
            [
                [
                    f"``{f.name}``",
                    type_name(hints[f.name], page),
                    default_text(f),
                ]
                for f in fields(kind)
            ],
        )
    return lines


def plain(docstring: str) -> str:
    """A docstring's prose without roles, which lead nowhere here."""
    text = " ".join(docstring.split())
    for role in (":class:`", ":func:`", ":mod:`"):
        head, *tails = text.split(role)
        for tail in tails:
            target, _, rest = tail.partition("`")
            head += f"``{target.lstrip('~').rpartition('.')[2]}``{rest}"
        text = head
    return text


def example(name: str) -> Any:
    """A document that the codec reads; fails the build if it does not."""
    vip = ip_address("198.51.100.10")
    front_end = ip_address("10.1.0.101")
    since = datetime(2026, 1, 1, tzinfo=UTC)
    sockets = (
        wire.ListenerSocket(
            listener_id="6b0f9bc6-listener", ip_address=vip, port=80
        ),
    )
    desired = wire.DesiredState(
        amphora_id="b7a1d2e0-amphora",
        revision="9f2c",
        router_id="57.12.8.4",
        load_balancer_id="51c7a1f2-load-balancer",
        speakers=(_speaker(),),
        vips=(
            wire.VipState(
                vip_ip=vip,
                nexthop_ip=front_end,
                load_balancer_id="51c7a1f2-load-balancer",
                intent=wire.Intent.ADVERTISE,
            ),
        ),
        frontend=wire.Frontend(
            mac_address="fa:16:3e:00:00:01",
            mtu=1500,
            addresses=(
                wire.FrontendAddress(
                    ip_address=front_end,
                    prefix_length=24,
                    gateway=ip_address("10.1.0.1"),
                ),
            ),
        ),
        listeners=sockets,
    )
    report = wire.Report(
        amphora_id=desired.amphora_id,
        digest=codec.digest(desired),
        revision=desired.revision,
        gate=wire.GateReport(
            state=wire.GateState.UP, reason="every probe is good", since=since
        ),
        speaker_is_running=True,
        frontend_is_up=True,
        listeners=sockets,
        sessions=(
            wire.SessionReport(
                peer_id="leaf1",
                peer_ip=ip_address("172.31.0.11"),
                state=bgp.SessionState.ESTABLISHED,
                since=since,
            ),
        ),
        paths=(
            wire.PathReport(
                vip_ip=vip,
                nexthop_ip=front_end,
                peer_id="leaf1",
                state=wire.PathState.ADVERTISED,
                reason="",
            ),
        ),
        connections={str(vip): 12},
    )
    document = {"DesiredState": desired, "Report": report}[name]
    text = json.loads(json.dumps(codec.to_document(document)))
    assert READERS[name](text) == document, f"{name} is not read back"
    return text


def _speaker() -> bgp.Speaker:
    return bgp.Speaker(
        id="speaker-v4",
        ip_version=4,
        local_as=bgp.Asn(65100),
        peers=(
            bgp.Peer(
                id="leaf1",
                name="leaf1",
                peer_ip=ip_address("172.31.0.11"),
                remote_as=bgp.Asn(65001),
                auth_type=bgp.AuthType.MD5,
                password="not-a-secret",
                ttl_hops=1,
                hold_time=3,
                keepalive_interval=1,
                availability_zone="rack1",
            ),
        ),
    )


def tables() -> list[Table]:
    """Our tables, by name."""
    return list(models.Base.metadata.sorted_tables)


def tables_lines() -> list[str]:
    """The reference of the tables."""
    prose = {
        mapper.local_table.name: plain(inspect.getdoc(mapper.class_) or "")
        for mapper in models.Base.registry.mappers
    }
    lines: list[str] = []
    for table in tables():
        lines += [table.name, '"' * len(table.name), ""]
        lines += [prose.get(table.name, ""), ""]
        rows = []
        for column in table.columns:
            keys = [] if column.nullable else ["not null"]
            keys += ["primary key"] if column.primary_key else []
            keys += [f"-> {k.target_fullname}" for k in column.foreign_keys]
            rows.append(
                [f"``{column.name}``", str(column.type), ", ".join(keys)]
            )
        lines += list_table(["Column", "Type", "Key"], rows)
    return lines


def metrics_lines(source: str) -> list[str]:
    """The reference of the metrics about the deployment, or the process."""
    return list_table(
        ["Metric", "Labels", "What it is", "When it moves"],
        [
            [
                f"``{family.name}`` ({family.type}; {family.unit})",
                labels_text(family),
                escaped(family.text),
                escaped(family.action),
            ]
            for family in FAMILIES
            if family.source == source
        ],
    )


def labels_text(family: Family) -> str:
    """The labels of a metric, each with what it may be."""
    texts = (
        f"``{name}``: {escaped(text)}" for name, text in family.labels.items()
    )
    return ". ".join(texts) or "none"


def escaped(text: str) -> str:
    """A text in which nothing is markup."""
    return re.sub(r"([*`|_\\])", r"\\\1", text)


class _Generated(Directive):
    """Parses the lines that a subclass makes."""

    def lines(self) -> list[str]:
        """What stands in place of the directive."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse them, with their section titles."""
        content = StringList(self.lines(), source="generated")
        holder = nodes.section()
        holder.document = self.state.document
        self.state.nested_parse(content, 0, holder, match_titles=True)
        return list(holder.children)


class Contract(_Generated):
    """``.. contract:: NAME``"""

    required_arguments = 1

    def lines(self) -> list[str]:
        """The fields of a document; each type once per page."""
        env = self.state.document.settings.env
        seen = env.temp_data.setdefault("contract-types", set())
        page = env.docname.rpartition("/")[2]
        return contract_lines(self.arguments[0], page, seen)


class ContractExample(_Generated):
    """``.. contract-example:: NAME``"""

    required_arguments = 1

    def lines(self) -> list[str]:
        """A literal block of JSON."""
        text = json.dumps(example(self.arguments[0]), indent=2)
        return [
            ".. code-block:: json",
            "",
            *(f"   {line}" for line in text.splitlines()),
            "",
        ]


class DatabaseTables(_Generated):
    """``.. database-tables::``"""

    def lines(self) -> list[str]:
        """Every table of ours."""
        return tables_lines()


class Metrics(_Generated):
    """``.. metrics:: SOURCE``"""

    required_arguments = 1

    def lines(self) -> list[str]:
        """Every metric of this source."""
        return metrics_lines(self.arguments[0])


def setup(app: Any) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("contract", Contract)
    app.add_directive("contract-example", ContractExample)
    app.add_directive("database-tables", DatabaseTables)
    app.add_directive("metrics", Metrics)
    return {"parallel_read_safe": True}
