# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Each check has the section of the guide to which it refers."""

import re
from pathlib import Path

from octavia_anycast.planning.doctor.checks import CHECKS

PAGE = Path(__file__).parents[5] / "doc/source/operator/doctor.rst"


def test_each_check_has_a_section():
    titles = re.findall(r"^(.+)\n-{3,}$", PAGE.read_text(), re.M)
    anchors = {title.lower().replace(" ", "-") for title in titles}
    assert set(CHECKS) <= anchors
