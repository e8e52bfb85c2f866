# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What tests of the controller ask of the load balancer of a stage."""

from octavia_anycast.db.cluster import clusters
from octavia_anycast.tests.functional.controller.conftest import LB

STEP_SECONDS = 5


def look(stage, seconds, until=None):
    """Let time pass; how long it took until the status was that."""
    for second in range(0, seconds, STEP_SECONDS):
        stage.controller.reconcile(stage.load_balancer_id)
        if until and status(stage) == until:
            return second
        stage.cloud.pass_time(STEP_SECONDS)
    return seconds


def status(stage):
    answer = stage.api.call("GET", f"{LB}/{stage.load_balancer_id}")
    if answer.status == 404:
        return "DELETED"
    return answer.body["loadbalancer"]["provisioning_status"]


def cluster(stage):
    with stage.api.database.transaction() as session:
        return clusters.get(session, stage.load_balancer_id)


def fail_over(stage):
    answer = stage.api.call("PUT", f"{LB}/{stage.load_balancer_id}/failover")
    assert answer.status == 202, answer.text
