// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// The overview: routers and zones as a map, load balancers as a table.

import { begin, box, line, place, widthOf } from "./draw.js";
import { ofAmphora, ofMany, ofSession, ofStatus } from "./states.js";

const ROWS = 50;
const element = (id) => document.getElementById(id);

export class Overview {
  constructor(filters, changes) {
    this.filters = filters;
    this.changes = changes;
    this.rows = ROWS;
    element("more").addEventListener("click", () => {
      this.rows += ROWS;
      filters.changed();
    });
  }

  draw(model) {
    this.filters.offer(model);
    const clusters = this.filters.apply(model);
    this.drawMap(model, clusters);
    this.drawTable(model, clusters);
    const note = element("left-out");
    note.hidden = !model.leftOut;
    note.textContent =
      `${model.leftOut} load balancers more are not listed: ` +
      "go to one by #lb= and its id, at the end of this page's address.";
  }

  drawMap(model, clusters) {
    const sums = sumUp(clusters);
    const target = element("map");
    const peers = model.peers.filter((peer) => sums.peers.has(peer.id));
    const zones = [...sums.zones.keys()].sort();
    const bands = [
      { title: "VIPs", keys: ["all"] },
      { title: "Routers", keys: peers.map((peer) => `peer:${peer.id}`) },
      { title: "Zones", keys: zones.map((zone) => `zone:${zone}`) },
    ];
    const layout = place(bands, target.parentElement.clientWidth);
    const done = begin(target, layout);
    for (const peer of peers) {
      this.drawLines(target, layout.boxes, peer, zones, sums);
    }
    this.drawAll(target, layout.boxes, clusters);
    for (const peer of peers) {
      this.drawPeer(target, layout.boxes, peer, sums.peers.get(peer.id));
    }
    for (const zone of zones) {
      this.drawZone(target, layout.boxes, zone, sums.zones.get(zone));
    }
    done();
  }

  drawLines(target, boxes, peer, zones, sums) {
    const router = boxes.get(`peer:${peer.id}`);
    const { states, announcing } = sums.peers.get(peer.id);
    line(target, boxes.get("all"), router, {
      key: `all:${peer.id}`,
      state: announcing ? "ok" : "off",
      label: `${peer.name}: ${announcing} amphorae announce to it`,
      width: widthOf(announcing / states.length),
    });
    for (const zone of zones) {
      const pair = sums.pairs.get(pairKey(peer.id, zone));
      if (!pair) continue;
      const key = `${peer.id}:${zone}`;
      const state = ofMany(pair.states);
      const up = count(pair.states, "ok");
      line(target, router, boxes.get(`zone:${zone}`), {
        key,
        state,
        changed: this.changes.mark(`line:${key}`, `${up}:${state}`),
        label:
          `${peer.name} and zone ${zone || "(none)"}: ${up} of ` +
          `${pair.states.length} sessions are Established` +
          (pair.rate === null ? "" : `, ${perSecond(pair.rate)}`),
        width: widthOf(sums.rate ? (pair.rate ?? 0) / sums.rate : null),
      });
    }
  }

  drawAll(target, boxes, clusters) {
    const online = clusters.filter((x) => x.operating === "ONLINE").length;
    const state = ofMany(clusters.map((x) => ofStatus(x.operating)));
    const lines = `${online} of ${clusters.length} ONLINE`;
    box(target, boxes.get("all"), {
      key: "all",
      name: "Load balancers",
      lines,
      state,
      label: `Load balancers: ${lines}`,
      changed: this.changes.mark("all", lines),
    });
  }

  drawPeer(target, boxes, peer, { states }) {
    const up = count(states, "ok");
    const lines = `${up} of ${states.length} sessions`;
    const key = `peer:${peer.id}`;
    box(
      target,
      boxes.get(key),
      {
        key,
        name: peer.name,
        lines,
        state: ofMany(states),
        label:
          `Router ${peer.name}, ${peer.address}: ${lines} are ` +
          "Established. Show only this one.",
        changed: this.changes.mark(key, lines),
      },
      { open: () => this.filters.choose("router", peer.id) },
    );
  }

  drawZone(target, boxes, zone, { states, serving, rate }) {
    const key = `zone:${zone}`;
    const lines = `${serving} of ${states.length} serving`;
    const traffic = rate === null ? "" : `, ${perSecond(rate)}`;
    box(
      target,
      boxes.get(key),
      {
        key,
        name: zone || "no zone",
        lines,
        state: ofMany(states),
        label:
          `Zone ${zone || "(none)"}: ${lines}${traffic}. ` +
          "Show only this one.",
        changed: this.changes.mark(key, lines),
      },
      { open: () => this.filters.choose("zone", zone) },
    );
  }

