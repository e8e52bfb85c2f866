# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's compute, image, volume and network drivers, for checks only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from octavia.common import exceptions as octavia_exceptions
from octavia.network import base as network_base
from oslo_config import cfg
from stevedore import driver as stevedore_driver

from octavia_anycast.model.errors import InvalidRequest


def compute() -> Any:
    """The configured compute driver."""
    return _load("octavia.compute.drivers", "compute_driver")


def image() -> Any:
    """The configured image driver."""
    return _load("octavia.image.drivers", "image_driver")


def volume() -> Any:
    """The configured volume driver."""
    return _load("octavia.volume.drivers", "volume_driver")


@contextmanager
def blaming(key: str) -> Iterator[None]:
    """Turn a driver's complaint into one about this key.

    :raises InvalidRequest: naming the key.
    """
    try:
        yield
    except (
        octavia_exceptions.OctaviaException,
        octavia_exceptions.APIException,
        network_base.NetworkException,
    ) as e:
        raise InvalidRequest(key, str(e)) from e


def _load(namespace: str, option: str) -> Any:
    return stevedore_driver.DriverManager(
        namespace=namespace,
        name=getattr(cfg.CONF.controller_worker, option),
        invoke_on_load=True,
    ).driver
