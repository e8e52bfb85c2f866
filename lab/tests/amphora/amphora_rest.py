# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's own amphora driver from a command line, for the container tests.

A process of its own because it must be in the lab's control namespace:
``python amphora_rest.py CONFIG COMMAND`` with one JSON object on standard
input; prints one JSON object.
"""

import json
import sys
import types

from octavia.amphorae.backends.agent import agent_jinja_cfg
from octavia.amphorae.drivers.haproxy import rest_api_driver
from octavia.certificates.generator import local
from octavia.common import config, data_models
from oslo_config import cfg

_DAY_SECONDS = 86400


def _amphora(request: dict) -> data_models.Amphora:
    return data_models.Amphora(
        id=request["amphora_id"],
        lb_network_ip=request["address"],
        status="ALLOCATED",
        role="STANDALONE",
    )


def drive(request: dict) -> dict:
    """Files of a configuration drive, as Octavia's worker makes them."""
    pem = local.LocalCertGenerator.generate_cert_key_pair(
        cn=request["amphora_id"], validity=_DAY_SECONDS
    )
    with open(cfg.CONF.controller_worker.client_ca, encoding="utf-8") as file:
        client_ca = file.read()
    text = agent_jinja_cfg.AgentJinjaTemplater().build_agent_config(
        request["amphora_id"], "SINGLE"
    )
    server = pem.certificate + pem.private_key
    if isinstance(server, bytes):
        server = server.decode()
    return {
        "/etc/octavia/amphora-agent.conf": text,
        "/etc/octavia/certs/server.pem": server,
        "/etc/octavia/certs/client_ca.pem": client_ca,
    }


def details(request: dict) -> dict:
    """What the agent says of itself, once it answers."""
    driver = rest_api_driver.HaproxyAmphoraLoadBalancerDriver()
    amphora = _amphora(request)
    driver._populate_amphora_api_version(amphora)
    return driver.clients[amphora.api_version].get_details(amphora)


def plug(request: dict) -> dict:
    """Tell the agent of a hot-plugged port."""
    driver = rest_api_driver.HaproxyAmphoraLoadBalancerDriver()
    amphora = _amphora(request)
    driver._populate_amphora_api_version(amphora)
    driver.clients[amphora.api_version].plug_network(
        amphora,
        {
            "mac_address": request["mac"],
            "fixed_ips": request["fixed_ips"],
            "mtu": 1500,
            "is_sriov": False,
        },
    )
    return {}


def listen(request: dict) -> dict:
    """Push an HTTP listener and a pool, as one load balancer has them."""
    amphora = _amphora(request)
    vip = data_models.Vip(ip_address=request["vip"])
    balancer = data_models.LoadBalancer(
        id=request["balancer_id"],
        project_id="test",
        topology="SINGLE",
        enabled=True,
        amphorae=[amphora],
        vip=vip,
        additional_vips=[
            data_models.AdditionalVip(ip_address=address)
            for address in request["additional_vips"]
        ],
    )
    amphora.load_balancer = balancer
    amphora.load_balancer_id = balancer.id
    listener = data_models.Listener(
        id=request["listener_id"],
        project_id="test",
        protocol="HTTP",
        protocol_port=80,
        connection_limit=-1,
        enabled=True,
        provisioning_status="ACTIVE",
        load_balancer=balancer,
        load_balancer_id=balancer.id,
        timeout_client_data=50000,
        timeout_member_data=50000,
        timeout_member_connect=5000,
        timeout_tcp_inspect=0,
        insert_headers={},
    )
    pool = data_models.Pool(
        id=request["pool_id"],
        project_id="test",
        protocol="HTTP",
        lb_algorithm="ROUND_ROBIN",
        enabled=True,
        provisioning_status="ACTIVE",
        load_balancer=balancer,
        listeners=[listener],
    )
    pool.members = [
        data_models.Member(
            id=f"{request['pool_id'][:-2]}{index:02d}",
            project_id="test",
            ip_address=address,
            protocol_port=8080,
            weight=1,
            enabled=True,
            provisioning_status="ACTIVE",
            operating_status="NO_MONITOR",
            pool=pool,
        )
        for index, address in enumerate(request["members"])
    ]
    listener.default_pool = pool
    listener.default_pool_id = pool.id
    listener.pools = balancer.pools = [pool]
    balancer.listeners = [listener]
    driver = rest_api_driver.HaproxyAmphoraLoadBalancerDriver()
    driver.update_amphora_listeners(balancer, amphora)
    return {}


COMMANDS = types.MappingProxyType(
    {f.__name__: f for f in (drive, details, plug, listen)}
)

if __name__ == "__main__":
    config.init(["--config-file", sys.argv[1]])
    answer = COMMANDS[sys.argv[2]](json.load(sys.stdin))
    print(json.dumps(answer))  # noqa: T201 - it is the interface
