# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The site over a real socket: files, documents, bad requests, readers."""

import gzip
import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from importlib import resources
from urllib.parse import urlsplit

import pytest

from octavia_anycast.controller import picture
from octavia_anycast.controller.picture.detail import Detail
from octavia_anycast.controller.picture.document import BYTES_MAX, encoded
from octavia_anycast.controller.picture.shared import (
    KEPT_SECONDS,
    Busy,
    Shared,
    Turn,
)
from octavia_anycast.controller.picture.site import POLICY
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.monitoring.picture import ShownContent
from octavia_anycast.testing.planted_picture import (
    UP,
    PlantedAmphora,
    PlantedPicture,
    id_of,
    listener,
    pool,
)
from octavia_anycast.tests.functional.controller.picture.conftest import (
    racks,
)

DEADLINE_SECONDS = 30
FILES = sorted(
    (resources.files(picture) / "files").iterdir(), key=lambda x: x.name
)
SCRIPTS = [one for one in FILES if one.name.endswith(".js")]


def ask(url, path="", method="GET", **headers):
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=DEADLINE_SECONDS)
    try:
        whole = path if path.startswith("/") else parts.path + path
        connection.request(method, whole, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.fixture
def url(busy):
    with busy.served() as found:
        yield found


@pytest.mark.parametrize("path", ["", "page.js", "overview.json", "nope"])
@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:9180",
        "127.0.0.1.attacker.example",
        "127.0.0.1@attacker.example",
        "2130706433",  # 127.0.0.1 as a browser may write it, as a name
        "localhost.attacker.example:9180",
        "[::1",
        ":9180",
        "x" * 300,
    ],
)
def test_a_page_from_elsewhere_reads_nothing(url, path, host):
    status, _, body = ask(url, path, Host=host)
    assert status == 421
    assert b"picture_hosts" in body


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "192.0.2.10:9180", "[2001:db8::1]:9180"),
        *("localhost:9180", "LOCALHOST.", socket.gethostname()),
        *("proxy.example", "Proxy.Example.:443"),
    ],
)
def test_addresses_and_the_operators_names_are_served(tmp_path, host):
    planted = PlantedPicture(tmp_path, picture_hosts=("proxy.example",))
    with planted.served() as url:
        assert ask(url, "overview.json", Host=host)[0] == 200


def test_metrics_are_served_by_any_name(url):
    """Prometheus knows its targets by whatever name; there is no page."""
    assert ask(url, "/metrics", Host="controller.example")[0] == 200


@pytest.mark.parametrize("name", ["", *(one.name for one in FILES)])
def test_each_file_is_served_with_the_policy(url, name):
    status, headers, body = ask(url, name)
    assert status == 200
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert b"SPDX" in body or name == "icon.svg"
    kinds = {
        "js": "text/javascript",
        "css": "text/css",
        "svg": "image/svg+xml",
    }
    kind = kinds.get(name.rpartition(".")[2], "text/html")
    assert headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/picture", 308),
        ("nothing", 404),
        ("../metrics", 404),
        ("../../../etc/passwd", 404),
        ("%2e%2e/detail.py", 404),
        ("files/page.js", 404),
        ("page.js/", 404),
        ("page.js?x=y", 200),
        ("/pictures/", 404),
        ("overview.json?id=" + "x" * 37, 400),
        ("cluster.json", 404),
        ("cluster.json?id=", 404),
        ("cluster.json?id=nobody", 404),
        ("cluster.json?id=%27%20OR%201%3D1", 400),
        ("cluster.json?id=%00", 400),
        ("cluster.json?id[]=1&&&=%ff", 404),
        ("events.json?id=<script>", 400),
        ("events.json?id=nobody", 200),
        ("overview.json", 200),
    ],
)
def test_what_is_answered(url, path, status):
    found, headers, body = ask(url, path)
    assert found == status
    assert b"Traceback" not in body
    if status == 308:
        assert headers["Location"] == "picture/"