  drawTable(model, clusters) {
    const body = element("clusters").tBodies[0];
    const key = document.activeElement?.dataset.cluster;
    const shown = clusters.slice(0, this.rows);
    body.replaceChildren(...shown.map((one) => this.row(one)));
    element("more").hidden = clusters.length <= this.rows;
    element("more").textContent =
      `Show more (${clusters.length - shown.length} are not shown)`;
    if (key === undefined) return;
    for (const link of body.querySelectorAll("a")) {
      if (link.dataset.cluster === key) link.focus({ preventScroll: true });
    }
  }

  row(cluster) {
    const row = document.createElement("tr");
    const sessions = cluster.amphorae.flatMap((x) => x.sessions);
    const up = sessions.filter((x) => ofSession(x.state) === "ok").length;
    const link = document.createElement("a");
    link.href = `#lb=${encodeURIComponent(cluster.id)}`;
    link.dataset.cluster = cluster.id;
    link.textContent = cluster.name || cluster.id;
    const status = cell(cluster.operating, ofStatus(cluster.operating));
    if (cluster.provisioning && cluster.provisioning !== "ACTIVE") {
      status.append(` ${cluster.provisioning}`);
    }
    row.append(
      cell(link),
      cell(cluster.isDistributor ? "a distributor's own" : vips(cluster)),
      status,
      amphorae(cluster),
      cell(
        `${up} of ${sessions.length}`,
        ofMany(sessions.map((x) => ofSession(x.state))),
      ),
      cell(perSecond(rateOf(cluster.amphorae))),
    );
    const signature = row.textContent.replace(/[^ ]*\/s$/, "");
    if (this.changes.mark(`row:${cluster.id}`, signature)) {
      row.classList.add("changed");
    }
    return row;
  }
}

function vips(cluster) {
  return cluster.vips.join(" ");
}

function cell(content, state = "") {
  const made = document.createElement("td");
  made.append(content);
  if (state) made.className = `state ${state}`;
  return made;
}

function amphorae(cluster) {
  const own = cluster.amphorae.filter((x) => !x.spare);
  const serving = own.filter((x) => x.phase === "serving").length;
  const made = cell(`${serving} of ${cluster.desired} `);
  for (const amphora of cluster.amphorae) {
    const mark = document.createElement("span");
    mark.className = `dot ${ofAmphora(amphora)}`;
    mark.title = `${amphora.short}: ${amphora.phase}`;
    mark.setAttribute("aria-hidden", "true");
    made.append(mark);
  }
  return made;
}

function sumUp(clusters) {
  const sums = { zones: new Map(), peers: new Map(), pairs: new Map() };
  sums.rate = null;
  for (const cluster of clusters) {
    for (const amphora of cluster.amphorae) addAmphora(sums, amphora);
  }
  return sums;
}

function addAmphora(sums, amphora) {
  const zone = found(sums.zones, amphora.zone, () => ({
    states: [],
    serving: 0,
    rate: null,
  }));
  zone.states.push(ofAmphora(amphora));
  zone.serving += amphora.phase === "serving";
  zone.rate = plus(zone.rate, amphora.rate);
  sums.rate = plus(sums.rate, amphora.rate);
  for (const session of amphora.sessions) {
    const state = ofSession(session.state);
    const peer = found(sums.peers, session.peer, () => ({
      states: [],
      announcing: 0,
    }));
    peer.states.push(state);
    peer.announcing += amphora.announcing && state === "ok";
    const key = pairKey(session.peer, amphora.zone);
    const pair = found(sums.pairs, key, () => ({ states: [], rate: null }));
    pair.states.push(state);
    if (amphora.rate !== null) {
      const part = amphora.rate / amphora.sessions.length;
      pair.rate = plus(pair.rate, part);
    }
  }
}

const pairKey = (peer, zone) => JSON.stringify([peer, zone]);

function found(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}

function plus(sum, more) {
  if (more === null || more === undefined) return sum;
  return (sum ?? 0) + more;
}

const count = (states, wanted) => states.filter((x) => x === wanted).length;

export function rateOf(amphorae) {
  return amphorae.reduce((sum, amphora) => plus(sum, amphora.rate), null);
}

export function perSecond(rate) {
  return rate === null ? "not known" : `${rate.toFixed(1)}/s`;
}
