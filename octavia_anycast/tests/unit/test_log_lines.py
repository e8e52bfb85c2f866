# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Lines bear their own project and request, written by the real formatter."""

import re
import threading
from contextlib import contextmanager

import pytest
from octavia.common import config as octavia_config  # noqa: F401
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log as oslo_log

from octavia_anycast import log_lines
from octavia_anycast.log_lines import CarryingExecutor, bear, kept
from octavia_anycast.model.errors import Permanent
from octavia_anycast.tests.log_capture import captured

PROJECTS = {"lb-a": "a" * 32, "lb-b": "b" * 32}
REQUESTS = {
    "lb-a": "req-aaaaaaaa-0000-4000-8000-000000000000",
    "lb-b": "req-bbbbbbbb-0000-4000-8000-000000000000",
}
LOG = oslo_log.getLogger("octavia_anycast.tests")


@pytest.fixture
def lines():
    """A function: the lines since it was last called."""
    with captured(LOG) as take:
        yield take


@pytest.fixture(autouse=True)
def bears_nothing():
    """As a thread of a daemon; here an API was called in this one."""
    log_lines._set(None)


@contextmanager
def bearing(project_id, request_id=None):
    with kept():
        bear(project_id, request_id)
        yield


def overwrite(project_id):
    """What Octavia's code does with each certificate."""
    oslo_context.RequestContext(project_id=project_id)


def assert_each_bears_its_own(lines):
    for line in lines:
        name = re.search(r"lb-[ab]", line).group()
        other = next(n for n in PROJECTS if n != name)
        assert PROJECTS[name] in line, line
        assert REQUESTS[name] in line, line
        assert PROJECTS[other] not in line, line
        assert REQUESTS[other] not in line, line


def test_load_balancers_of_two_projects_on_the_same_threads(lines):
    """Interleaved: each step of one waits for a step of the other."""
    turns = threading.Barrier(2)

    def act(name):
        with kept():
            overwrite(PROJECTS[name])
        LOG.info("%s: an action", name)

    def reconcile(name, appliers):
        with bearing(PROJECTS[name], REQUESTS[name]):
            for _ in range(5):
                turns.wait(timeout=10)
                LOG.info("%s: a round", name)
                list(appliers.map(act, [name] * 3))

    with (
        CarryingExecutor(2, "work") as workers,
        CarryingExecutor(1, "apply") as appliers,
    ):
        for _ in range(2):
            for done in [
                workers.submit(reconcile, name, appliers) for name in PROJECTS
            ]:
                done.result()

    written = lines()
    assert len(written) == 2 * 2 * 5 * 4
    assert_each_bears_its_own(written)


def test_a_thread_bears_nothing_after_its_work(lines):
    with CarryingExecutor(1) as workers:
        workers.submit(overwrite, PROJECTS["lb-a"]).result()
        workers.submit(LOG.info, "a chore").result()

    (line,) = lines()
    assert "[-] a chore" in line
    assert PROJECTS["lb-a"] not in line


def test_a_failed_work_leaves_nothing_either(lines):
    def fail():
        overwrite(PROJECTS["lb-a"])
        raise Permanent("no")

    with CarryingExecutor(1) as workers:
        assert workers.submit(fail).exception() is not None
        workers.submit(LOG.info, "a chore").result()

    assert "[-] a chore" in lines()[0]


def test_a_block_leaves_what_was_before_it(lines):
    with kept():
        with bearing(PROJECTS["lb-a"], None):
            with bearing(PROJECTS["lb-b"], REQUESTS["lb-b"]):
                LOG.info("lb-b")
            LOG.info("lb-a")
        LOG.info("nobody")

    inner, outer, after = lines()
    assert_each_bears_its_own([inner])
    assert PROJECTS["lb-a"] in outer
    assert PROJECTS["lb-b"] not in outer
    assert "a" * 32 not in after


def test_the_request_may_be_known_later(lines):
    with bearing(PROJECTS["lb-a"]):
        LOG.info("before")
        log_lines.bear_request(REQUESTS["lb-a"])
        LOG.info("lb-a")
        log_lines.bear_request("")
        LOG.info("nobody")

    before, line, after = lines()
    assert_each_bears_its_own([line])
    assert "[None req-" in before
    assert "[None req-" in after


def test_the_request_is_that_of_wsgi_not_of_the_thread():
    assert log_lines.request_id() == ""
    environ = {}
    with log_lines.serving(environ):
        assert log_lines.request_id() == ""
        environ["openstack.request_id"] = REQUESTS["lb-a"]
        overwrite(PROJECTS["lb-b"])
        assert log_lines.request_id() == REQUESTS["lb-a"]
    own = log_lines.request_id()  # nothing but oslo.context is left
    assert own == oslo_context.get_current().request_id


def test_nothing_is_borne_without_a_context():
    log_lines.bear_request(REQUESTS["lb-a"])

    assert oslo_context.get_current() is None


def test_a_sentence_is_not_followed_by_a_class(lines):
    try:
        raise Permanent("the amphora refuses it")
    except Permanent as e:
        LOG.warning("Load balancer lb-a: %s", e)

    assert lines()[0].endswith("Load balancer lb-a: the amphora refuses it")


def test_a_traceback_is_kept(lines):
    try:
        raise Permanent("the amphora refuses it")
    except Permanent:
        LOG.exception("Load balancer lb-a")

    text = "\n".join(lines())
    assert "Traceback" in text
    assert "Permanent: the amphora refuses it" in text


def test_the_handlers_of_oslo_log_are_set_up():
    conf = cfg.ConfigOpts()
    oslo_log.register_options(conf)
    conf([])
    root = oslo_log.getLogger(None).logger
    before = list(root.handlers)
    try:
        oslo_log.setup(conf, "test")
        log_lines.set_up(conf)
        kinds = {type(h.formatter) for h in root.handlers}
    finally:
        root.handlers[:] = before

    assert log_lines.Formatter in kinds
