// The corners of a shape over a picture, to be moved: with the pointer, or with the arrow keys of the one that
// has the focus. A point in the middle of an edge makes a new corner; one that is pulled onto its neighbour, or
// deleted by key, goes away.

import { element } from "./nodes.js";
import { at } from "./shapes.js";

const STEP = 0.005; // of the picture; with Shift four times that
const ONTO_PX = 16; // so near to its neighbour, a corner that is let go is one with it
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const inside = (value) => Math.round(Math.max(0, Math.min(1, value)) * 10_000) / 10_000;

export class Corners {
  /** `moved()` is called when the points of the shape that is shown have changed. */
  constructor(canvas, moved) {
    this.canvas = canvas;
    this.moved = moved;
    this.points = [];
    this.pulled = null; // the number of the corner that the pointer holds
    this.layer = canvas.appendChild(element("div", "corners"));
    this.layer.addEventListener("pointerdown", (event) => this.#take(event));
    this.layer.addEventListener("pointermove", (event) => this.#pull(event));
    for (const end of ["pointerup", "pointercancel"]) this.layer.addEventListener(end, () => this.#let());
    this.layer.addEventListener("click", (event) => this.#click(event));
    this.layer.addEventListener("keydown", (press) => this.#press(press));
  }

  /** `points` are changed in place; `closed`: the last is joined to the first. */
  show(points, closed) {
    this.points = points;
    this.closed = closed;
    this.#build();
  }

  hide() {
    this.points = [];
    this.layer.replaceChildren();
  }

  #build() {
    const count = this.points.length;
    const corners = this.points.map((_, i) => this.#handle("corner-handle", "corner", i, `Corner ${i + 1} of ${count}`));
    const edges = this.closed ? this.points.map((_, i) => this.#handle("edge-handle", "edge", i, `New corner after corner ${i + 1}`)) : [];
    this.layer.replaceChildren(...corners.flatMap((corner, i) => (edges[i] ? [corner, edges[i]] : [corner])));
    this.#place();
  }

  #handle(className, kind, number, label) {
    const made = element("button", className);
    made.type = "button";
    made.dataset[kind] = number;
    made.setAttribute("aria-label", label);
    return made;
  }

  #place() {
    for (const handle of this.layer.children) {
      const isCorner = handle.dataset.corner !== undefined;
      const [x, y] = isCorner ? this.points[handle.dataset.corner] : this.#middle(Number(handle.dataset.edge));
      handle.style.left = `${x * 100}%`;
      handle.style.top = `${y * 100}%`;
    }
  }

  #middle(number) {
    const [[x1, y1], [x2, y2]] = [this.points[number], this.points[(number + 1) % this.points.length]];
    return [inside((x1 + x2) / 2), inside((y1 + y2) / 2)];
  }

  #insert(edge) {
    this.points.splice(edge + 1, 0, this.#middle(edge));
    this.#changed(edge + 1);
  }

  #changed(number) {
    this.#build();
    this.#focus(number);
    this.moved();
  }

  #focus(number) {
    this.layer.querySelector(`[data-corner="${number}"]`)?.focus({ preventScroll: true });
  }

  #take(event) {
    const { corner, edge } = event.target.dataset;
    if (corner === undefined && edge === undefined) return;
    event.preventDefault();
    this.layer.setPointerCapture(event.pointerId);
    if (edge !== undefined) this.#insert(Number(edge));
    this.pulled = corner === undefined ? Number(edge) + 1 : Number(corner);
    this.#focus(this.pulled);
  }

  #pull(event) {
    if (this.pulled === null) return;
    this.points[this.pulled] = at(this.canvas, event);
    this.#place();
    this.moved();
  }

  #let() {
    const number = this.pulled;
    this.pulled = null;
    if (number === null || !this.closed || this.points.length <= 3) return;
    const count = this.points.length;
    const px = ([x1, y1], [x2, y2]) => Math.hypot((x1 - x2) * this.canvas.clientWidth, (y1 - y2) * this.canvas.clientHeight);
    if ([number + 1, number + count - 1].some((next) => px(this.points[number], this.points[next % count]) < ONTO_PX)) this.#remove(number);
  }

  #remove(number) {
    this.points.splice(number, 1);
    this.#changed(Math.min(number, this.points.length - 1));
  }

  #click(event) {
    event.stopPropagation(); // no corner of a new shape
    if (event.detail === 0 && event.target.dataset.edge !== undefined) this.#insert(Number(event.target.dataset.edge)); // by key
  }

  #press(press) {
    const { corner } = press.target.dataset;
    if (corner === undefined) return;
    const number = Number(corner);
    if (KEYS[press.key]) {
      const step = STEP * (press.shiftKey ? 4 : 1);
      this.points[number] = this.points[number].map((value, axis) => inside(value + KEYS[press.key][axis] * step));
      this.#place();
      this.moved();
    } else if (["Delete", "Backspace"].includes(press.key) && this.closed && this.points.length > 3) {
      this.#remove(number);
    } else return;
    press.preventDefault();
    press.stopPropagation();
  }
}
