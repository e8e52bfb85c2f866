# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Filters, order and pages of a list, with Octavia's query arguments.

Octavia's PaginationHelper has parsed them. It is not asked to apply them:
it knows neither our columns' types nor several values of one filter, takes
the wrong end of a list when it pages backwards, and forgets the filters in
its links. What it would do is done by :mod:`octavia_anycast.db.listing`, or
here for a list that is not made of rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

from octavia.api.common import types
from octavia.common import constants
from oslo_config import cfg
from oslo_utils import strutils
from pecan import request

from octavia_anycast.db.listing import MARKER, Request
from octavia_anycast.model.errors import InvalidRequest

Item = TypeVar("Item")
Order = Sequence[tuple[str, bool]]  # attribute, whether descending
REVERSE = "page_reverse"
# Octavia ignores them for what has no tags.
TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")
ARGUMENTS = frozenset(
    ("limit", MARKER, "sort", "sort_key", "sort_dir", "fields", REVERSE)
)


def requested() -> Request:
    """What the query of the current request asks for."""
    helper = request.context[constants.PAGINATION_HELPER]
    settings = cfg.CONF.api_settings
    filters = {}
    if settings.allow_filtering:
        filters = {
            name: tuple(value) if isinstance(value, list) else (value,)
            for name, value in helper.params.items()
            if name not in ARGUMENTS
        }
    order = helper.sort_keys if settings.allow_sorting else ()
    is_paged = settings.allow_pagination
    return Request(
        filters=filters,
        order=tuple((key, way == constants.DESC) for key, way in order),
        marker=helper.marker if is_paged else None,
        limit=helper.limit if is_paged else None,
        is_reverse=is_paged and strutils.bool_from_string(helper.page_reverse),
    )


def without_tags(wanted: Request) -> Request:
    """The same, for a list of Octavia's whose items have no tags."""
    filters = {n: v for n, v in wanted.filters.items() if n not in TAGS}
    return replace(wanted, filters=filters)


def links(wanted: Request, ids: Sequence[str]) -> list[types.PageType] | None:
    """Links to the pages before and after; None if there are no pages.

    As in Octavia, a full page is taken to have a next one.
    """
    settings = cfg.CONF.api_settings
    if not settings.allow_pagination:
        return None
    found = []
    if ids and wanted.marker is not None:
        found.append(_link("previous", ids[0], is_reverse=True))
    if ids and wanted.limit is not None and len(ids) >= wanted.limit:
        found.append(_link("next", ids[-1], is_reverse=False))
    return found


def cut(
    items: list[Item],
    wanted: Request,
    readers: Mapping[str, Callable[[Item], Any]],
) -> list[Item]:
    """A page of a list in memory.

    :param readers: attribute -> function that reads it; must have "id"
    :raises InvalidRequest: naming an attribute that is not in ``readers``,
        or a marker that is not in the list.
    """
    for name, texts in wanted.filters.items():
        if name not in readers:
            raise InvalidRequest(name, "the list cannot be filtered by it")
        items = [i for i in items if _text(readers[name](i)) in texts]
    for name, _ in wanted.order:
        if name not in readers:
            raise InvalidRequest("sort", f"there is no attribute {name!r}")
    items = in_order(items, wanted.order, lambda i, name: readers[name](i))
    if wanted.marker is not None:
        ids = [readers["id"](item) for item in items]
        if wanted.marker not in ids:
            raise InvalidRequest(
                MARKER, f"there is no {wanted.marker!r} in the list"
            )
        at = ids.index(wanted.marker)
        items = items[:at] if wanted.is_reverse else items[at + 1 :]
    return limited(items, wanted)


def in_order(
    items: list[Item], order: Order, read: Callable[[Item, str], Any]
) -> list[Item]:
    """Sort by attributes; null comes first, as in the database."""
    for name, is_descending in reversed(order):
        key = partial(_nulls_first, read, name)
        items = sorted(items, key=key, reverse=is_descending)
    return items


def _nulls_first(
    read: Callable[[Item, str], Any], name: str, item: Item
) -> tuple[bool, Any]:
    value = read(item, name)
    return (value is not None, value)


def limited(items: list[Item], wanted: Request) -> list[Item]:
    """The part of a list that makes a page, if it may have one."""
    if wanted.limit is None:
        return items
    if wanted.is_reverse:
        return items[-wanted.limit :]
    return items[: wanted.limit]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _link(rel: str, marker: str, *, is_reverse: bool) -> types.PageType:
    base = cfg.CONF.api_settings.api_base_uri
    path = f"{base.rstrip('/')}{request.path}" if base else request.path_url
    query = [
        (name, value)
        for name, value in request.params.items()
        if name not in (MARKER, REVERSE)
    ]
    query.append((MARKER, marker))
    if is_reverse:
        query.append((REVERSE, "True"))
    return types.PageType(rel=rel, href=f"{path}?{urlencode(query)}")
