// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// How good a state is: ok, warn, bad, or off where nothing is known. It
// decides colours, dashes and what counts as trouble.

const PHASES = { serving: "ok", booting: "warn", drained: "warn",
  leaving: "warn" };
const STATUSES = { ONLINE: "ok", OFFLINE: "off", NO_MONITOR: "off",
  ERROR: "bad" };
const PATHS = { advertised: "ok", draining: "warn", unknown: "off",
  withdrawn: "off" };
const RANK = ["ok", "off", "warn", "bad"];

export const ofPhase = (phase) => PHASES[phase] ?? "bad";
export const ofStatus = (status) => STATUSES[status] ?? "warn";
export const ofPath = (state) => PATHS[state] ?? "bad";

export function ofSession(state) {
  if (state === "Established") return "ok";
  return state === "Unknown" ? "off" : "bad";
}

/** Of several amphorae or sessions: ok if all are, bad if all are. */
export function ofMany(states) {
  if (!states.length) return "off";
  const bad = states.filter((state) => state === "bad").length;
  if (bad === states.length) return "bad";
  if (bad) return "warn";
  return worst(states);
}

export function worst(states) {
  return states.reduce(
    (one, other) => (RANK.indexOf(other) > RANK.indexOf(one) ? other : one),
    "ok",
  );
}

export function ofAmphora(amphora) {
  const gate = amphora.gate === "DOWN" ? "bad" : "ok";
  return worst([ofPhase(amphora.phase), gate]);
}

export function isInTrouble(cluster) {
  return (
    worst([ofStatus(cluster.operating)]) !== "ok" ||
    cluster.provisioning === "ERROR" ||
    cluster.amphorae.some(
      (amphora) =>
        ofAmphora(amphora) !== "ok" ||
        amphora.sessions.some((x) => ofSession(x.state) === "bad"),
    )
  );
}
