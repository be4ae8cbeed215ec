// Zones, lines and masks drawn on a camera's picture, and the rules that watch them. Points are shares of the
// picture, 0..1, origin at the top left; the drawing's units are thousandths.

import { post, remove } from "./api.js";
import { onSend } from "./forms.js";
import { keepMasks, startMasks } from "./masks.js";
import { complain } from "./shell.js";
import { arrow as arrowOn, at as placeOn, shape } from "./shapes.js";

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
let draft = null; // {kind, points} while drawing
let pointer = null;

const arrow = (points) => arrowOn(canvas, points);

function redraw(chosen = null) {
  const covers = masks.map((points, i) => shape("polygon", points, `mask${chosen === `mask-${i}` ? " chosen" : ""}`));
  const parts = zones.flatMap((zone) => {
    const own = shape(zone.kind === "line" ? "polyline" : "polygon", zone.points, zone.id === chosen ? "chosen" : "");
    return zone.kind === "line" ? [own, arrow(zone.points)] : [own];
  });
  if (draft) {
    const points = pointer ? [...draft.points, pointer] : draft.points;
    if (draft.kind === "line" || points.length < 3) parts.push(shape("polyline", points, "draft"));
    else parts.push(shape("polygon", points, "draft"));
    if (draft.kind === "line" && draft.points.length === 2) parts.push(arrow(draft.points));
    for (const point of draft.points) parts.push(shape("polyline", [point, point], "corner"));
  }
  drawing.replaceChildren(...covers, ...parts);
}

const at = (event) => placeOn(canvas, event);

function begin(kind) {
  draft = { kind, points: [], done: false };
  pointer = null;
  canvas.classList.add("drawing");
  form.hidden = true;
  document.querySelector("#while-drawing").hidden = false;
  how.textContent = HOW[kind];
  redraw();
}

function end() {
  draft = null;
  pointer = null;
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
  form.querySelector("[type=submit]").textContent = { line: "Save the line", polygon: "Save the zone", mask: "Save the mask" }[draft.kind];
  (isMask ? form.querySelector("[type=submit]") : name).focus();
  redraw();
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
  form.hidden = true;
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
  if (draft.kind === "mask") await keepMasks(page.dataset.camera, (known) => [...known, draft.points]);
  else await post("/zones", { camera_id: page.dataset.camera, name, kind: draft.kind, points: draft.points });
  location.reload();
});

startMasks(page.dataset.camera, redraw);
for (const item of document.querySelectorAll("#zone-list [data-zone]")) {
  item.addEventListener("pointerenter", () => redraw(item.dataset.zone));
  item.addEventListener("pointerleave", () => redraw());
}
for (const [attribute, path] of [["deleteZone", "zones"], ["deleteRule", "rules"]]) {
  const name = attribute.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  for (const button of document.querySelectorAll(`[data-${name}]`)) {
    button.addEventListener("click", async () => {
      // The first click asks, the second does it: no dialog for one line, and no slip either.
      if (!button.dataset.sure) {
        button.dataset.sure = "1";
        button.textContent = "Really delete?";
        button.addEventListener("blur", () => location.reload(), { once: true });
        return;
      }
      try {
        await remove(`/${path}/${button.dataset[attribute]}`);
        location.reload();
      } catch (error) {
        complain(error);
        delete button.dataset.sure;
        button.textContent = "Delete";
      }
    });
  }
}

const ruleForm = document.querySelector("#rule-form");
if (ruleForm) {
  const { kind, zone_id: zone } = ruleForm.elements;
  const fit = () => {
    const wanted = kind.value === "line_cross" ? "line" : "polygon";
    for (const option of zone.options) option.hidden = option.disabled = option.dataset.kind !== wanted;
    if (zone.selectedOptions[0]?.disabled !== false) zone.value = [...zone.options].find((option) => !option.disabled)?.value ?? "";
    document.querySelector("#direction").hidden = wanted !== "line";
  };
  kind.addEventListener("change", fit);
  fit();
  onSend(ruleForm, async (fields) => {
    if (!fields.get("zone_id")) throw new Error(kind.value === "line_cross" ? "Draw a line first." : "Draw a zone first.");
    await post("/rules", {
      name: fields.get("name").trim(),
      kind: fields.get("kind"),
      zone_ids: [fields.get("zone_id")],
      classes: fields.get("class") ? [fields.get("class")] : [],
      severity: fields.get("severity"),
      cooldown_s: Number(fields.get("cooldown_s")),
      params: fields.get("kind") === "line_cross" ? { direction: fields.get("direction") } : {},
    });
    location.reload();
  });
}

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
