// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// The time bar: now, or a moment of the last hour.

import { clock } from "./data.js";

const STEP_SECONDS = 10;
const STEP_MS = 250;
const element = (id) => document.getElementById(id);

export class TimeBar {
  /** changed: is called with seconds before now, or null for now. */
  constructor(changed) {
    this.changed = changed;
    this.timer = null;
    element("time").addEventListener("input", () => this.moved());
    element("now").addEventListener("click", () => this.toNow());
    element("play").addEventListener("click", () => this.play());
    this.show(null);
  }

  get seconds() {
    const value = Number(element("time").value);
    return value === 0 ? null : -value;
  }

  moved() {
    this.changed(this.seconds);
  }

  toNow() {
    this.stop();
    element("time").value = 0;
    this.moved();
  }

  /** Go on from here, or from the beginning, until now. */
  play() {
    if (this.timer !== null) {
      this.stop();
      return;
    }
    const range = element("time");
    if (this.seconds === null) range.value = range.min;
    this.moved();
    element("play").textContent = "Stop";
    this.timer = setInterval(() => {
      range.value = Number(range.value) + STEP_SECONDS;
      if (this.seconds === null) this.stop();
      this.moved();
    }, STEP_MS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    element("play").textContent = "Play";
  }

  /** The earliest moment that can be shown, in seconds before now. */
  reach(seconds) {
    element("time").min = -Math.max(1, Math.floor(seconds));
  }

  show(moment) {
    const text = moment === null ? "now" : clock(moment);
    element("moment").textContent = text;
    element("time").setAttribute("aria-valuetext", text);
  }
}