@pytest.mark.parametrize("path", ["", "overview.json", "page.js"])
def test_it_can_only_be_read(url, path):
    assert ask(url, path, "POST")[0] == 405
    status, headers, body = ask(url, path, "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 100


def test_a_document_is_packed_for_who_takes_it(url):
    plain = ask(url, "overview.json")
    packed = ask(url, "overview.json", **{"Accept-Encoding": "gzip"})
    assert packed[1]["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed[2])) == json.loads(plain[2])


def test_many_readers_are_answered_and_the_rows_read_once(busy):
    made = []
    site = busy.site()
    busy.site = lambda: site
    answer = busy.shown.all
    busy.shown.all = lambda: made.append(1) or answer()
    with busy.served() as url:
        assert ask(url, "overview.json")[0] == 200
        made.clear()
        step = busy.seconds
        # Time stands still from here on.
        type(busy).seconds = property(lambda _: step, lambda *_: None)
        try:
            with ThreadPoolExecutor(32) as pool_:
                found = list(
                    pool_.map(lambda _: ask(url, "overview.json"), range(1000))
                )
        finally:
            del type(busy).seconds
    assert {status for status, _, _ in found} == {200}
    assert len({body for _, _, body in found}) == 1
    assert made == []


def test_a_database_that_is_down_is_said(busy):
    def fail():
        raise Retryable("Octavia's database cannot be used")

    with busy.served() as url:
        assert ask(url, "overview.json")[0] == 200
        busy.shown.all = fail
        status, headers, body = ask(url, "overview.json")
        assert status == 503
        assert headers["Retry-After"] == "1"
        assert body == b"The data cannot be read just now: ask again.\n"


def test_while_a_document_is_made_others_get_the_one_before():
    clock = [0.0]
    made = []
    may_go_on, begun = threading.Event(), threading.Event()
    may_go_on.set()

    def make(key):
        begun.set()
        assert may_go_on.wait(DEADLINE_SECONDS)
        made.append(key)
        return f"{key}{len(made)}"

    shared = Shared(make, 2, Turn(), lambda: clock[0])
    assert shared.get("a") == "a1"
    assert shared.get("a") == "a1"
    clock[0] += KEPT_SECONDS[0]
    may_go_on.clear()
    begun.clear()
    with ThreadPoolExecutor(1) as one:
        slow = one.submit(shared.get, "a")
        assert begun.wait(DEADLINE_SECONDS)
        assert shared.get("a") == "a1"
        may_go_on.set()
        assert slow.result(DEADLINE_SECONDS) == "a2"
    assert shared.get("b") == "b3"
    assert shared.get("c") == "c4"
    assert shared.get("b") == "b3"
    assert shared.get("a") == "a5"  # it was the oldest of three


def test_one_waits_and_the_next_is_told_to_come_again():
    turn = Turn()
    assert turn.take(waits=True)
    shared = Shared(str, 2, turn, lambda: 0.0)
    assert not turn.take(waits=False)
    with ThreadPoolExecutor(1) as one:
        waits = one.submit(shared.get, "a")
        while not turn._waiting.locked():
            assert not waits.done()
        with pytest.raises(Busy):
            shared.get("b")
        turn.give_back()
        assert waits.result(DEADLINE_SECONDS) == "a"


def test_what_takes_long_is_kept_longer():
    clock = [0.0]
    made = []

    def make(key):
        made.append(key)
        clock[0] += 1.0
        return len(made)

    shared = Shared(make, 2, Turn(), lambda: clock[0])
    assert shared.get("a") == 1
    clock[0] += 4.9
    assert shared.get("a") == 1
    clock[0] += 0.2
    assert shared.get("a") == 2


def test_details_of_tenants_are_shown_if_that_is_allowed(tmp_path):
    for is_allowed in (False, True):
        folder = tmp_path / str(is_allowed)
        folder.mkdir()
        planted = PlantedPicture(folder, picture_tenant_details=is_allowed)
        servers = pool("servers", [("alpha", "ONLINE")])
        owner = planted.add_balancer(
            "web",
            racks("web"),
            content=ShownContent(
                pools=(servers,),
                listeners=(listener("http", [servers]),),
                pool_count=1,
                listener_count=1,
            ),
        )
        with planted.served() as url:
            text = ask(url, f"cluster.json?id={owner}")[2].decode()
        found = json.loads(text)
        assert ("192.0.2.1" in text) == is_allowed
        assert ("8080" in text) == is_allowed
        assert ("protocol" in text) == is_allowed
        (member,) = found["pools"][0]["members"]
        assert member["name"] == "alpha"
        assert found["listeners"][0]["pools"] == [servers.id]


def test_a_large_cluster_fits(planted):
    """64 amphorae, each with 64 routers, and a thousand members."""
    routers = [f"r{number}" for number in range(64)]
    with planted.together():
        for number, router in enumerate(routers):
            planted.add_router(router, 10 + number, None)
    many = [
        PlantedAmphora(
            name=f"big{number}",
            zone="\u2028" * 255,
            sessions=dict.fromkeys(routers, UP),
            gate_reason="\x01" * 200,
        )
        for number in range(64)
    ]
    pools = tuple(
        pool(f"p{n}", [("\x02" * 255, "ONLINE")] * 40) for n in range(40)
    )
    owner = planted.add_balancer(
        "big",
        many,
        content=ShownContent(pools=pools, pool_count=40, listener_count=0),
    )
    found = Detail(planted.world, planted.shown, dict).make(owner)
    assert len(found["amphorae"]) == 64
    assert len(encoded(found)) <= BYTES_MAX


def test_a_distributors_own_amphorae_have_details_too(planted):
    with planted.database.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE anycast_distributor SET dedicated_count = 1"
        )
    found = Detail(planted.world, planted.shown, dict).make(
        id_of("distributor")
    )
    assert found["is_distributor"]
    assert found["amphorae"] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda x: x.name)
def test_scripts_keep_to_the_rules(script):
    """Names are people's: nothing makes HTML or code of a text."""
    text = script.read_text()
    names = {one.name for one in FILES}
    assert text.startswith("// SPDX-License-Identifier: Apache-2.0\n")
    assert max(map(len, text.splitlines())) < 80
    assert text.count("\n") < 350
    for forbidden in (
        r"\binnerHTML\b|\bouterHTML\b|insertAdjacentHTML|\bsrcdoc\b",
        r"document\.write|\beval\b|new Function|DOMParser|\bimport\(",
        r"createContextualFragment|setAttribute\(\s*[\"']on|\.style\b",
        r"setTimeout\(\s*[\"'`]|localStorage|\bcookie\b",
        r"https?://(?!www\.w3\.org/2000/svg\")",
        r"\bvar\b|==(?<!===)(?!=)(?<!!==)",
        r"\t|[ \t]+$",
    ):
        found = re.findall(forbidden, text, re.MULTILINE)
        assert not found, (script.name, forbidden, found)
    for module in re.findall(r'from "\./([^"]+)"', text):
        assert module in names


def test_the_page_has_nothing_inline():
    text = next(x for x in FILES if x.name == "page.html").read_text()
    assert not re.search(r"<style|style=|\son\w+=|https?:", text)
    assert re.findall(r"<script([^>]*)>(.*?)</script>", text) == [
        (' type="module" src="page.js"', "")
    ]
