// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// Places boxes and draws them, and lines. All text is put in as text, whatever
// it says. Boxes are in bands from top to bottom, each with a title, wrapped
// to the width that there is: one arrangement fits a phone and a wall.

const SPACE = "http://www.w3.org/2000/svg";
const BOX = { width: 148, height: 44 };
const GAP = { x: 14, y: 12, band: 40, title: 16, head: 14 };
const EDGE = 8;

export function svg(name, attributes = {}, text = null) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  if (text !== null) made.textContent = text;
  return made;
}

/** Begin anew; returns what gives the focus back to the same box. */
export function begin(target, { width, height, titles }) {
  const active = document.activeElement;
  const key = target.contains(active) ? active.dataset.key : null;
  target.setAttribute("viewBox", `0 0 ${width} ${height}`);
  target.setAttribute("width", width);
  target.setAttribute("height", height);
  target.replaceChildren();
  for (const { text, x, y } of titles) {
    target.append(svg("text", { x, y, class: "title" }, text));
  }
  return () => {
    if (key === null) return;
    for (const one of target.querySelectorAll("[data-key]")) {
      if (one.dataset.key === key) one.focus({ preventScroll: true });
    }
  };
}

/**
 * A box that can be pointed at and reached by Tab.
 * what: { key, name, lines, state, label, changed }; label: for who
 * hears the page, and shown on hover.
 */
export function box(target, at, what, { show = null, open = null } = {}) {
  const group = svg("g", {
    class: `box ${what.state}${what.changed ? " changed" : ""}`,
    tabindex: 0,
    role: open ? "button" : "img",
    "aria-label": what.label,
    "data-key": what.key,
  });
  const { x, y, width, height } = at;
  const inner = svg("svg", { x, y, width, height });
  group.append(
    svg("title", {}, what.label),
    svg("rect", { x, y, width, height, rx: 6 }),
    inner,
  );
  inner.append(svg("text", { x: 8, y: 18, class: "name" }, what.name));
  inner.append(svg("text", { x: 8, y: 35 }, what.lines));
  if (show) {
    group.addEventListener("focus", show);
    group.addEventListener("pointerenter", show);
  }
  if (open) {
    group.addEventListener("click", open);
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        open();
      }
    });
  }
  target.append(group);
}

/** A line from the foot of one box to the head of another, behind both. */
export function line(target, from, to, what) {
  if (!from || !to) return;
  const x1 = from.x + from.width / 2;
  const y1 = from.y + from.height;
  const x2 = to.x + to.width / 2;
  const middle = (y1 + to.y) / 2;
  const d = `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${to.y}`;
  const path = svg("path", {
    d,
    class: `line ${what.state}${what.changed ? " changed" : ""}`,
    "stroke-width": what.width ?? 2,
    "data-line": what.key,
  });
  path.append(svg("title", {}, what.label));
  target.append(path);
}

/** Width of a line, of a share between 0 and 1; not known: thin. */
export function widthOf(share) {
  return share === null ? 2 : 1.5 + 8 * Math.min(1, share);
}

/**
 * Place the boxes of bands: [{ title, keys, heads }]; heads: key -> what
 * stands above this box, where a group begins.
 * Returns { width, height, boxes: key -> {x, y, width, height}, titles }.
 */
export function place(bands, width) {
  const across = Math.max(
    1,
    Math.floor((width - 2 * EDGE + GAP.x) / (BOX.width + GAP.x)),
  );
  const boxes = new Map();
  const titles = [];
  let y = EDGE;
  for (const band of bands) {
    titles.push({ text: band.title, x: EDGE, y: y + 10 });
    y += GAP.title;
    for (let at = 0; at < band.keys.length; at += across) {
      if (band.heads) y += GAP.head;
      const row = band.keys.slice(at, at + across);
      placeRow(boxes, row, width, y);
      for (const key of row.filter((one) => band.heads?.has(one))) {
        const text = band.heads.get(key);
        titles.push({ text, x: boxes.get(key).x, y: y - 5 });
      }
      y += BOX.height + GAP.y;
    }
    y += GAP.band - GAP.y;
  }
  return { width, height: y - GAP.band + GAP.y + EDGE, boxes, titles };
}

function placeRow(boxes, keys, width, y) {
  const used = keys.length * (BOX.width + GAP.x) - GAP.x;
  const left = Math.max(EDGE, (width - used) / 2);
  keys.forEach((key, at) => {
    const x = left + at * (BOX.width + GAP.x);
    boxes.set(key, { x, y, ...BOX });
  });
}
