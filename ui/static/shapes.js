// Zones and lines over a picture. Points are shares of it, 0..1; the drawing's units are thousandths.

import { drawn } from "./nodes.js";

/** <polygon> or <polyline> through `points`. */
export function shape(name, points, className) {
  const element = drawn(name, { points: points.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" ") });
  if (className) element.setAttribute("class", className);
  return element;
}

/** An arrow across the middle of a line: from the left hand to the right, looking along it. */
export function arrow(canvas, [[x1, y1], [x2, y2]]) {
  const [w, h] = [canvas.clientWidth || 1, canvas.clientHeight || 1]; // not laid out yet: drawn again then
  const [dx, dy] = [(x2 - x1) * w, (y2 - y1) * h];
  const length = Math.hypot(dx, dy) || 1;
  const [nx, ny] = [-dy / length, dx / length]; // to the right, with y down
  const [mx, my] = [((x1 + x2) / 2) * w, ((y1 + y2) / 2) * h];
  const from = (along, across) => [(mx + nx * across + (dx / length) * along) / w, (my + ny * across + (dy / length) * along) / h];
  return shape("polyline", [from(0, -22), from(0, 22), from(-8, 12), from(0, 22), from(8, 12)], "arrow");
}

/** Where on `canvas` a pointer is. */
export function at(canvas, { clientX, clientY }) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const share = (value) => Math.round(Math.max(0, Math.min(1, value)) * 10_000) / 10_000;
  return [share((clientX - left) / width), share((clientY - top) / height)];
}
