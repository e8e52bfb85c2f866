// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// One load balancer: its VIP, routers, amphorae by zone, pools, members.

import { begin, box, line, place, widthOf } from "./draw.js";
import { rateOf } from "./overview.js";
import * as tell from "./panel.js";
import { ofAmphora, ofMany, ofPath, ofSession, ofStatus } from "./states.js";

const LINES_MAX = 64;
const element = (id) => document.getElementById(id);

export class Cluster {
  constructor(changes) {
    this.changes = changes;
    this.told = null;
  }

  /** Another load balancer is shown from now on. */
  forget() {
    this.told = null;
    element("cluster-name").textContent = "";
    element("cluster-state").textContent = "";
    element("cluster-id").textContent = "";
    element("paths").replaceChildren();
  }

  draw(model) {
    const [cluster] = model.clusters;
    const peers = new Map(model.peers.map((peer) => [peer.id, peer]));
    this.scene = { model, cluster, peers, isThen: model.isReplayed === true };
    this.scene.rate = rateOf(cluster.amphorae);
    this.drawHead(cluster);
    const target = element("paths");
    const width = target.parentElement.clientWidth;
    const panel = element("panel");
    const beside = panel.offsetTop <= target.parentElement.offsetTop + 4;
    const room = beside ? width - panel.offsetWidth - 16 : width;
    const layout = place(this.bands(), Math.max(200, room));
    const done = begin(target, layout);
    this.drawLines(target, layout.boxes);
    this.drawBoxes(target, layout.boxes);
    done();
    if (this.told) this.tell(this.told);
  }

  drawHead(cluster) {
    element("cluster-name").textContent = cluster.name || cluster.id;
    const owner = cluster.project ? `, project ${cluster.project}` : "";
    element("cluster-id").textContent = `Id ${cluster.id}${owner}`;
    const serving = cluster.amphorae.filter(
      (x) => x.phase === "serving" && !x.spare,
    ).length;
    const reason = this.scene.isThen ? "" : cluster.reason;
    element("cluster-state").textContent =
      `${cluster.operating}, ${serving} of ${cluster.desired} amphorae ` +
      `serve. ${reason}`;
  }

  bands() {
    const { cluster, model } = this.scene;
    return [
      { title: "VIPs", keys: cluster.vips.map((vip) => `vip:${vip}`) },
      { title: "Routers", keys: model.peers.map((x) => `peer:${x.id}`) },
      { title: "Amphorae by zone", ...byZone(cluster.amphorae) },
      { title: "Pools", keys: cluster.pools.map((x) => `pool:${x.id}`) },
      ...cluster.pools.map((pool) => ({
        title: membersTitle(pool),
        keys: pool.members.map((x) => `member:${x.id}`),
      })),
    ].filter((band) => band.keys.length);
  }

  drawLines(target, boxes) {
    const { cluster, model } = this.scene;
    for (const peer of model.peers) {
      const router = boxes.get(`peer:${peer.id}`);
      for (const vip of cluster.vips) {
        const what = this.announced(vip, peer);
        line(target, boxes.get(`vip:${vip}`), router, what);
      }
      for (const amphora of cluster.amphorae) {
        const what = this.session(peer, amphora);
        const to = boxes.get(`amphora:${amphora.short}`);
        if (what) line(target, router, to, what);
      }
    }
    const pairs = cluster.amphorae.length * cluster.pools.length;
    for (const pool of cluster.pools) {
      const from = boxes.get(`pool:${pool.id}`);
      if (pairs <= LINES_MAX) this.drawServing(target, boxes, from, pool);
      for (const member of pool.members) {
        const state = this.thenOff(ofStatus(member.operating));
        line(target, from, boxes.get(`member:${member.id}`), {
          key: member.id,
          state,
          label: member.operating,
        });
      }
    }
  }

  drawServing(target, boxes, pool, { id }) {
    for (const amphora of this.scene.cluster.amphorae) {
      const serves = amphora.phase === "serving" && !amphora.spare;
      line(target, boxes.get(`amphora:${amphora.short}`), pool, {
        key: `${amphora.short}:${id}`,
        state: serves ? "ok" : "off",
        label: serves ? "serves this pool" : amphora.phase,
        width: widthOf(this.share(amphora)),
      });
    }
  }

  /** The line of a VIP to a router: paths that amphorae announce to it. */
  announced(vip, peer) {
    const paths = this.scene.cluster.amphorae
      .flatMap((amphora) => amphora.paths)
      .filter((path) => path.vip === vip && path.peer === peer.id);
    const sent = paths.filter((path) =>
      ["advertised", "draining"].includes(path.state),
    ).length;
    const isWanted = paths.some((path) => path.state === "pending");
    const key = `${vip}:${peer.id}`;
    return {
      key,
      state: sent ? "ok" : isWanted ? "bad" : "off",
      label: `${peer.name} holds ${sent} of ${paths.length} paths of ${vip}`,
      width: widthOf(paths.length ? sent / paths.length : 0),
      changed: this.changes.mark(`line:${key}`, `${sent}`),
    };
  }

