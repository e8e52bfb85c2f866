// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The octavia-anycast authors
// Where boxes are: bands from top to bottom, each with a title, each wrapped
// to the width that there is. So one arrangement fits a phone and a wall.

export const BOX = { width: 148, height: 44 };
const GAP = { x: 14, y: 12, band: 40, title: 16, head: 14 };
const EDGE = 8;

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
