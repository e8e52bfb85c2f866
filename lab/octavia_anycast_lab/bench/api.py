# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What our part of the API costs beside Octavia's own calls.

Over the services' unix sockets, a connection for each request, as everywhere
in the lab. Ours and the peer alternate within each run.
"""

import collections.abc
import statistics
import time

from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import api_rows, result, world
from octavia_anycast_lab.cloud import controller, database, stock
from octavia_anycast_lab.host import process

RUNS = 5
_LISTS_IN_A_RUN = 5
_SHOWS_IN_A_RUN = 40
_PAIRS_IN_A_RUN = 10
_PAGE = 100
_SETTLED_SECONDS = 30.0
_DISTRIBUTORS = "/v2/lbaas/distributors"
_PROFILES = "/v2/lbaas/flavorprofiles"
_BALANCERS = "/v2/lbaas/loadbalancers"

LIST_DISTRIBUTORS = result.Question(
    name="api_list_100_of_1000_distributors",
    unit="ms",
    expected="40-80 ms against 30-60 ms for flavor profiles: more tables and "
    "counts, none of them per row",
)
LIST_PATHS = result.Question(
    name="api_list_100_of_1000_paths",
    unit="ms",
    expected="40-100 ms: 250 reports are read and decoded for each page",
)
LIST_QUERIES = result.Question(
    name="api_list_queries_1000_against_10_distributors",
    unit="queries/page",
    expected="8-15 for a page of 10 and the same for one of 1000",
    target=result.Target(quantity="ratio", limit=1.0),
)
PATH_QUERIES = result.Question(
    name="api_list_queries_1000_against_10_paths",
    unit="queries/page",
    expected="6-10, the same for each size of a page",
    target=result.Target(quantity="ratio", limit=1.0),
)
DISTRIBUTOR = result.Question(
    name="api_distributor_create_delete_calls",
    unit="ms",
    expected="50-90 ms against 50-80 ms for a flavor profile: two calls each",
    target=result.Target(quantity="ratio", limit=1.1),
)
DISTRIBUTOR_DONE = result.Question(
    name="api_distributor_until_active_and_until_gone",
    unit="s",
    expected="0.5-1.5 s: two polls of the controller",
)
SHOW = result.Question(
    name="api_load_balancer_show",
    unit="ms",
    expected="15-30 ms against 14-28 ms: one query more",
    target=result.Target(quantity="ratio", limit=1.1),
)


def measure_lists(lab: world.World) -> tuple[result.Result, ...]:
    """Pages of a thousand distributors and of a thousand paths."""
    before = result.load()
    controller.stop(lab.registry)
    try:
        with api_rows.filled(lab.plane) as busy:
            paths = f"{_DISTRIBUTORS}/{busy}/paths"
            return (
                _times(lab, LIST_DISTRIBUTORS, _DISTRIBUTORS, before),
                _times(lab, LIST_PATHS, paths, before),
                _queries(lab, LIST_QUERIES, _DISTRIBUTORS, before),
                _queries(lab, PATH_QUERIES, paths, before),
            )
    finally:
        controller.start(lab.plane, lab.registry)


def _times(
    lab: world.World, question: result.Question, path: str, before: float
) -> result.Result:
    """A page of ours against a page of Octavia's flavor profiles."""
    runs = []
    for _ in range(RUNS):
        ours, peer = _alternating(
            _LISTS_IN_A_RUN,
            lambda: _get(lab, f"{path}?limit={_PAGE}", _PAGE),
            lambda: _get(lab, f"{_PROFILES}?limit={_PAGE}", _PAGE),
        )
        runs.append(result.Run(ours=ours, peer=peer))
    return _said(lab, question.answer(runs, before))


def _get(lab: world.World, path: str, count: int) -> None:
    answer = lab.api.get(rest.LOAD_BALANCER, path)
    (found,) = (v for k, v in answer.items() if not k.endswith("_links"))
    if len(found) != count:
        raise RuntimeError(f"{path}: {len(found)} instead of {count}")


def _queries(
    lab: world.World, question: result.Question, path: str, before: float
) -> result.Result:
    """Queries for a page of 1,000 against a page of 10: of all services."""
    runs = []
    for _ in range(RUNS):
        counts = [_counted(lab, path, size) for size in (api_rows.COUNT, 10)]
        runs.append(result.Run(ours=float(counts[0]), peer=float(counts[1])))
    return _said(lab, question.answer(runs, before))


