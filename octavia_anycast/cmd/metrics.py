# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-metrics``: what PROMETHEUS listeners answer.

In the amphora, in the place of Octavia's prometheus-proxy and inside the
namespace of HAProxy. It logs to the journal through stderr.
"""

import argparse
import logging
import sys

from octavia_anycast.agent.tenant_metrics import told
from octavia_anycast.agent.tenant_metrics.local import LocalSeries
from octavia_anycast.agent.tenant_metrics.names import Translator
from octavia_anycast.agent.tenant_metrics.service import Service
from octavia_anycast.agent.tenant_metrics.watch import FileWatch
from octavia_anycast.octavia_adapter.amphora.prometheus_names import (
    octavia_metrics,
)


def main() -> None:
    """Entry point."""
    argparse.ArgumentParser(description=__doc__.split("\n", 1)[0]).parse_args()
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(levelname)s %(name)s %(message)s",
    )
    watch = FileWatch(told.TOLD_PATH)
    service = Service(LocalSeries(Translator(octavia_metrics())).answer)
    while True:
        service.tell(told.read(told.TOLD_PATH))
        watch.wait()
