# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Each row of the list of checks has an id of its own."""

from octavia_anycast.api.doctor import check
from octavia_anycast.planning.doctor.checks import Result
from octavia_anycast.planning.doctor.seen import Severity, Subject

LB = Subject(distributor_id="fabric", load_balancer_id="lb")


def starved(zone, subject=LB):
    """Of a load balancer it is told for each zone."""
    return Result(
        check="shares",
        severity=Severity.ERROR,
        subject=subject,
        summary=f"no traffic comes to an amphora in {zone}",
    )


def ids(*results):
    return [row.id for row in check._rows(results)]


def test_two_statements_of_one_subject_have_two_ids():
    """After a marker that two rows have the second one comes for ever."""
    other = Subject(distributor_id="fabric", load_balancer_id="other")
    made = ids(starved("rack1"), starved("rack2"), starved("rack1", other))
    assert len(set(made)) == 3


def test_ids_are_the_same_at_each_look():
    both = starved("rack1"), starved("rack2")
    assert ids(*both) == ids(*both)
    assert ids(both[0]) == ids(*both)[:1]
