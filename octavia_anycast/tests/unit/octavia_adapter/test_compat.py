# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What differs between Octavia's releases is in one module."""

import ast
import pathlib
from typing import ClassVar

import pytest
from octavia.api.v2.types import amphora as amphora_types
from octavia.db import models

import octavia_anycast
from octavia_anycast.octavia_adapter import compat

PACKAGE = pathlib.Path(octavia_anycast.__file__).parent
HOME = PACKAGE / "octavia_adapter" / "compat.py"
SOURCES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if "tests" not in path.relative_to(PACKAGE).parts and path != HOME
)
# Names that one release of Octavia has and another one has not.
OF_ONE_RELEASE = {
    "from_data_model",
    "from_db_obj",
    "get_all_orm",
    "get_orm",
    "tls1_3_supported_ciphers",
    "tlsv1_3_ciphers",
    "translate_key_to_data_model",
    "translate_key_to_db_obj",
    "TLS_1_3_AND_NEWER_VERSIONS",
    "TLS_PRE_1_3_VERSIONS",
    "_convert_db_to_type",
    "_type_to_db_map",
    "_type_to_model_map",
}
OF_ONE_RELEASE_ARGUMENTS = {"limited_graph", "recursion_depth"}


def questions(source: str) -> list[str]:
    """What a module asks, or uses, that depends on Octavia's release."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) if name in OF_ONE_RELEASE:
                found.append(name)
            case ast.keyword(arg=name) if name in OF_ONE_RELEASE_ARGUMENTS:
                found.append(name)
            case ast.Constant(value=str(text)) if text in OF_ONE_RELEASE:
                found.append(text)
            case ast.ImportFrom(module=module, names=names):
                found += [
                    f"{module}.{alias.name}"
                    for alias in names
                    if _is_version(f"{module}.{alias.name}")
                ]
            case ast.Import(names=names):
                found += [a.name for a in names if _is_version(a.name)]
            case ast.Call(args=[ast.Constant(value=str(text)), *_]) if (
                text in ("octavia", "octavia-lib")
            ):
                found.append(ast.unparse(node))
            case ast.Attribute(value=ast.Name(id="octavia"), attr=name) if (
                "version" in name
            ):
                found.append(ast.unparse(node))
    return found


def _is_version(name: str) -> bool:
    package, _, rest = name.partition(".")
    return package in ("octavia", "octavia_lib") and "version" in rest


@pytest.mark.parametrize(
    "source",
    [
        "from octavia import version",
        "from octavia.version import version_info",
        "import octavia.version",
        "import octavia\noctavia.__version__",
        "metadata.version('octavia')",
        "version('octavia-lib')",
        "hasattr(kind, 'from_db_obj')",
        "kind.from_data_model(row)",
        "repository.get(session, limited_graph=True)",
        "row.to_data_model(recursion_depth=0)",
    ],
)
def test_a_question_is_seen(source):
    assert questions(source)


@pytest.mark.parametrize(
    "source",
    [
        "from octavia.db import models",
        "row.to_data_model()",
        "metadata.version('octavia-anycast')",
        "wire.version",
    ],
)
def test_other_code_asks_nothing(source):
    assert not questions(source)


def test_nothing_else_asks_for_a_release():
    assert len(SOURCES) > 100
    asking = {
        str(path.relative_to(PACKAGE)): found
        for path in SOURCES
        if (found := questions(path.read_text("utf-8")))
    }
    assert not asking


def test_the_seam_is_used():
    assert questions(HOME.read_text("utf-8"))


def test_a_row_becomes_an_answer():
    row = models.Amphora(
        id="6f7a2b7e-3a0c-4e57-8b21-0d3f4b4f7c11",
        load_balancer_id="0d2f6a3b-91b0-4f62-9df3-3d5ac1a7b0f4",
        status="ALLOCATED",
        vrrp_ip="10.1.0.7",
        cert_busy=False,
    )
    answer = compat.answer(amphora_types.AmphoraResponse, row)
    assert answer.loadbalancer_id == row.load_balancer_id
    assert answer.vrrp_ip == "10.1.0.7"
    assert answer.status == "ALLOCATED"


class TemplaterOf18:
    """Octavia 18's knows no ciphers of TLS 1.3."""


class TemplaterOf19:
    """Octavia 19's has their names from an option."""

    tlsv1_3_ciphers: ClassVar = {"TLS_A", "TLS_B"}


@pytest.fixture
def templater(monkeypatch):
    """Have another release's templater."""

    def set_templater(kind):
        compat.tls13_ciphers.cache_clear()
        monkeypatch.setattr(compat.jinja_cfg, "JinjaTemplater", kind)
        monkeypatch.setattr(
            compat.constants,
            "TLS_PRE_1_3_VERSIONS",
            ["TLSv1.1", "TLSv1.2"],
            raising=False,
        )

    yield set_templater
    compat.tls13_ciphers.cache_clear()


@pytest.mark.parametrize(
    ("kind", "ciphers", "versions", "older"),
    [
        (TemplaterOf18, "B:TLS_A:A", None, "B:TLS_A:A"),
        (TemplaterOf18, "TLS_A", ["TLSv1.3"], "TLS_A"),
        (TemplaterOf18, "", None, ""),
        (TemplaterOf19, "B:TLS_A:A", None, "A:B"),
        (TemplaterOf19, "B:TLS_A:A", ["TLSv1.2", "TLSv1.3"], "A:B"),
        (TemplaterOf19, "B:TLS_A:A", ["TLSv1.3"], ""),
        (TemplaterOf19, "TLS_A", None, ""),
        (TemplaterOf19, "", None, ""),
    ],
)
def test_what_haproxy_gets_as_older_ciphers(
    templater, kind, ciphers, versions, older
):
    templater(kind)
    assert compat.older_ciphers(ciphers, versions) == older


def test_names_of_tls_1_3_are_known_or_not(templater):
    templater(TemplaterOf18)
    assert compat.tls13_ciphers() is None
    templater(TemplaterOf19)
    assert compat.tls13_ciphers() == {"TLS_A", "TLS_B"}


class Newer:
    """A response type as Octavia 19 has them."""

    @classmethod
    def from_db_obj(cls, row):
        return ("from a row", row)


class Older:
    """A response type as Octavia 18 has them."""

    @classmethod
    def from_data_model(cls, model):
        return ("from a model", model)


def test_the_newer_way_is_given_the_row_itself():
    row = models.Amphora(id="a1")
    assert compat.answer(Newer, row) == ("from a row", row)


def test_the_older_way_is_given_a_model_of_the_columns():
    """What is related costs a query for each row."""
    row = models.Amphora(id="a1", status="ALLOCATED")
    kind, model = compat.answer(Older, row)
    assert (kind, model.id, model.status) == (
        "from a model",
        "a1",
        "ALLOCATED",
    )
    assert isinstance(model, models.Amphora.__data_model__)
    # What Octavia's repositories return is a model already.
    assert compat.answer(Older, model) == ("from a model", model)
