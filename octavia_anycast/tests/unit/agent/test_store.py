# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The desired state on the disk."""

import json

import pytest

from octavia_anycast.agent.store import Store
from octavia_anycast.model import codec
from octavia_anycast.tests.unit.agent.states import AMPHORA, state


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "var" / "desired.json", tmp_path / "first.json"


@pytest.fixture
def store(paths):
    return Store(*(str(path) for path in paths))


def write_first(paths, made):
    paths[1].write_text(json.dumps(codec.to_document(made)))


def test_what_is_saved_is_loaded(store, paths):
    store.save(state())
    assert store.load(AMPHORA) == state()
    assert paths[0].stat().st_mode & 0o777 == 0o600
    assert [path.name for path in paths[0].parent.iterdir()] == [
        "desired.json"
    ]


def test_without_any_there_is_none(store):
    assert store.load(AMPHORA) is None


def test_the_first_comes_from_the_config_drive(store, paths):
    first = state(revision="", vips=(), listeners=())
    write_first(paths, first)
    assert store.load(AMPHORA) == first
    store.save(state())
    assert store.load(AMPHORA) == state()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "9"}', "\0"])
def test_a_broken_file_is_as_good_as_none(store, paths, text):
    write_first(paths, state())
    paths[0].parent.mkdir()
    paths[0].write_text(text)
    assert store.load(AMPHORA) == state()


def test_another_amphoras_state_is_not_ours(store, paths):
    store.save(state(amphora_id="other"))
    assert store.load(AMPHORA) is None
    write_first(paths, state())
    assert store.load(AMPHORA) == state()
