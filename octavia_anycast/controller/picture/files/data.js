// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// Asks for the documents, and makes objects of their rows.

export class Problem extends Error {}

/** The time of day, of milliseconds; empty if there are none. */
export function clock(at) {
  if (!at) return "";
  return new Date(at).toLocaleTimeString([], { hourCycle: "h23" });
}

/** Ask for a document; throws a Problem that says what is wrong. */
export async function load(name, id = "") {
  const query = id ? `?id=${encodeURIComponent(id)}` : "";
  let answer;
  try {
    answer = await fetch(name + query, {
      cache: "no-store",
      signal: AbortSignal.timeout(15_000),
    });
  } catch {
    throw new Problem("The controller does not answer.");
  }
  if (!answer.ok) {
    throw new Problem((await answer.text()).slice(0, 200).trim());
  }
  return answer.json();
}

/** The overview: clusters with amphorae, as objects. */
export function readOverview(found) {
  const peers = found.peers.map(([id, name, address, zone]) => ({
    id,
    name: name || address,
    address,
    zone,
  }));
  const words = { ...found, peers };
  return {
    at: found.at,
    peers,
    zones: found.zones,
    leftOut: found.left_out,
    totals: found.totals,
    clusters: found.clusters.map((row) => readCluster(row, words)),
  };
}

function readCluster(row, words) {
  const [id, name, project, vips, provisioning, operating, desired, amphorae] =
    row;
  return {
    id,
    name,
    project: project === null ? "" : (words.projects[project] ?? ""),
    isDistributor: project === null,
    vips,
    provisioning,
    operating,
    desired,
    amphorae: amphorae.map((one) => readAmphora(one, words)),
  };
}

function readAmphora([short, zone, phase, gate, marks, rate, found], words) {
  const sessions = [];
  for (let at = 0; at < found.length; at += 2) {
    sessions.push({
      peer: words.peers[found[at]].id,
      state: words.words.sessions[found[at + 1]],
    });
  }
  return {
    short,
    zone: words.zones[zone] ?? "",
    phase: words.words.phases[phase],
    gate: words.words.gates[gate] ?? "unknown",
    announcing: (marks & 1) > 0,
    spare: (marks & 2) > 0,
    draining: (marks & 4) > 0,
    reported: (marks & 8) > 0,
    rate: rate < 0 ? null : rate,
    sessions,
  };
}

/** One cluster in detail, with the same names as in the overview. */
export function readDetail(found) {
  const amphorae = found.amphorae.map((one) => ({
    ...one,
    short: one.id.slice(0, 8),
    evidence: one.gate,
    gate: one.gate ? one.gate.state : "unknown",
    draining: one.drain !== "NONE",
    reported: one.fresh,
    reportedAt: one.reported,
  }));
  const peers = found.peers.map((peer) => ({
    ...peer,
    name: peer.name || peer.address,
  }));
  const cluster = { ...found, isDistributor: found.is_distributor, amphorae };
  return { at: found.at, peers, clusters: [cluster] };
}

/** The events of the last hour, the newest first. */
export function readHistory(found) {
  return {
    at: found.at,
    since: found.since,
    events: found.events.map((row) => ({
      at: row[0],
      kind: row[1],
      owner: found.owners[row[2]] ?? "",
      short: row[3],
      zone: found.zones[row[4]] ?? "",
      peer: found.peers[row[5]] ?? "",
      from: row[6],
      to: row[7],
      cause: row[8] ?? "",
    })),
  };
}
