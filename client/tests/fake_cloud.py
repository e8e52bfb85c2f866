# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Keystone and Neutron as far as the client asks them, and Octavia.

Octavia is the real application if there is one, else what a test has put
into ``answers``.
"""

import json
from urllib.parse import parse_qs, urlsplit

from webob import Request

IDENTITY = "http://identity.test/v3"
NETWORK = "http://network.test:9696"
LOAD_BALANCER = "http://octavia.test:9876"
PROJECT_ID = "5a2d3f0c8f3f4d3c9b8a7e6d5c4b3a21"
_NEVER = "2100-01-01T00:00:00.000000Z"


def _service(type_, url):
    endpoint = {
        "id": type_,
        "interface": "public",
        "region": "RegionOne",
        "region_id": "RegionOne",
        "url": url,
    }
    return {"id": type_, "name": type_, "type": type_, "endpoints": [endpoint]}


def _version(url, number):
    return {
        "id": number,
        "status": "CURRENT",
        "links": [{"rel": "self", "href": url}],
    }


class FakeCloud:
    """``requests`` are those to Octavia: (method, path and query, body)."""

    def __init__(self):
        self.api = None
        self.roles = "admin"
        self.names = {"networks": {}, "subnets": {}}
        self.answers = {}
        self.requests = []
        # Called before each request to Octavia.
        self.meanwhile = lambda: None

    def name_network(self, network_id, name):
        """Have Neutron know a network by a name."""
        self.names["networks"][network_id] = name

    def name_subnet(self, subnet_id, name):
        """Have Neutron know a subnet by a name."""
        self.names["subnets"][subnet_id] = name

    @property
    def changes(self):
        """The requests that were not only questions."""
        return [asked for asked in self.requests if asked[0] != "GET"]

    def answer(self, request, context):
        """What requests_mock calls."""
        host = urlsplit(request.url).hostname
        of_host = {
            "identity.test": self._identity,
            "network.test": self._network,
            "octavia.test": self._load_balancer,
        }
        return of_host[host](request, context)

    def _identity(self, request, context):
        if request.method == "GET":
            return {"version": _version(IDENTITY, "v3.14")}
        context.status_code = 201
        context.headers["X-Subject-Token"] = "token-of-a-test"
        return {
            "token": {
                "methods": ["password"],
                "expires_at": _NEVER,
                "issued_at": "2020-01-01T00:00:00.000000Z",
                "user": {
                    "id": "user",
                    "name": "admin",
                    "domain": {"id": "default", "name": "Default"},
                },
                "project": {
                    "id": PROJECT_ID,
                    "name": "project",
                    "domain": {"id": "default", "name": "Default"},
                },
                "roles": [{"id": "admin", "name": "admin"}],
                "catalog": [
                    _service("identity", IDENTITY),
                    _service("network", NETWORK),
                    _service("load-balancer", LOAD_BALANCER),
                ],
            }
        }

    def _network(self, request, context):
        parts = urlsplit(request.url)
        kind = parts.path.rpartition("/")[2]
        if kind not in self.names:
            return {"versions": [_version(f"{NETWORK}/v2.0/", "v2.0")]}
        query = parse_qs(parts.query)
        found = [
            {"id": one, "name": name}
            for one, name in self.names[kind].items()
            if name in query.get("name", [name])
            and one in query.get("id", [one])
        ]
        return {kind: found}

    def _load_balancer(self, request, context):
        self.meanwhile()
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        if parts.path.strip("/").count("/") > 0:
            body = json.loads(request.text) if request.text else None
            self.requests.append((request.method, path, body))
        if self.api is None:
            return self._prepared(request.method, path, context)
        return self._forward(request, path, context)

    def _prepared(self, method, path, context):
        if (method, path) not in self.answers:
            if path in ("", "/"):
                return {"versions": [_version(f"{LOAD_BALANCER}/v2", "v2.0")]}
            context.status_code = 404
            return {"faultstring": f"nothing is prepared for {path}"}
        answer = self.answers[method, path]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        context.status_code, body = answer
        context.headers["Content-Type"] = "application/json"
        context.headers["x-openstack-request-id"] = "req-of-a-test"
        return body

    def _forward(self, request, path, context):
        forwarded = Request.blank(
            path, method=request.method, base_url=LOAD_BALANCER
        )
        for name in ("Content-Type", "Accept"):
            if name in request.headers:
                forwarded.headers[name] = request.headers[name]
        forwarded.headers["X-Project-Id"] = PROJECT_ID
        forwarded.headers["X-Roles"] = self.roles
        forwarded.body = (request.text or "").encode()
        response = forwarded.get_response(self.api.application)
        context.status_code = response.status_int
        for name in ("Content-Type", "x-openstack-request-id"):
            if name in response.headers:
                context.headers[name] = response.headers[name]
        return json.loads(response.text) if response.text else None
