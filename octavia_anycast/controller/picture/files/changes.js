// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// What changed since it was drawn the last time, for some seconds.

const SECONDS = 5;

export class Changes {
  constructor() {
    this.forget();
  }

  /** What is shown is another thing now: nothing of it has changed. */
  forget() {
    this.before = new Map();
    this.until = new Map();
  }

  /** Whether this has changed a moment ago; signature: what it says. */
  mark(key, signature) {
    const before = this.before.get(key);
    this.before.set(key, signature);
    const now = performance.now();
    if (before !== undefined && before !== signature) {
      this.until.set(key, now + 1000 * SECONDS);
    }
    return (this.until.get(key) ?? 0) > now;
  }
}
