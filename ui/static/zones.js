// Zones, lines and masks drawn on a camera's picture, and the rules that watch them. Points are shares of the
// picture, 0..1, origin at the top left; the drawing's units are thousandths.

import { post, put, remove } from "./api.js";
import { Corners } from "./corners.js";
import { onSend, problem } from "./forms.js";
import { addMask, changeMask, startMasks } from "./masks.js";
import { arrow as arrowOn, at as placeOn, shape } from "./shapes.js";
import { twice } from "./twice.js";
import { startRules } from "./zone_rules.js";

const CLOSE_PX = 18; // a click this near to the first corner closes the polygon
const page = document.querySelector("#zones");
const canvas = document.querySelector("#canvas");
const drawing = document.querySelector("#drawing");
const form = document.querySelector("#zone-form");
const how = document.querySelector("#how");
const plain = how.textContent;
const zones = JSON.parse(page.dataset.zones);
const masks = JSON.parse(page.dataset.masks);
const HOW = {
  line: "Click where the line begins, then where it ends. The arrow shows which way is forward.",
  polygon: "Click the corners one after another. Click the first one again to close the zone.",
  mask: "Click the corners of what is not to be looked at: a tree, a road, a screen. Click the first one again to close it.",
};
const PULL = "Pull a corner where it belongs, or move it with the arrow keys.";
const EDGES = " A small point makes a new corner; one that is pulled onto its neighbour goes away.";
const SAVE = { line: "Save the line", polygon: "Save the zone", mask: "Save the mask" };
let draft = null; // {kind, points, done} while drawing; {zone} or {mask}: the one that is changed
let pointer = null;
const corners = new Corners(canvas, () => redraw());

const arrow = (points) => arrowOn(canvas, points);

function redraw(chosen = null) {
  const covers = masks.flatMap((points, i) => (draft?.mask === i ? [] : shape("polygon", points, `mask${chosen === `mask-${i}` ? " chosen" : ""}`)));
  const parts = zones.filter((zone) => zone !== draft?.zone).flatMap((zone) => {
    const own = shape(zone.kind === "line" ? "polyline" : "polygon", zone.points, zone.id === chosen ? "chosen" : "");
    return zone.kind === "line" ? [own, arrow(zone.points)] : [own];
  });
  if (draft) {
    const points = pointer ? [...draft.points, pointer] : draft.points;
    if (draft.kind === "line" || points.length < 3) parts.push(shape("polyline", points, "draft"));
    else parts.push(shape("polygon", points, "draft"));
    if (draft.kind === "line" && draft.points.length === 2) parts.push(arrow(draft.points));
    for (const point of draft.done ? [] : draft.points) parts.push(shape("polyline", [point, point], "corner"));
  }
  drawing.replaceChildren(...covers, ...parts);
}

const at = (event) => placeOn(canvas, event);

function begin(kind) {
  end();
  draft = { kind, points: [], done: false };
  form.elements.name.value = "";
  document.querySelector("#undo").hidden = false;
  canvas.classList.add("drawing");
  form.hidden = true;
  document.querySelector("#while-drawing").hidden = false;
  how.textContent = HOW[kind];
  redraw();
}

function end() {
  draft = null;
  pointer = null;
  corners.hide();
  problem(form, null);
  canvas.classList.remove("drawing");
  form.hidden = true;
  document.querySelector("#while-drawing").hidden = true;
  how.textContent = plain;
  redraw();
}

function complete() {
  draft.done = true;
  pointer = null;
  canvas.classList.remove("drawing");
  form.hidden = false;
  const { name } = form.elements;
  const isMask = draft.kind === "mask";
  name.disabled = name.closest("label").hidden = isMask;
  form.querySelector("[type=submit]").textContent = SAVE[draft.kind];
  document.querySelector("#undo").hidden = draft.isOld;
  how.textContent = PULL + (draft.kind === "line" ? "" : EDGES);
  corners.show(draft.points, draft.kind !== "line");
  (isMask ? form.querySelector("[type=submit]") : name).focus();
  redraw();
}

/** One that is there already; `which`: {zone} or {mask}. */
function change(kind, points, which) {
  end();
  draft = { kind, points: points.map((point) => [...point]), isOld: true, ...which };
  document.querySelector("#while-drawing").hidden = false;
  form.elements.name.value = which.zone?.name ?? "";
  complete();
  canvas.scrollIntoView({ block: "nearest" });
}

