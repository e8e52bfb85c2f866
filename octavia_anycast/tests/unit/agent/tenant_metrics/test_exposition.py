# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The text format: what is taken, refused, labelled and put together."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from octavia_anycast.agent.tenant_metrics import exposition
from octavia_anycast.agent.tenant_metrics.exposition import Malformed

GOOD = (
    "# HELP octavia_pool_sessions_total Sessions, in \\\\ and {all}.\n"
    "# TYPE octavia_pool_sessions_total counter\n"
    'octavia_pool_sessions_total{pool="p:l"} 7\n'
    'octavia_pool_sessions_total{pool="a \\"b\\" \\\\ } 1,x=\\n"} 8\n'
    "# TYPE octavia_loadbalancer_cpu gauge\n"
    "octavia_loadbalancer_cpu 1.5\n"
)
LABELS = {"amphora": "a-1", "zone": 'rack "1"\n\\'}


def understood(body):
    """Name -> type and samples, as prometheus_client reads them."""
    return {
        family.name: (
            family.type,
            {
                (s.name, frozenset(s.labels.items())): s.value
                for s in family.samples
            },
        )
        for family in text_string_to_metric_families(body.decode())
    }


def test_labels_are_added_to_each_sample():
    found = understood(exposition.written(exposition.read(GOOD, LABELS)))
    kind, samples = found["octavia_pool_sessions"]
    assert kind == "counter"
    name = "octavia_pool_sessions_total"
    assert samples == {
        (name, frozenset({*LABELS.items(), ("pool", "p:l")})): 7,
        (
            name,
            frozenset({*LABELS.items(), ("pool", 'a "b" \\ } 1,x=\n')}),
        ): 8,
    }
    cpu = ("octavia_loadbalancer_cpu", frozenset(LABELS.items()))
    assert found["octavia_loadbalancer_cpu"] == ("gauge", {cpu: 1.5})


def test_without_labels_a_text_is_what_it_was():
    assert exposition.written(exposition.read(GOOD)).decode() == GOOD


@pytest.mark.parametrize(
    "line",
    [
        "no value",
        "x{} ",
        "x 1 2",  # a time
        "x 0x10",
        "x infinity",
        "x 1_000",
        "1x 2",
        "x{a=b} 1",
        'x{a="b} 1',
        'x{a="b" 1',
        'x{a="b",,c="d"} 1',
        'x{,a="b"} 1',
        'x{a="\\t"} 1',
        'x{a="b",a="c"} 1',
        'x{amphora="other"} 1',
        'x{zone=""} 1',
        'x{a="b"}1',
        " x 1",
        "x\t1",
        "x 1\r",
        "x 1\x00",
        "x 1\nx 2",
        'x{a="1",b="2"} 1\nx{b="2",a="1"} 1',
        'x{a="1",} 1\nx{a="1"} 1',
        "# TYPE x",
        "# HELP",
        "# TYPE x histogram",
        "# TYPE x counter\n# TYPE x gauge",
        "x 1\n# TYPE x gauge",
        '<script>alert("x")</script>',
    ],
)
def test_what_is_none_of_the_format_is_refused(line):
    with pytest.raises(Malformed):
        exposition.read(f"{line}\n", LABELS)


def test_a_line_that_is_cut_off_is_refused():
    with pytest.raises(Malformed, match="last line"):
        exposition.read('x{a="b"} 12', LABELS)


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "# anything else\n", "x NaN\n", "x +Inf\n", "x 1e-9\n"],
)
def test_what_is_of_the_format_is_taken(text):
    exposition.read(text, LABELS)


def test_families_are_put_together_with_one_head_each():
    one = "# HELP x Old.\n# TYPE x counter\nx 1\n# TYPE y gauge\ny 2\n"
    two = "# TYPE z gauge\nz 3\n# HELP x New.\n# TYPE x counter\nx 4\n"
    one, two = (
        exposition.read(text, {"amphora": name})
        for name, text in (("a", one), ("b", two))
    )
    body = exposition.written(exposition.merged((one, two))).decode()
    assert body == (
        "# HELP x Old.\n# TYPE x counter\n"
        'x{amphora="a"} 1\nx{amphora="b"} 4\n'
        '# TYPE y gauge\ny{amphora="a"} 2\n'
        '# TYPE z gauge\nz{amphora="b"} 3\n'
    )


def test_a_family_that_is_there_twice_is_put_together():
    text = "# TYPE x gauge\nx 1\ny 2\n# TYPE x gauge\n" + 'x{a="b"} 3\n'
    body = exposition.written(exposition.read(text)).decode()
    assert body == '# TYPE x gauge\nx 1\nx{a="b"} 3\ny 2\n'


def test_a_family_without_a_sample_is_left_out():
    assert exposition.written(exposition.read("# TYPE x gauge\n")) == b""


NAMES = st.sampled_from(("x", "y_total", "amphora"))
SAMPLES = st.builds(
    "{}{{{}}} {}".format,
    NAMES,
    st.lists(
        st.builds("{}={}".format, NAMES, st.text().map(exposition.quoted)),
        max_size=2,
    ).map(",".join),
    st.floats().map(str) | st.text(max_size=3),
)
LINES = st.lists(SAMPLES | st.text(), max_size=4).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


@given(LINES, st.text())
@example("x 1\n", '"')
@example('x{a="b"} 1\nx 2\n', "\\")
def test_what_is_taken_others_read_with_the_labels(text, zone):
    labels = {"amphora": "a", "zone": zone}
    try:
        families = exposition.read(text, labels)
    except Malformed:
        return
    samples = [
        sample
        for family in text_string_to_metric_families(
            exposition.written(families).decode()
        )
        for sample in family.samples
    ]
    assert len(samples) == sum(len(family.lines) for family in families)
    for sample in samples:
        assert labels.items() <= sample.labels.items()


@given(st.text())
def test_a_value_is_quoted_so_that_others_read_it(value):
    line = f"x{{zone={exposition.quoted(value)}}} 1\n"
    (samples,) = (s for _, s in understood(line.encode()).values())
    assert list(samples) == [("x", frozenset({("zone", value)}))]
