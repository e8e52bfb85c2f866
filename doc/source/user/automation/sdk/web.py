#!/usr/bin/env python3
"""Create a load balancer with all that belongs to it, or change it.

web.py [ALGORITHM]   it is there, with this algorithm of its pool
web.py --remove      it is not there
"""

import sys

import openstack

NAME = "sdk-web"
MEMBERS = {"member1": "10.10.0.11", "member2": "10.10.0.12"}
READY_SECONDS = 600


def ensure(cloud, algorithm):
    """Create or change what differs; returns whether anything did."""
    balancing = cloud.load_balancer
    balancer = balancing.find_load_balancer(NAME)
    if balancer is None:
        balancer = balancing.create_load_balancer(**document(cloud, algorithm))
    else:
        pool = balancing.find_pool(NAME, ignore_missing=False)
        if pool.lb_algorithm == algorithm:
            return False
        balancing.update_pool(pool, lb_algorithm=algorithm)
    balancing.wait_for_load_balancer(balancer.id, wait=READY_SECONDS)
    return True


def document(cloud, algorithm):
    """The whole load balancer, for one call."""
    backend = cloud.get_subnet("backend-v4")
    members = [
        {
            "name": name,
            "address": address,
            "protocol_port": 8080,
            "subnet_id": backend.id,
        }
        for name, address in MEMBERS.items()
    ]
    monitor = {
        "name": NAME,
        "type": "HTTP",
        "url_path": "/",
        "delay": 2,
        "timeout": 1,
        "max_retries": 2,
    }
    pool = {
        "name": NAME,
        "protocol": "HTTP",
        "lb_algorithm": algorithm,
        "members": members,
        "healthmonitor": monitor,
    }
    listener = {
        "name": NAME,
        "protocol": "HTTP",
        "protocol_port": 80,
        "default_pool": pool,
    }
    return {
        "name": NAME,
        "provider": "anycast",
        "flavor_id": cloud.load_balancer.find_flavor("cluster-2").id,
        "vip_subnet_id": cloud.get_subnet("anycast-v4").id,
        "vip_address": "198.51.100.242",
        "listeners": [listener],
    }


def remove(cloud):
    """Delete it with all that belongs to it; returns whether it was there."""
    balancing = cloud.load_balancer
    balancer = balancing.find_load_balancer(NAME)
    if balancer is None:
        return False
    balancing.delete_load_balancer(balancer, cascade=True)
    balancing.wait_for_delete(balancer, interval=1, wait=READY_SECONDS)
    return True


if __name__ == "__main__":
    word = sys.argv[1] if len(sys.argv) > 1 else "ROUND_ROBIN"
    # The cloud that OS_CLOUD names in clouds.yaml.
    with openstack.connect() as connection:
        if word == "--remove":
            changed = remove(connection)
        else:
            changed = ensure(connection, word)
    print(f"changed: {changed}")
