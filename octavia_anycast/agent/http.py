# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent's routes ``/1.0/anycast``, for Octavia's Flask application.

PUT takes a desired state, GET answers a report. Below it are those of one
VIP and one amphora, for a distributor's own amphorae. Octavia's agent has
checked the controller's client certificate before. The view of Octavia's own
``PUT /1.0/certificate`` is replaced by ours.

Layer: agent.
"""

from collections.abc import Callable
from typing import Any

import flask

from octavia_anycast.agent import certificate, cpu
from octavia_anycast.agent.control import APPLY, REPORT, ControlClient
from octavia_anycast.model import codec
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import AgentCall

_ROUTES = (
    ("/anycast", "GET", REPORT),
    ("/anycast", "PUT", APPLY),
    ("/anycast/vips", "GET", AgentCall.LIST_VIPS),
    ("/anycast/vips/<name>", "PUT", AgentCall.REGISTER_VIP),
    ("/anycast/vips/<name>", "DELETE", AgentCall.UNREGISTER_VIP),
    ("/anycast/amphorae", "GET", AgentCall.LIST_AMPHORAE),
    ("/anycast/amphorae/<name>", "PUT", AgentCall.REGISTER_AMPHORA),
    ("/anycast/amphorae/<name>", "DELETE", AgentCall.UNREGISTER_AMPHORA),
    ("/anycast/amphorae/<name>/drain", "PUT", AgentCall.DRAIN_AMPHORA),
)


def make_blueprint(speakerd: ControlClient) -> flask.Blueprint:
    """Make the blueprint that forwards to speakerd."""
    blueprint = flask.Blueprint("anycast", __name__, url_prefix="/1.0")
    for rule, method, call in _ROUTES:
        blueprint.add_url_rule(
            rule, str(call), _make_view(speakerd, call), methods=[method]
        )
    return blueprint


def _make_view(speakerd: ControlClient, call: str) -> Callable[..., Any]:
    def view(name: str = "") -> Any:
        body: Any = None
        if call == APPLY:
            body = flask.request.get_data()  # speakerd parses it
        elif flask.request.get_data():
            body = flask.request.get_json(force=True, silent=True)
            if not isinstance(body, dict):
                reason = "it is not a JSON object"
                return flask.jsonify(field="document", reason=reason), 400
        status, document = speakerd.call(call, name, body)
        if call == REPORT and status == 200:
            # Of the machine, not of speakerd: any process can tell.
            document["cpu"] = codec.to_document(cpu.read_cpu_time())
        return flask.jsonify(document or {"message": "OK"}), status

    return view


def make_certificate_view(path: str, amphora_id: str) -> Callable[[], Any]:
    """Make the view that takes a new certificate for the agent itself."""

    def take_certificate() -> Any:
        try:
            certificate.replace(path, flask.request.get_data(), amphora_id)
        except InvalidRequest as e:
            body = {"message": f"Invalid {e.field}", "details": e.reason}
            return flask.jsonify(body), 400
        return flask.jsonify({"message": "OK"}), 202

    return take_certificate