  /** The line of a router to an amphora: a session and what it carries. */
  session(peer, amphora) {
    const session = amphora.sessions.find((x) => x.peer === peer.id);
    if (!session) return null;
    const paths = amphora.paths.filter((path) => path.peer === peer.id);
    const ofPaths = paths.length
      ? ofMany(paths.map((path) => ofPath(path.state)))
      : "off";
    const up = ofSession(session.state);
    const key = `${peer.id}:${amphora.short}`;
    const state = up === "ok" ? ofPaths : up;
    return {
      key,
      state,
      label: tell.sessionText(session, peer, paths),
      width: widthOf(this.share(amphora)),
      changed: this.changes.mark(`line:${key}`, `${session.state}${state}`),
    };
  }

  share(amphora) {
    const { rate } = this.scene;
    return rate && amphora.rate !== null ? amphora.rate / rate : null;
  }

  /** Of pools and members nobody knows how they were then. */
  thenOff(state) {
    return this.scene.isThen ? "off" : state;
  }

  drawBoxes(target, boxes) {
    const { cluster, model, isThen } = this.scene;
    for (const vip of cluster.vips) {
      this.drawBox(target, boxes, `vip:${vip}`, {
        name: vip,
        lines: cluster.operating,
        state: ofStatus(cluster.operating),
        label: `VIP ${vip}: ${cluster.operating}`,
      });
    }
    for (const peer of model.peers) {
      this.drawBox(target, boxes, `peer:${peer.id}`, this.peer(peer));
    }
    for (const amphora of cluster.amphorae) {
      const what = this.amphora(amphora);
      this.drawBox(target, boxes, `amphora:${amphora.short}`, what);
    }
    for (const pool of cluster.pools) {
      for (const one of [pool, ...pool.members]) {
        const kind = one === pool ? "pool" : "member";
        const lines = isThen ? "not known then" : one.operating;
        const name = one.name || one.address || one.id;
        this.drawBox(target, boxes, `${kind}:${one.id}`, {
          name,
          lines,
          state: this.thenOff(ofStatus(one.operating)),
          label: `${kind} ${name}: ${lines}`,
        });
      }
    }
  }

  drawBox(target, boxes, key, what) {
    const changed = this.changes.mark(key, `${what.lines}${what.state}`);
    box(
      target,
      boxes.get(key),
      { ...what, key, changed },
      { show: () => this.tell(key) },
    );
  }

  peer(peer) {
    const states = this.scene.cluster.amphorae
      .flatMap((amphora) => amphora.sessions)
      .filter((session) => session.peer === peer.id)
      .map((session) => ofSession(session.state));
    const up = states.filter((state) => state === "ok").length;
    const lines = `${up} of ${states.length} sessions`;
    return {
      name: peer.name,
      lines,
      state: ofMany(states),
      label: `Router ${peer.name}, ${peer.address}: ${lines} Established`,
    };
  }

  amphora(amphora) {
    const words = [amphora.spare ? "spare" : amphora.phase];
    if (amphora.gate === "DOWN") words.push("gate DOWN");
    else if (amphora.draining) words.push("drains");
    else if (!amphora.announcing) words.push("not announced");
    const { peers } = this.scene;
    return {
      name: amphora.short,
      lines: words.join(", "),
      state: ofAmphora(amphora),
      label: tell.amphoraText(amphora, peers, this.share(amphora)),
    };
  }

  /** Tell what is known of a box, beside the drawing. */
  tell(key) {
    this.told = key;
    const [kind, id] = split(key);
    const { cluster, model, peers, isThen } = this.scene;
    const panel = element("panel");
    if (kind === "amphora") {
      const found = cluster.amphorae.find((x) => x.short === id);
      const share = found && this.share(found);
      if (found) tell.amphora(panel, found, peers, { share, isThen });
    } else if (kind === "peer") {
      tell.peer(panel, peers.get(id), cluster);
    } else if (kind === "vip") {
      tell.vip(panel, id, cluster, model.peers);
    } else {
      const all = cluster.pools.flatMap((pool) => [pool, ...pool.members]);
      const found = all.find((x) => x.id === id);
      if (found) tell.member(panel, kind, found, isThen);
    }
  }
}

function split(key) {
  const at = key.indexOf(":");
  return [key.slice(0, at), key.slice(at + 1)];
}

/** Amphorae zone by zone; the first of each has the zone's name above. */
function byZone(amphorae) {
  const heads = new Map();
  const keys = [];
  let before = null;
  const order = (one, other) =>
    one.zone.localeCompare(other.zone) ||
    one.short.localeCompare(other.short);
  for (const { short, zone } of [...amphorae].sort(order)) {
    const key = `amphora:${short}`;
    if (zone !== before) heads.set(key, zone || "no zone");
    before = zone;
    keys.push(key);
  }
  return { keys, heads };
}

function membersTitle(pool) {
  const more = pool.member_count - pool.members.length;
  const rest = more > 0 ? `, and ${more} more` : "";
  return `Members of ${pool.name || pool.id}${rest}`;
}

