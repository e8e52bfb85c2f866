# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Run load generators in a client namespace and collect what they saw."""

import collections.abc
import contextlib
import dataclasses
import itertools
import os
import pathlib
import sys

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import held, http_probe, traffic_record

_SHARES_TIMEOUT_SECONDS = 300.0
_START_DEADLINE_SECONDS = 10.0
_HELD_DEADLINE_SECONDS = 60.0
_serial = itertools.count(1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """A load generator which runs in the client's namespace."""

    lab: settings.Lab
    registry: registry_lib.Registry
    label: str
    record: pathlib.Path
    grace_seconds: float

    def records(self) -> tuple[traffic_record.Record, ...]:
        """What it has recorded until now."""
        return traffic_record.parse(self.record.read_text("utf-8"))

    def stop(self) -> tuple[traffic_record.Record, ...]:
        """End it; returns all records.

        :raises RuntimeError: it ended before, by itself: what it saw then
            proves nothing about now.
        """
        was_alive = process.is_alive(self.registry, self.label)
        process.stop(self.registry, self.label, self.grace_seconds)
        if not was_alive:
            raise RuntimeError(f"{self.label} had ended already")
        return self.records()


def shares(
    lab: settings.Lab,
    target: http_probe.Target,
    count: int,
    concurrency: int = 50,
) -> tuple[traffic_record.Record, ...]:
    """Make new connections, wait for the end, return a record of each."""
    record = _record_path(lab, "shares")
    argv = _argv("shares", target, record)
    argv += ["--count", str(count), "--concurrency", str(concurrency)]
    netns.run(
        lab.namespace(settings.CLIENT),
        argv,
        timeout_seconds=_SHARES_TIMEOUT_SECONDS,
    )
    return traffic_record.parse(record.read_text("utf-8"))


def start_stream(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    target: http_probe.Target,
    rate: float,
    seconds: float = 120.0,
) -> Generator:
    """Start a steady stream of new connections; returns once it flows."""
    arguments = ["--rate", str(rate), "--seconds", str(seconds)]
    return _start(lab, registry, "stream", target, arguments)


def start_keepalive(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    target: http_probe.Target,
    flows: int,
    seconds: float = 120.0,
    interval_seconds: float = 0.2,
) -> Generator:
    """Start long-lived connections; returns once each has been answered.

    Each asks again every interval.

    :raises TimeoutError: not all of them could be opened.
    """
    arguments = ["--flows", str(flows), "--seconds", str(seconds)]
    arguments += ["--interval", str(interval_seconds)]
    generator = _start(lab, registry, "keepalive", target, arguments)
    process.wait_until(
        lambda: (
            traffic_record.summarize_flows(generator.records()).flows >= flows
        ),
        _START_DEADLINE_SECONDS,
        f"{flows} flows",
    )
    return generator


def start_held(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    places: collections.abc.Iterable[held.Place],
    flows: int,
    seconds: float,
) -> Generator:
    """Start up to 10,000 long-lived connections, evenly to these places.

    Returns once each has been answered or is broken.

    :raises TimeoutError: some did neither.
    """
    record = _record_path(lab, "held")
    argv = [sys.executable, "-m", held.__name__, "--record", str(record)]
    argv += ["--flows", str(flows), "--seconds", str(seconds)]
    for place in places:
        kind = "--tcp" if place.is_tcp else "--http"
        argv += [kind, place.address, str(place.port)]
    generator = _spawn(lab, registry, record, argv, held.TIMEOUT_SECONDS)
    process.wait_until(
        lambda: (
            traffic_record.summarize_flows(generator.records()).flows >= flows
        ),
        _HELD_DEADLINE_SECONDS,
        f"{flows} flows",
        1.0,
    )
    return generator


@contextlib.contextmanager
def streaming(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    target: http_probe.Target,
    rate: float,
    seconds: float = 120.0,
) -> collections.abc.Iterator[Generator]:
    """A stream for the length of a block, stopped even if that fails.

    Call ``stop`` inside of the block for the records.
    """
    generator = start_stream(lab, registry, target, rate, seconds)
    try:
        yield generator
    finally:
        process.stop(registry, generator.label, generator.grace_seconds)


def _start(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    mode: str,
    target: http_probe.Target,
    arguments: list[str],
) -> Generator:
    record = _record_path(lab, mode)
    argv = [*_argv(mode, target, record), *arguments]
    return _spawn(lab, registry, record, argv, target.timeout_seconds)


def _spawn(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    record: pathlib.Path,
    argv: list[str],
    timeout_seconds: float,
) -> Generator:
    """Start one in the client's namespace; returns once it recorded."""
    generator = Generator(
        lab=lab,
        registry=registry,
        label=f"traffic-{record.stem}",
        record=record,
        grace_seconds=timeout_seconds + 5.0,
    )
    process.spawn(
        registry,
        generator.label,
        argv,
        namespace=lab.namespace(settings.CLIENT),
        log=lab.log_dir / f"{record.stem}.log",
    )
    process.wait_until(
        lambda: record.exists() and record.stat().st_size > 0,
        _START_DEADLINE_SECONDS,
        f"{record.stem} flows",
    )
    return generator


def _record_path(lab: settings.Lab, mode: str) -> pathlib.Path:
    directory = lab.run_dir / "traffic"
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{mode}-{os.getpid()}-{next(_serial)}.jsonl"


def _argv(
    mode: str, target: http_probe.Target, record: pathlib.Path
) -> list[str]:
    argv = [
        sys.executable,
        "-m",
        "octavia_anycast_lab.traffic.generators",
        mode,
    ]
    argv += [target.address, str(target.port), "--record", str(record)]
    argv += ["--path", target.path, "--host", target.host]
    argv += ["--expected-status", str(target.expected_status)]
    argv += ["--timeout", str(target.timeout_seconds)]
    return [*argv, "--tls"] if target.is_tls else argv
