// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// Shows an earlier state: takes the present one, and undoes what happened
// since, the newest event first.

/** The model as it was at a moment (milliseconds). */
export function stateAt(model, history, moment) {
  const then = structuredClone(model);
  const byId = new Map(then.clusters.map((one) => [one.id, one]));
  for (const event of history.events) {
    if (event.at <= moment) break;
    const cluster = byId.get(event.owner) ?? notListed(event.owner, byId);
    undo(cluster, event);
  }
  // Of one load balancer only, no other is shown.
  const shown = model.zones ? [...byId.values()] : then.clusters;
  const clusters = shown.filter((x) => x.amphorae.length || !x.isGone);
  clusters.forEach(forgetCounts);
  return { ...then, clusters, at: moment, isReplayed: true };
}

/** A cluster that is deleted, or does not fit into the overview. */
function notListed(id, byId) {
  const cluster = {
    id,
    name: `not listed now: ${id}`,
    project: "",
    vips: [],
    provisioning: "",
    operating: "not known",
    desired: 0,
    amphorae: [],
    isDistributor: false,
    isGone: true,
  };
  byId.set(id, cluster);
  return cluster;
}

/** How many things were counted then is not in the events. */
function forgetCounts(cluster) {
  for (const amphora of cluster.amphorae) {
    amphora.rate = null;
    amphora.connections = null;
  }
}

function undo(cluster, event) {
  if (event.kind === "status") {
    if (event.from) cluster.operating = event.from;
  } else if (event.kind === "scale") {
    if (event.from) cluster.desired = Number(event.from);
  } else if (event.kind === "amphora.phase") {
    undoPhase(cluster, event);
  } else {
    const amphora = find(cluster, event.short);
    const change = CHANGES[event.kind.split(".")[0]];
    if (amphora && change) change(amphora, event);
  }
}

/** An amphora comes with its first phase and goes with its last one. */
function undoPhase(cluster, event) {
  if (!event.from) {
    cluster.amphorae = cluster.amphorae.filter((x) => x.short !== event.short);
    return;
  }
  const amphora = find(cluster, event.short) ?? bringBack(cluster, event);
  amphora.phase = event.from;
}

function bringBack(cluster, event) {
  const amphora = {
    id: event.short,
    short: event.short,
    zone: event.zone,
    phase: event.from,
    gate: "unknown",
    announcing: false,
    spare: false,
    draining: false,
    reported: false,
    rate: null,
    sessions: [],
    paths: [],
  };
  cluster.amphorae.push(amphora);
  return amphora;
}

const CHANGES = {
  amphora: (amphora, event) => {
    amphora.announcing = event.from === "announced";
    for (const path of amphora.paths ?? []) {
      path.state = amphora.announcing ? "advertised" : "withdrawn";
      path.reason = "";
    }
  },
  session: (amphora, event) => {
    let session = amphora.sessions.find((x) => x.peer === event.peer);
    if (!session) {
      session = { peer: event.peer };
      amphora.sessions.push(session);
    }
    const states = { up: "Established", down: "Down" };
    session.state = states[event.from] ?? "Unknown";
    session.error = "";
  },
  gate: (amphora, event) => {
    amphora.gate = { open: "UP", closed: "DOWN" }[event.from] ?? "unknown";
    amphora.evidence = null;
  },
  drain: (amphora, event) => {
    amphora.draining = !["", "NONE"].includes(event.from);
  },
  spare: (amphora, event) => {
    amphora.spare = event.from === "spare";
  },
};

function find(cluster, short) {
  return cluster.amphorae.find((amphora) => amphora.short === short);
}
