# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Clients on top of those of Octavia's plug-in: same statuses, same faults.

Each method answers the object, without the root of the document.
"""

from typing import Any

from octavia_tempest_plugin.services.load_balancer.v2 import base_client
from oslo_serialization import jsonutils

Document = dict[str, Any]


class _Client(base_client.BaseLBaaSClient):
    """Create, show, list, change and delete the objects of a collection."""

    def create(self, parent_id: str | None = None, **body: Any) -> Document:
        """POST one; 201."""
        made: Document = self._create_object(parent_id=parent_id, **body)
        return made

    def show(
        self, id: str, parent_id: str | None = None, query: str | None = None
    ) -> Document:
        """GET one; 200."""
        found: Document = self._show_object(
            id, parent_id=parent_id, query_params=query
        )
        return found

    def list_all(
        self, parent_id: str | None = None, query: str | None = None
    ) -> list[Document]:
        """GET all; 200."""
        found: list[Document] = self._list_objects(
            parent_id=parent_id, query_params=query
        )
        return found

    def update(self, id: str, **body: Any) -> Document:
        """PUT one; 200."""
        changed: Document = self._update_object(id, **body)
        return changed

    def remove(
        self, id: str, parent_id: str | None = None, *, cascade: bool = False
    ) -> None:
        """DELETE one; 204."""
        self._delete_obj(id, parent_id=parent_id, cascade=cascade)


class _OneDocument(base_client.BaseLBaaSClient):
    """A document that an object has: no collection, no id of its own."""

    success_of_put = 200

    def show(self, id: str) -> Document:
        """GET it; 200."""
        return self._answer(200, *self.get(self._uri_of(id)))

    def update(self, id: str, **body: Any) -> Document:
        """PUT it."""
        text = jsonutils.dumps({self.root_tag: body})
        answer = self.put(self._uri_of(id), text)
        return self._answer(self.success_of_put, *answer)

    def _uri_of(self, id: str) -> str:
        return str(self.base_uri.format(object=id))

    def _answer(self, wanted: int, response: Any, body: Any) -> Document:
        self.expected_success(wanted, response.status)
        found: Document = jsonutils.loads(body)[self.root_tag]
        return found


class BgpPeerClient(_Client):
    """``/v2/lbaas/bgp-peers``."""

    root_tag = "bgp_peer"
    list_root_tag = "bgp_peers"
    base_uri = "/v2/lbaas/bgp-peers"


class BgpSpeakerClient(_Client):
    """``/v2/lbaas/bgp-speakers``, and the peers of one."""

    root_tag = "bgp_speaker"
    list_root_tag = "bgp_speakers"
    base_uri = "/v2/lbaas/bgp-speakers"

    def add_peer(self, id: str, peer_id: str) -> Document:
        """Register a peer; 200."""
        response, body = self.put(f"{self.uri}/{id}/bgp-peers/{peer_id}", "")
        self.expected_success(200, response.status)
        found: Document = jsonutils.loads(body)[self.root_tag]
        return found

    def remove_peer(self, id: str, peer_id: str) -> None:
        """Unregister it; 204."""
        response, _ = self.delete(f"{self.uri}/{id}/bgp-peers/{peer_id}")
        self.expected_success(204, response.status)


class DistributorClient(_Client):
    """``/v2/lbaas/distributors``."""

    root_tag = "distributor"
    list_root_tag = "distributors"
    base_uri = "/v2/lbaas/distributors"


class PathClient(_Client):
    """``/v2/lbaas/distributors/ID/paths``; only listed."""

    root_tag = "path"
    list_root_tag = "paths"
    base_uri = "/v2/lbaas/distributors/{{parent}}/{object}"


class ExternalVipClient(_Client):
    """``/v2/lbaas/distributors/ID/vips``."""

    root_tag = "vip"
    list_root_tag = "vips"
    base_uri = "/v2/lbaas/distributors/{{parent}}/{object}"


class ClusterClient(_OneDocument):
    """``/v2/lbaas/loadbalancers/ID/cluster``."""

    root_tag = "cluster"
    base_uri = "/v2/lbaas/loadbalancers/{object}/cluster"
    success_of_put = 202


class DrainClient(_OneDocument):
    """``/v2/octavia/amphorae/ID/drain``."""

    root_tag = "drain"
    base_uri = "/v2/octavia/amphorae/{object}/drain"
    success_of_put = 202

    def undo(self, id: str) -> None:
        """DELETE it: the amphora announces again; 204."""
        response, _ = self.delete(self._uri_of(id))
        self.expected_success(204, response.status)