canvas.addEventListener("pointermove", (event) => {
  if (!draft || draft.done) return;
  pointer = at(event);
  redraw();
});
canvas.addEventListener("click", (event) => {
  if (!draft || draft.done) return;
  const point = at(event);
  const [first] = draft.points;
  const near = first && Math.hypot((point[0] - first[0]) * canvas.clientWidth, (point[1] - first[1]) * canvas.clientHeight) < CLOSE_PX;
  if (draft.kind !== "line" && near && draft.points.length >= 3) { complete(); return; }
  if (near) return;
  draft.points.push(point);
  if (draft.kind === "line" && draft.points.length === 2) { complete(); return; }
  redraw();
});
canvas.addEventListener("dblclick", () => { if (draft && !draft.done && draft.points.length >= 3) complete(); });
addEventListener("keydown", (press) => {
  if (!draft) return;
  if (press.key === "Escape") { end(); return; }
  if (press.target.closest("input") || draft.done) return;
  if (press.key === "Enter" && draft.kind !== "line") {
    press.preventDefault(); // else the button that is given the focus takes the same press
    if (draft.points.length >= 3) complete();
    else how.textContent = `It needs three corners. ${HOW[draft.kind]}`;
  }
  if (press.key === "Backspace") undo();
});

function undo() {
  if (!draft) return;
  draft.points.pop();
  draft.done = false;
  corners.hide();
  form.hidden = true;
  how.textContent = HOW[draft.kind];
  canvas.classList.add("drawing");
  redraw();
}

for (const button of document.querySelectorAll("[data-draw]")) {
  button.addEventListener("click", () => begin(button.dataset.draw));
  button.disabled = false; // a click before now would have done nothing
}
document.querySelector("#undo").addEventListener("click", undo);
document.querySelector("#cancel").addEventListener("click", end);
onSend(form, async (fields) => {
  const name = fields.get("name")?.trim();
  if (name === "") throw new Error("Give it a name.");
  if (name && zones.some((zone) => zone.name === name && zone !== draft.zone)) {
    throw new Error(`There is "${name}" on this camera already. Choose another name, so that alerts tell them apart.`);
  }
  const { kind, points, zone, mask } = draft;
  const body = { camera_id: page.dataset.camera, name, kind, points };
  if (kind !== "mask") await (zone ? put(`/zones/${zone.id}`, body) : post("/zones", body));
  else await (draft.isOld ? changeMask(page.dataset.camera, masks[mask], points) : addMask(page.dataset.camera, points));
  location.reload();
});

startMasks(page.dataset.camera, masks, redraw, (number) => change("mask", masks[number], { mask: number }));
for (const button of document.querySelectorAll("[data-change-zone]")) {
  const zone = zones.find((one) => one.id === button.dataset.changeZone);
  button.addEventListener("click", () => change(zone.kind, zone.points, { zone }));
}
for (const item of document.querySelectorAll("#zone-list [data-zone]")) {
  item.addEventListener("pointerenter", () => redraw(item.dataset.zone));
  item.addEventListener("pointerleave", () => redraw());
}
for (const button of document.querySelectorAll("[data-delete-zone]")) twice(button, () => remove(`/zones/${button.dataset.deleteZone}`));
for (const button of document.querySelectorAll("[data-delete-rule]")) twice(button, () => remove(`/rules/${button.dataset.deleteRule}`));
const rules = document.querySelector("#rule-form");
if (rules) startRules(rules);

const backdrop = document.querySelector("#backdrop");
const noBackdrop = () => { backdrop.hidden = true; document.querySelector("#no-backdrop").hidden = false; };
backdrop.addEventListener("error", noBackdrop);
backdrop.addEventListener("load", fitCanvas);
if (backdrop.complete) { if (backdrop.naturalWidth) fitCanvas(); else noBackdrop(); }

function fitCanvas() {
  canvas.style.aspectRatio = `${backdrop.naturalWidth} / ${backdrop.naturalHeight}`;
  redraw();
}
new ResizeObserver(() => redraw()).observe(canvas);
redraw();
