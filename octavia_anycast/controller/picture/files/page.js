// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// The page: asks for data every two seconds, and draws what changed.

import { Changes } from "./changes.js";
import { Cluster } from "./cluster.js";
import {
  Problem,
  clock,
  load,
  readDetail,
  readHistory,
  readOverview,
} from "./data.js";
import { Filters } from "./filters.js";
import { Overview } from "./overview.js";
import { stateAt } from "./replay.js";
import { TimeBar } from "./timebar.js";

const EVERY_MS = 2000;
const element = (id) => document.getElementById(id);

class Page {
  constructor() {
    this.changes = new Changes();
    this.filters = new Filters(() => this.redraw());
    this.overview = new Overview(this.filters, this.changes);
    this.cluster = new Cluster(this.changes);
    this.timebar = new TimeBar((seconds) => this.goTo(seconds));
    this.before = null; // seconds before now; null: now
    this.history = null;
    this.model = null;
    window.addEventListener("hashchange", () => this.turn());
    new ResizeObserver(() => this.draw()).observe(document.body);
    document.addEventListener("visibilitychange", () => this.ask());
    this.turn();
    setInterval(() => this.ask(), EVERY_MS);
  }

  /** Show all, or the one load balancer that the address names. */
  turn() {
    const wanted = new URLSearchParams(location.hash.slice(1)).get("lb");
    this.id = wanted ?? "";
    this.model = null;
    this.history = null;
    this.changes.forget();
    this.cluster.forget();
    element("overview").hidden = this.id !== "";
    element("filters").hidden = this.id !== "";
    element("cluster").hidden = this.id === "";
    this.ask(true);
  }

  /** Ask for the data of now; while an hour is replayed it is kept. */
  async ask(isFirst = false) {
    if (!isFirst && (document.hidden || this.isAsking)) return;
    if (this.before !== null && this.model && this.history) return;
    const id = this.id;
    this.isAsking = true;
    try {
      const model = await readNow(id);
      const history = this.before === null ? null : await readPast(id);
      if (id !== this.id) return;
      this.model = model;
      this.history = history;
      this.draw();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (id === this.id) this.complain(problem);
    } finally {
      this.isAsking = false;
    }
  }

  complain(problem) {
    element("state").textContent = problem.message;
    document.body.classList.add("old");
  }

  /** Show the state of so many seconds ago; null: of now, and go on. */
  goTo(seconds) {
    const isBack = this.before !== null;
    this.before = seconds;
    if (seconds === null) this.history = null;
    if (seconds === null || !isBack || !this.history) this.ask();
    this.draw();
  }

  redraw() {
    this.changes.forget();
    this.draw();
  }

  draw() {
    if (!this.model) return;
    if (this.before !== null && !this.history) return;
    const shown = this.before === null ? this.model : this.past();
    document.body.classList.remove("old");
    document.body.classList.toggle("replay", this.before !== null);
    this.timebar.show(this.before === null ? null : shown.at);
    this.sayState(shown);
    if (this.id) this.cluster.draw(shown);
    else this.overview.draw(shown);
  }

  past() {
    const { at, since } = this.history;
    this.timebar.reach((at - since) / 1000);
    const moment = Math.max(since, at - 1000 * this.before);
    return stateAt(this.model, this.history, moment);
  }

  sayState(shown) {
    const { totals } = this.model;
    const mode = this.before === null ? "Live" : "Replay";
    const counts = totals
      ? `: ${totals.clusters} clusters, ${totals.amphorae} amphorae now.`
      : ".";
    const text = mode + counts;
    const state = element("state");
    if (state.textContent !== text) state.textContent = text;
    element("as-of").textContent = `As of ${clock(shown.at)}.`;
  }
}

async function readNow(id) {
  if (id) return readDetail(await load("cluster.json", id));
  return readOverview(await load("overview.json"));
}

async function readPast(id) {
  return readHistory(await load("events.json", id));
}

new Page();
