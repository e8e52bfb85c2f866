// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// Tells in words what a box or a line stands for.

import { clock } from "./data.js";

/** Put a heading and pairs of term and text into the panel. */
function fill(panel, title, rows) {
  const heading = document.createElement("h3");
  heading.textContent = title;
  const list = document.createElement("dl");
  for (const [term, text] of rows) {
    if (text === null || text === undefined || text === "") continue;
    const name = document.createElement("dt");
    name.textContent = term;
    const value = document.createElement("dd");
    value.textContent = text;
    list.append(name, value);
  }
  const before = panel.textContent;
  if (before !== heading.textContent + list.textContent) {
    panel.replaceChildren(heading, list);
  }
}

export function sessionText(session, peer, paths = []) {
  const name = peer?.name ?? session.peer;
  const parts = [`${name}: ${session.state}`];
  if (session.error) parts.push(session.error);
  for (const path of paths) {
    const reason = path.reason ? `, ${path.reason}` : "";
    parts.push(`${path.vip} ${path.state}${reason}`);
  }
  return parts.join("; ");
}

export function amphoraText(amphora, peers, share) {
  const parts = [
    `Amphora ${amphora.short} in zone ${amphora.zone || "(none)"}: ` +
      amphora.phase,
    gateText(amphora),
    amphora.announcing ? "announced" : "not announced",
  ];
  if (amphora.spare) parts.push("a spare");
  for (const session of amphora.sessions) {
    parts.push(sessionText(session, peers.get(session.peer)));
  }
  if (share !== null) parts.push(`${percent(share)} of new connections`);
  return parts.join("; ");
}

function gateText({ gate, evidence }) {
  const reason = evidence?.reason ? `: ${evidence.reason}` : "";
  return `gate ${gate}${reason}`;
}

const percent = (share) => `${Math.round(100 * share)} %`;

export function amphora(panel, found, peers, { share, isThen }) {
  const evidence = found.evidence?.evidence ?? [];
  const byPeer = (session) =>
    found.paths.filter((path) => path.peer === session.peer);
  fill(panel, `Amphora ${found.id}`, [
    ["Zone", found.zone],
    ["Host", found.host],
    ["Phase", found.spare ? `${found.phase}, a spare` : found.phase],
    ["Gate", gateText(found)],
    ["Since", found.evidence && clock(found.evidence.since)],
    ...evidence
      .filter((seen) => seen.verdict !== "good")
      .map((seen) => [`Probe ${seen.probe}`, `${seen.verdict} ${seen.value}`]),
    ["Drain", found.draining ? (found.drain ?? "yes") : ""],
    ["Announced", found.announcing ? "yes" : "no"],
    ...found.sessions.map((session) => [
      "Session",
      sessionText(session, peers.get(session.peer), byPeer(session)),
    ]),
    ["New connections", share === null ? "" : percent(share)],
    ["Open connections", found.connections],
    ["Last report", isThen ? "" : clock(found.reportedAt)],
    ["", found.reported || isThen ? "" : "What it reported is old."],
  ]);
}

export function peer(panel, found, cluster) {
  if (!found) return;
  const rows = cluster.amphorae.flatMap((one) =>
    one.sessions
      .filter((session) => session.peer === found.id)
      .map((session) => [
        `Amphora ${one.short}`,
        sessionText(
          session,
          found,
          one.paths.filter((path) => path.peer === found.id),
        ),
      ]),
  );
  fill(panel, `Router ${found.name}`, [
    ["Address", found.address],
    ["Zone", found.zone],
    ...rows,
  ]);
}

export function vip(panel, address, cluster, peers) {
  const rows = peers.map((one) => {
    const paths = cluster.amphorae.flatMap((amphora) =>
      amphora.paths
        .filter((path) => path.vip === address && path.peer === one.id)
        .map((path) => `${amphora.short} ${path.state}`),
    );
    return [one.name, paths.join(", ") || "no path"];
  });
  fill(panel, `VIP ${address}`, [["Status", cluster.operating], ...rows]);
}

export function member(panel, kind, found, isThen) {
  fill(panel, `${kind} ${found.name || found.id}`, [
    ["Id", found.id],
    ["Status", isThen ? "not known then" : found.operating],
    ["", found.enabled ? "" : "It is disabled."],
    ["Members", found.member_count],
    ["Address", found.address],
    ["Port", found.port],
    ["Protocol", found.protocol],
  ]);
}
