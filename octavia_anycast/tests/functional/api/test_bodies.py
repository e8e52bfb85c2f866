# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Bodies that are no object, or an empty one: 404 for what does not exist,
else 400, and never 500.
"""

import json

import pytest

from octavia_anycast.tests.functional.balancers import UNKNOWN

# collection -> (root element, which of the tree)
COLLECTIONS = {
    "loadbalancers": ("loadbalancer", "lb"),
    "listeners": ("listener", "listener"),
    "pools": ("pool", "pool"),
    "healthmonitors": ("healthmonitor", "monitor"),
    "l7policies": ("l7policy", "policy"),
    "l7policies/{policy}/rules": ("rule", "rule"),
    "pools/{pool}/members": ("member", "member"),
}
WITHOUT_ROOT = ("{}", '{"ROOT": null}')
# WSME reads them before anything is looked up.
NO_OBJECT = ("null", "[]", '"x"', "1", "true", "", "x")
NO_ROOT_OBJECT = ('{"ROOT": []}', '{"ROOT": "x"}', '{"ROOT": 1}')
OTHER_ROOT = ('{"x": {}}', '{"ROOT": {}, "x": 1}')


def send(tree, method, path, text):
    return tree.api.call(
        method,
        f"/v2/lbaas/{path.format(**vars(tree))}",
        text,
        {"Content-Type": "application/json"},
    )


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_no_body_is_500(tree, collection):
    root, name = COLLECTIONS[collection]
    known, unknown = getattr(tree, name), UNKNOWN

    for text in WITHOUT_ROOT:
        body = text.replace("ROOT", root)
        for method, one, status in (
            ("PUT", f"/{unknown}", 404),
            ("PUT", f"/{known}", 400),
            ("POST", "", 400),
        ):
            answer = send(tree, method, collection + one, body)
            assert answer.status == status, (method, one, body, answer.text)
            assert "body_" not in answer.text
    for text in (*NO_OBJECT, *NO_ROOT_OBJECT, *OTHER_ROOT):
        body = text.replace("ROOT", root)
        for method, one in (("PUT", f"/{known}"), ("POST", "")):
            answer = send(tree, method, collection + one, body)
            assert answer.status == 400, (method, body, answer.text)
            assert "attribute 'keys'" not in answer.text


@pytest.mark.parametrize(
    "text",
    [
        *NO_OBJECT,
        "{}",
        '{"members": null}',
        '{"members": {}}',
        '{"members": [null]}',
        '{"members": [[]]}',
        '{"members": [{}]}',
    ],
)
def test_no_batch_of_members_is_500(tree, text):
    answer = send(tree, "PUT", "pools/{pool}/members", text)

    assert answer.status == 400, answer.text


def test_an_object_deep_in_the_body_may_be_a_list(tree):
    body = json.dumps({"loadbalancer": {"listeners": [[]]}})

    answer = send(tree, "POST", "loadbalancers", body)

    assert answer.status == 400
    assert answer.fault == "The body has a list where a JSON object is due."


@pytest.mark.parametrize(
    ("collection", "root", "name", "attribute"),
    [
        ("listeners", "listener", "listener", "connection_limit"),
        ("healthmonitors", "healthmonitor", "monitor", "delay"),
    ],
)
def test_a_number_beyond_its_column_is_400(
    tree, collection, root, name, attribute
):
    body = json.dumps({root: {attribute: 10**20}})

    answer = send(tree, "PUT", f"{collection}/{getattr(tree, name)}", body)

    assert answer.status == 400, answer.text
