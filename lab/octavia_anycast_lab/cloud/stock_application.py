# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's own API with Octavia's own worker behind it, in one process.

The lab has no message bus; oslo.messaging's ``fake://`` transport carries
calls only inside a process. Served by :mod:`octavia_anycast_lab.cloud.stock`.
"""

from octavia.controller.queue.v2 import consumer
from octavia.wsgi import api
from oslo_config import cfg

application = api.application
# The API has set configuration and transport up: the consumer uses both.
worker = consumer.ConsumerService(0, cfg.CONF)
worker.run()
