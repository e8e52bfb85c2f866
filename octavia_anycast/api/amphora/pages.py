# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Pages of the list of amphorae: Octavia's table and ours, merged.

Each table is asked for a whole page from the marker on, sorted by the same
attributes; the page is what comes first of the two.
"""

from dataclasses import replace
from typing import Any

from octavia_anycast.api.amphora.schema import of_ours, of_stock, with_vip
from octavia_anycast.api.declaration.listing import in_order, limited
from octavia_anycast.db import listing
from octavia_anycast.db.amphora import amphora_listing
from octavia_anycast.octavia_adapter.amphora import stock_amphorae

# attribute -> the same of the VIP
OF_VIPS = {"ha_ip": "ip_address", "ha_port_id": "port_id"}


def page(
    stock_session: Any, session: Any, wanted: listing.Request
) -> list[Any]:
    """A page of all amphorae; a constant number of queries.

    :raises InvalidRequest: naming a wrong attribute, value or marker.
    """
    columns = stock_amphorae.columns(stock_session)
    marker = _marker(stock_session, session, columns, wanted)
    ours = _ours(stock_session, session, wanted, marker)
    stock = listing.page(
        stock_session,
        stock_amphorae.MODEL,
        columns,
        wanted,
        stock_amphorae.EXISTS,
        marker_values=marker,
    )
    merged = limited(
        in_order(
            [of_stock(row) for row in stock] + [of_ours(one) for one in ours],
            listing.whole_order(columns, wanted.order),
            _read,
        ),
        wanted,
    )
    our_ids = {one.record.id for one in ours}
    vips = stock_amphorae.vips_of(
        stock_session,
        {one.loadbalancer_id for one in merged if one.id in our_ids},
    )
    return [
        with_vip(one, vips) if one.id in our_ids else one for one in merged
    ]


def _marker(
    stock_session: Any,
    session: Any,
    columns: dict[str, Any],
    wanted: listing.Request,
) -> tuple[Any, ...] | None:
    if wanted.marker is None:
        return None
    values = amphora_listing.marker_values(
        session, wanted
    ) or listing.values_of(stock_session, columns, wanted)
    if values is None:
        raise listing.no_marker(wanted.marker)
    return values


def _ours(
    stock_session: Any,
    session: Any,
    wanted: listing.Request,
    marker: tuple[Any, ...] | None,
) -> list[amphora_listing.ListedAmphora]:
    """Ours; a filter by VIP is one by the load balancers that have it."""
    found: frozenset[str] | None = None
    for name, column in OF_VIPS.items():
        if name in wanted.filters:
            those = stock_amphorae.with_vip(
                stock_session, column, wanted.filters[name]
            )
            found = those if found is None else found & those
    filters = {n: v for n, v in wanted.filters.items() if n not in OF_VIPS}
    return amphora_listing.page(
        session, replace(wanted, filters=filters), marker, found
    )


def _read(response: Any, name: str) -> Any:
    """Read what is sorted by; upper case is like lower, as in the database."""
    value = getattr(response, name, None)
    return value.casefold() if isinstance(value, str) else value
