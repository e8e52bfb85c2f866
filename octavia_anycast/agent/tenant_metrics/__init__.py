# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a PROMETHEUS listener answers: the numbers of the whole cluster.

::

   a tenant's Prometheus
      | the VIP, any amphora
      v
   HAProxy --> servers.TenantServer --> cluster.ClusterSeries
                                          |            | questions.ask
                              local.LocalSeries        v
                                          |     servers.AmphoraServer of each
                                          v     other amphora, its LocalSeries
                               HAProxy's exporter

A process of its own (``octavia-anycast-metrics``), so that no scrape takes
anything from the health gate. It runs only when it is asked something.
"""
