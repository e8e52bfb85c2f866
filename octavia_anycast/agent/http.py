# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent's routes ``/1.0/anycast``, for Octavia's Flask application.

PUT takes a desired state, GET answers a report. Below it are those of one
VIP and one amphora, for a distributor's own amphorae. Who may call is settled
before: Octavia's agent asks for the controller's client certificate. And
what Octavia's own ``PUT /1.0/certificate`` does here.

Layer: agent.
"""

from collections.abc import Callable
from typing import Any, Protocol

import flask

from octavia_anycast.agent import certificate, cpu
from octavia_anycast.model import codec
from octavia_anycast.model.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    Retryable,
)
from octavia_anycast.model.wire import AgentCall


class Control(Protocol):
    """speakerd, as seen from here."""

    def apply(self, document: Any) -> None:
        """Hand over a desired state."""

    def report(self) -> Any:
        """Get the report, as a JSON document."""

    def call(self, call: AgentCall, name: str, body: Any) -> Any:
        """Carry out a call of one VIP or amphora."""


_ROUTES = (
    ("/anycast/vips", "GET", AgentCall.LIST_VIPS),
    ("/anycast/vips/<name>", "PUT", AgentCall.REGISTER_VIP),
    ("/anycast/vips/<name>", "DELETE", AgentCall.UNREGISTER_VIP),
    ("/anycast/amphorae", "GET", AgentCall.LIST_AMPHORAE),
    ("/anycast/amphorae/<name>", "PUT", AgentCall.REGISTER_AMPHORA),
    ("/anycast/amphorae/<name>", "DELETE", AgentCall.UNREGISTER_AMPHORA),
    ("/anycast/amphorae/<name>/drain", "PUT", AgentCall.DRAIN_AMPHORA),
)


def make_blueprint(control: Control) -> flask.Blueprint:
    """Make the blueprint that forwards to speakerd."""
    blueprint = flask.Blueprint("anycast", __name__, url_prefix="/1.0")

    @blueprint.get("/anycast")
    def get_report() -> Any:
        document = control.report()
        # Of the machine, not of speakerd: any process can tell.
        document["cpu"] = codec.to_document(cpu.read_cpu_time())
        return flask.jsonify(document)

    @blueprint.put("/anycast")
    def put_state() -> Any:
        document = flask.request.get_json(force=True, silent=True)
        if document is None:
            raise InvalidRequest("document", "it is not a JSON object")
        control.apply(document)
        return flask.jsonify({"message": "OK"})

    for rule, method, call in _ROUTES:
        blueprint.add_url_rule(
            rule, call.value, _make_view(control, call), methods=[method]
        )

    @blueprint.errorhandler(InvalidRequest)
    def refuse(error: InvalidRequest) -> Any:
        body = {"field": error.field, "reason": error.reason}
        return flask.jsonify(body), 400

    @blueprint.errorhandler(NotFound)
    def tell_missing(error: NotFound) -> Any:
        return flask.jsonify({"reason": str(error)}), 404

    @blueprint.errorhandler(Conflict)
    def tell_conflict(error: Conflict) -> Any:
        return flask.jsonify({"reason": str(error)}), 409

    @blueprint.errorhandler(Retryable)
    def ask_to_retry(error: Retryable) -> Any:
        return flask.jsonify({"reason": str(error)}), 503

    return blueprint


def _make_view(control: Control, call: AgentCall) -> Callable[..., Any]:
    """Make the view of one call of one VIP or amphora."""

    def view(name: str = "") -> Any:
        body = None
        if flask.request.get_data():
            body = flask.request.get_json(force=True, silent=True)
            if not isinstance(body, dict):
                raise InvalidRequest("document", "it is not a JSON object")
        answer = control.call(call, name, body)
        return flask.jsonify(answer or {"message": "OK"})

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