def _counted(lab: world.World, path: str, size: int) -> int:
    """What the database was asked for one page, by whomever.

    The least of three: a token may be checked anew, a connection be opened.
    """
    found = []
    for _ in range(3):
        earlier = _selects(lab)
        _get(lab, f"{path}?limit={size}", size)
        found.append(_selects(lab) - earlier)
    return min(found)


def _selects(lab: world.World) -> int:
    """SELECTs since the start; asking is not one."""
    text = database.query(
        lab.plane, "octavia", "SHOW GLOBAL STATUS LIKE 'Com_select'"
    )
    return int(text.split()[-1])


def measure_distributor(lab: world.World) -> tuple[result.Result, ...]:
    """Create and delete: a distributor against a flavor profile."""
    before = result.load()
    calls, whole = [], []
    for turn in range(RUNS):
        ours, done, peer = [], [], []
        for number in range(_PAIRS_IN_A_RUN):
            name = f"bench-{turn}-{number}"
            call_seconds, done_seconds = _distributor(lab, name)
            ours.append(call_seconds * 1000)
            done.append(done_seconds)
            peer.append(_profile(lab, name) * 1000)
        calls.append(
            result.Run(
                ours=statistics.median(ours), peer=statistics.median(peer)
            )
        )
        whole.append(result.Run(ours=statistics.median(done)))
    return (
        _said(lab, DISTRIBUTOR.answer(calls, before)),
        _said(lab, DISTRIBUTOR_DONE.answer(whole, before)),
    )


def _distributor(lab: world.World, name: str) -> tuple[float, float]:
    """Seconds of the two calls; seconds until ACTIVE and until gone."""
    body = {"distributor": {"name": name, "distributor_type": "L3_BGP"}}
    began = time.monotonic()
    made = lab.api.request("POST", rest.LOAD_BALANCER, _DISTRIBUTORS, body)
    created = time.monotonic()
    path = f"{_DISTRIBUTORS}/{made['distributor']['id']}"
    process.wait_until(
        lambda: _status(lab, path) == "ACTIVE", _SETTLED_SECONDS, path, 0.02
    )
    active = time.monotonic()
    lab.api.request("DELETE", rest.LOAD_BALANCER, path)
    deleted = time.monotonic()
    process.wait_until(
        lambda: _status(lab, path) is None, _SETTLED_SECONDS, path, 0.02
    )
    calls = (created - began) + (deleted - active)
    return calls, time.monotonic() - began


def _status(lab: world.World, path: str) -> str | None:
    try:
        found = lab.api.get(rest.LOAD_BALANCER, path)
    except rest.ApiError as error:
        if error.status != 404:
            raise
        return None
    return str(found["distributor"]["provisioning_status"])


def _profile(lab: world.World, name: str) -> float:
    body = {
        "flavorprofile": {
            "name": name,
            "provider_name": "anycast",
            "flavor_data": '{"cluster_size": 2}',
        }
    }
    began = time.monotonic()
    made = lab.api.request("POST", rest.LOAD_BALANCER, _PROFILES, body)
    identifier = made["flavorprofile"]["id"]
    lab.api.request("DELETE", rest.LOAD_BALANCER, f"{_PROFILES}/{identifier}")
    return time.monotonic() - began


def measure_show(lab: world.World) -> tuple[result.Result, ...]:
    """One load balancer of ours, through our root and Octavia's own."""
    before = result.load()
    runs = []
    with lab.stock(), lab.serving(1, "bench-show") as balancer:
        path = f"{_BALANCERS}/{balancer.id}"
        for _ in range(RUNS):
            ours, peer = _alternating(
                _SHOWS_IN_A_RUN,
                lambda: lab.api.get(rest.LOAD_BALANCER, path),
                lambda: lab.api.get(stock.API_LABEL, path),
            )
            runs.append(result.Run(ours=ours, peer=peer))
    return (_said(lab, SHOW.answer(runs, before)),)


def _alternating(
    count: int,
    ours: collections.abc.Callable[[], object],
    peer: collections.abc.Callable[[], object],
) -> tuple[float, float]:
    """Medians in milliseconds; the first of each is not counted."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(count + 1):
        for kind, call in enumerate((ours, peer)):
            began = time.perf_counter()
            call()
            taken[kind].append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[0][1:]), statistics.median(taken[1][1:])


def _said(lab: world.World, answer: result.Result) -> result.Result:
    peer = "" if answer.peer is None else f", peer {answer.peer:.3g}"
    lab.say(f"{answer.name}: {answer.ours:.3g} {answer.unit}{peer}")
    return answer
