# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Filters, order and pages of a list, with Octavia's query arguments.

Octavia applies them to a query of its own models. Distributors are few, so
here they are applied to the list.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from octavia.common import exceptions
from oslo_config import cfg
from oslo_utils import strutils

Item = TypeVar("Item")
ARGUMENTS = frozenset(
    (
        "limit",
        "marker",
        "sort",
        "sort_key",
        "sort_dir",
        "fields",
        "page_reverse",
    )
)


def page_of(
    items: list[Item],
    helper: Any,
    readers: dict[str, Callable[[Item], Any]],
) -> tuple[list[Item], Any]:
    """Filter and sort items and cut out a page.

    :param helper: Octavia's PaginationHelper, which has parsed the query
    :param readers: attribute -> function that reads it; must have "id"
    :raises APIException: 400 for an unknown argument, key or marker
    :return: the page, and the links to those before and after it
    """
    settings = cfg.CONF.api_settings
    if settings.allow_filtering:
        items = _filtered(items, helper.params, readers)
    if settings.allow_sorting:
        items = _sorted(items, helper.sort_keys, readers)
    if not settings.allow_pagination:
        return items, None
    page = _cut(items, helper, readers["id"])
    links = helper._make_links([{"id": readers["id"](i)} for i in page])
    return page, links


def _filtered(
    items: list[Item],
    params: dict[str, Any],
    readers: dict[str, Callable[[Item], Any]],
) -> list[Item]:
    wanted = {k: v for k, v in params.items() if k not in ARGUMENTS}
    if not set(wanted) <= set(readers):
        raise exceptions.InvalidFilterArgument()
    return [
        item
        for item in items
        if all(
            _matches(readers[key](item), value)
            for key, value in wanted.items()
        )
    ]


def _matches(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return any(_matches(value, one) for one in wanted)
    if isinstance(value, bool):
        try:
            is_true: bool = strutils.bool_from_string(wanted, strict=True)
        except ValueError as e:
            raise exceptions.InvalidFilterArgument() from e
        return value is is_true
    return str(value) == str(wanted)


def _sorted(
    items: list[Item],
    sort_keys: list[tuple[str, str]],
    readers: dict[str, Callable[[Item], Any]],
) -> list[Item]:
    for key, direction in reversed(sort_keys):
        if key not in readers:
            raise exceptions.InvalidSortKey(key=key)
        items = sorted(items, key=readers[key], reverse=direction == "desc")
    return items


def _cut(
    items: list[Item], helper: Any, read_id: Callable[[Item], Any]
) -> list[Item]:
    is_reverse = strutils.bool_from_string(helper.page_reverse)
    if helper.marker is not None:
        ids = [read_id(item) for item in items]
        if helper.marker not in ids:
            raise exceptions.InvalidMarker(key=helper.marker)
        at = ids.index(helper.marker)
        items = items[:at] if is_reverse else items[at + 1 :]
    if helper.limit is None:
        return items
    return items[-helper.limit :] if is_reverse else items[: helper.limit]
