# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The demonstration, act by act. Whatever it states it has checked."""

import dataclasses
import ipaddress
import time
import typing

from octavia_anycast_lab import (
    clients,
    deployment,
    distributors,
    flows,
    http_probe,
    observe,
    process,
    rest,
    settings,
    traffic_record,
)
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.demo import cluster, fetch, outage, survey
from octavia_anycast_lab.demo.client import TENANT, Client
from octavia_anycast_lab.demo.screen import Screen
from octavia_anycast_lab.fabric import topology

NAME = "demo"
SIZE = 4
CONNECTIONS = 4000
EVEN = 1.1
_LOAD_BALANCERS = "/v2/lbaas/loadbalancers"
_SETTLE_SECONDS = 60.0
_GONE_SECONDS = 60.0


@dataclasses.dataclass(slots=True, kw_only=True)
class Story:
    """One run: what it works on, and what it has learnt so far."""

    lab: settings.Lab
    plane: deployment.Deployment
    screen: Screen
    admin: rest.Api
    tenant: rest.Api
    client: Client
    registry: registry_lib.Registry
    before: survey.Survey | None = None
    distributor_id: str = ""
    load_balancer_id: str = ""
    vips: tuple[settings.Address, ...] = ()
    is_distributor_ours: bool = True
    dead: str = ""

    def tell(self) -> None:
        """All acts, in order."""
        self.clear_earlier()
        self.before = survey.take(self.plane, self.admin)
        self.create_distributor()
        self.create_load_balancer()
        self.show_paths()
        self.show_shares("where new connections go")
        self.kill_one()
        self.show_shares("the shares again, with the replacement")
        self.delete_all()

    # -- act by act --------------------------------------------------------

    def clear_earlier(self) -> None:
        """Remove what an interrupted demonstration has left."""
        left = self._found(NAME)
        if left is not None:
            with self.screen.progress.step("removing an earlier demo's"):
                self._delete(left["id"])
        old = distributors.find(self.admin)
        if old is None:
            return
        try:
            distributors.delete(self.admin, old["id"])
        except rest.ApiError as error:
            if error.status != 409:
                raise
            # Somebody's own load balancers in this lab use it: it stays.
            self.is_distributor_ours = False
            self.distributor_id = old["id"]

    def create_distributor(self) -> None:
        """How amphorae meet the fabric; an operator does this once."""
        self.screen.act("a distributor: which fabric, by which peers")
        if self.is_distributor_ours:
            made = distributors.create(self.admin)
            self.distributor_id = made["id"]
            self.screen.say(f"POST {distributors.PATH}  (as the operator)")
        shown = self.admin.get(
            rest.LOAD_BALANCER, f"{distributors.PATH}/{self.distributor_id}"
        )["distributor"]
        peers = [p for s in shown["speakers"] for p in s["peers"]]
        self.screen.table(
            ("peer", "address", "remote AS", "MD5", "zone"),
            [
                (
                    peer["name"],
                    peer["peer_ip"],
                    peer["remote_as"],
                    "yes" if peer["auth_type"] == "md5" else "no",
                    peer["availability_zone"],
                )
                for peer in peers
            ],
        )
        self.screen.claim(
            not any(peer.get("password") for peer in peers),
            "the API does not give the peers' passwords away",
        )

    def create_load_balancer(self) -> None:
        """The tenant's part, with the unmodified client."""
        self.screen.act("a load balancer, by the unmodified openstack client")
        with self.screen.progress.step(
            f"load balancer of {SIZE} amphorae: ACTIVE"
        ):
            self.client.each(
                [
                    f"loadbalancer create --name {NAME}"
                    f" --flavor cluster-{SIZE} --vip-subnet-id anycast-v4"
                    " --additional-vip subnet-id=anycast-v6 --wait"
                ]
            )
        found = self._found(NAME)
        if found is None:
            raise rest.ApiError(404, f"load balancer {NAME}")
        self.load_balancer_id = found["id"]
        extra = [vip["ip_address"] for vip in found["additional_vips"]]
        self.vips = tuple(
            ipaddress.ip_address(text)
            for text in (found["vip_address"], *extra)
        )
        with self.screen.progress.step("listener, redirect, pool, members"):
            self.client.each(_content())
        self.screen.say(f"VIPs: {', '.join(map(str, self.vips))}")
        self._check_cluster()
        self._check_redirect()

    def show_paths(self) -> None:
        """What the routers hold for the VIPs."""
        self.screen.act("what the fabric holds")
        self._await_announcers()
        for vip in self.vips:
            self._paths_of(vip)

    def show_shares(self, title: str) -> None:
        """New connections, counted by the leaves and named by the members."""
        self.screen.act(title)
        for vip in self.vips:
            self._shares_of(vip)

    def kill_one(self) -> None:
        """One amphora loses its power, and what follows."""
        self.screen.act("one amphora is killed, under traffic")
        victim = self._amphorae()[0]
        rate = f"{outage.RATE_PER_SECOND:.0f} new connections/s"
        self.screen.say(f"{rate} over IPv4 and as many over IPv6, all along")
        scene = outage.Scene(
            lab=self.lab,
            api=self.tenant,
            load_balancer_id=self.load_balancer_id,
            vips=self.vips,
            size=SIZE,
        )
        seen = outage.kill(scene, victim, self.registry, self.screen.say)
        self.dead = victim.instance.id
        self._judge(seen, victim)

    def delete_all(self) -> None:
        """Everything goes, and nothing of it is left anywhere."""
        self.screen.act("everything is deleted")
        with self.screen.progress.step("cascading delete"):
            self.client.run(
                *("loadbalancer", "delete", "--cascade", "--wait", NAME)
            )
        if self.is_distributor_ours:
            distributors.delete(self.admin, self.distributor_id)
            self.screen.say(f"DELETE {distributors.PATH}/<id>")
        self._check_nothing_left()

    # -- details -----------------------------------------------------------

    def _found(self, name: str) -> dict[str, typing.Any] | None:
        answer = self.tenant.get(
            rest.LOAD_BALANCER, f"{_LOAD_BALANCERS}?name={name}"
        )
        for found in answer["loadbalancers"]:
            return dict(found)
        return None

    def _delete(self, load_balancer_id: str) -> None:
        path = f"{_LOAD_BALANCERS}/{load_balancer_id}"

        def is_gone() -> bool:
            try:
                self.tenant.request(
                    "DELETE", rest.LOAD_BALANCER, f"{path}?cascade=true"
                )
            except rest.ApiError as error:
                if error.status not in (404, 409):
                    raise
                return error.status == 404
            return False

        process.wait_until(
            is_gone, _GONE_SECONDS, "the deletion of an earlier demo's", 0.5
        )

    def _amphorae(self) -> tuple[cluster.Amphora, ...]:
        assert self.before is not None
        others = self.before.things["containers"]
        return cluster.amphorae(self.plane, self.admin, others)

    def _check_cluster(self) -> None:
        with self.screen.progress.step("all amphorae announce the VIPs"):
            self._await_announcers()
        found = self._amphorae()
        self.screen.table(
            ("amphora", "rack", "front-end IPv4", "front-end IPv6"),
            [(a.label, a.rack, a.address(4), a.address(6)) for a in found],
        )
        self.screen.claim(
            len(found) == SIZE and len({a.rack for a in found}) == 2,
            f"{SIZE} amphorae run, in two racks",
        )

    def _check_redirect(self) -> None:
        for vip in self.vips:
            answer = fetch.fetch(self.lab, vip, 80, "/old/page")
            self.screen.claim(
                answer.status == 302
                and answer.location == "http://lab.example/new",
                f"IPv{vip.version}: GET /old/page is answered "
                f"{answer.status}, Location: {answer.location}",
            )

    def _await_announcers(self) -> None:
        process.wait_until(
            lambda: all(
                len(observe.announcers(self.lab, _prefix(vip))) == SIZE
                for vip in self.vips
            ),
            _SETTLE_SECONDS,
            f"paths of {SIZE} amphorae for each VIP",
        )

    def _paths_of(self, vip: settings.Address) -> None:
        prefix = _prefix(vip)
        rows = []
        for router in topology.ROUTER_NAMES:
            held = observe.paths(self.lab, router, prefix)
            hops = sorted(observe.fib(self.lab, router, prefix))
            used = ", ".join(
                gateway if not gateway.startswith("fe80") else interface
                for gateway, interface in hops
            )
            rows.append((router, len(held), used))
        self.screen.table((prefix, "paths", "next hops in the kernel"), rows)
        announcers = observe.announcers(self.lab, prefix)
        named = {a for amphora in self._amphorae() for a in amphora.addresses}
        self.screen.claim(
            len(announcers) == SIZE and announcers <= named,
            f"IPv{vip.version}: the leaves use {SIZE} next hops, each "
            "the front-end address of an amphora",
        )

    def _shares_of(self, vip: settings.Address) -> None:
        flows.reset(self.lab)
        target = http_probe.Target(address=str(vip), port=80)
        began = time.monotonic()
        records = clients.shares(self.lab, target, CONNECTIONS)
        took = time.monotonic() - began
        summary = traffic_record.summarize(records)
        counted = cluster.shares(self.lab, self._amphorae(), vip)
        title = f"IPv{vip.version}, {CONNECTIONS} connections in {took:.1f} s"
        self.screen.table(
            (title, "connections", "share"), _share_rows(counted)
        )
        self.screen.table(
            (" " * len(title), "connections", "share"),
            _share_rows(dict(sorted(summary.members.items()))),
        )
        self.screen.claim(
            summary.ok == CONNECTIONS and len(summary.members) == 3,
            f"all {summary.ok} were answered, by {len(summary.members)} "
            "members",
        )
        uneven = flows.unevenness(list(counted.values()))
        self.screen.claim(
            len(counted) == SIZE and uneven <= EVEN,
            f"{len(counted)} amphorae took them, the largest share is "
            f"{uneven:.2f} of the mean",
        )

    def _judge(self, seen: outage.Outage, victim: cluster.Amphora) -> None:
        for version in sorted(seen.records):
            early, late = seen.split(version)
            self.screen.say(
                f"IPv{version}: {early.total + late.total} requests; until "
                f"the paths were gone {early.bad} bad, from the first to the "
                f"last {early.seconds:.2f} s;"
            )
            self.screen.say(
                f"      after that {late.bad} bad of {late.total} "
                "(failed, or slower than 0.2 s)"
            )
            self.screen.claim(
                late.total > 0 and late.bad * 100 <= late.total,
                f"IPv{version}: once the paths were gone, at least 99 of "
                "100 requests were served",
            )
        self.screen.claim(
            seen.paths_left == SIZE - 1,
            f"the paths shrank to {seen.paths_left} and grew to {SIZE} again",
        )
        self.screen.claim(
            seen.provisioning == {"ACTIVE"},
            "the load balancer was ACTIVE, so open for changes, all the time",
        )
        labels = [a.label for a in self._amphorae()]
        self.screen.claim(
            victim.label not in labels and len(labels) == SIZE,
            f"{SIZE} amphorae run again, {victim.label} is not among them",
        )

    def _check_nothing_left(self) -> None:
        for vip in self.vips:
            left = observe.leftovers(self.lab, _prefix(vip))
            self.screen.claim(
                not left,
                f"no router holds a path or a route for {vip}"
                if not left
                else f"paths or routes of {vip} are left: {left}",
            )
        assert self.before is not None
        new = survey.take(self.plane, self.admin).since(self.before)
        ignored = 0 if self.is_distributor_ours else 1
        assert ignored in (0, 1)
        for kind, ids in new.items():
            self.screen.claim(
                not ids,
                f"no {kind} of it are left"
                if not ids
                else f"{kind} are left: {', '.join(sorted(ids))}",
            )
        rows = survey.rows_of(self.plane, self.load_balancer_id)
        own = survey.status_of(self.plane, self.load_balancer_id)
        self.screen.claim(
            not rows and own in (None, "DELETED"),
            "no row in Octavia's database names it"
            + (
                ""
                if own is None
                else ", but its own, which says DELETED: Octavia purges that"
            )
            if not rows
            else f"rows of it are left: {rows}",
        )


def _content() -> list[str]:
    """What the load balancer serves, as lines to type."""
    member = "loadbalancer member create --subnet-id backend-v4"
    return [
        f"loadbalancer listener create --name web --protocol HTTP"
        f" --protocol-port 80 --wait {NAME}",
        "loadbalancer pool create --name web --protocol HTTP"
        " --lb-algorithm ROUND_ROBIN --listener web --wait",
        *(
            f"{member} --name {m.name} --address {m.address_v4.ip}"
            f" --protocol-port {settings.MEMBER_PORT} --wait web"
            for m in settings.MEMBERS
        ),
        "loadbalancer l7policy create --name moved --action REDIRECT_TO_URL"
        " --redirect-url http://lab.example/new --wait web",
        "loadbalancer l7rule create --type PATH --compare-type STARTS_WITH"
        " --value /old --wait moved",
    ]


def _share_rows(counted: dict[str, int]) -> list[tuple[str, int, str]]:
    total = sum(counted.values()) or 1
    return [
        (name, count, f"{100 * count / total:.1f}%")
        for name, count in counted.items()
    ]


def _prefix(vip: settings.Address) -> str:
    return f"{vip}/{vip.max_prefixlen}"


__all__ = ["NAME", "TENANT", "Story"]
