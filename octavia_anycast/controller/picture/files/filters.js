// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// What is shown: by load balancer, project, router, zone, trouble.

import { isInTrouble } from "./states.js";

const element = (id) => document.getElementById(id);

export class Filters {
  constructor(changed) {
    this.changed = changed;
    element("filters").addEventListener("submit", (e) => e.preventDefault());
    element("filters").addEventListener("input", changed);
    element("clear").addEventListener("click", () => this.clear());
  }

  clear() {
    element("filters").reset();
    this.changed();
  }

  /** Choose one; the same again: all. */
  choose(id, value) {
    const select = element(id);
    select.value = select.value === value ? "" : value;
    this.changed();
  }

  /** Offer what there is, and keep what is chosen. */
  offer(model) {
    const projects = new Set(model.clusters.map((x) => x.project));
    projects.delete("");
    fill("project", [...projects].sort().map((x) => [x, x]));
    fill("router", model.peers.map((x) => [x.id, x.name]));
    fill("zone", [...model.zones].sort().map((x) => [x, x || "no zone"]));
  }

  /** The clusters to be shown, with the amphorae and sessions to be shown. */
  apply(model) {
    const text = element("find").value.trim().toLowerCase();
    const project = element("project").value;
    const router = element("router").value;
    const zone = element("zone");
    const hasZone = zone.selectedIndex > 0;
    const shown = [];
    for (const cluster of model.clusters) {
      if (project && cluster.project !== project) continue;
      if (text && !isFound(cluster, text)) continue;
      if (element("trouble").checked && !isInTrouble(cluster)) continue;
      let amphorae = cluster.amphorae;
      if (hasZone) amphorae = amphorae.filter((x) => x.zone === zone.value);
      if (router) amphorae = amphorae.map((x) => only(x, router));
      if (router) amphorae = amphorae.filter((x) => x.sessions.length);
      if ((hasZone || router) && !amphorae.length) continue;
      shown.push({ ...cluster, amphorae });
    }
    return shown;
  }
}

function isFound(cluster, text) {
  const texts = [cluster.name, cluster.id, ...cluster.vips];
  return texts.some((one) => one.toLowerCase().includes(text));
}

function only(amphora, router) {
  const sessions = amphora.sessions.filter((x) => x.peer === router);
  return { ...amphora, sessions };
}

function fill(id, choices) {
  const select = element(id);
  const signature = JSON.stringify(choices);
  if (select.dataset.choices === signature) return;
  select.dataset.choices = signature;
  const before = select.selectedIndex > 0 ? select.value : null;
  const options = choices.map(([value, text]) => {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = text;
    return option;
  });
  const all = document.createElement("option");
  all.value = "";
  all.textContent = "all";
  select.replaceChildren(all, ...options);
  const place = choices.findIndex(([value]) => value === before);
  select.selectedIndex = place + 1;
}
