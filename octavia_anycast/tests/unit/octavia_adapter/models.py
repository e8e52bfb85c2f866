# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Trees of data models that are in no database."""

from typing import Any

from octavia_anycast.model.load_balancer import LoadBalancerTree
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    snapshot,
)

_MODELS: dict[str, Any] = {}


def tree_of(load_balancer: Any) -> LoadBalancerTree:
    """Make the tree of a data model, which is kept."""
    tree = snapshot(load_balancer)
    _MODELS[tree.revision] = load_balancer
    return tree


def model_of(tree: LoadBalancerTree) -> Any:
    """The data model of this content that was last made a tree of."""
    return _MODELS[tree.revision]
