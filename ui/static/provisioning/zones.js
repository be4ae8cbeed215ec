// Zones from templates on the cameras' own pictures: one tap puts the shape there, a finger pulls it into
// place. What was drawn before stands there, too, and can be pulled as well.

import { element } from "../nodes.js";
import { arrow, at, shape } from "../shapes.js";

const NUDGE = 0.01; // of the picture, per arrow key
let step;
let here = null; // the camera that is shown
let chosen = null; // the zone whose corners can be pulled
const zones = []; // {camera, template, name, points, stored}
const $ = (selector) => step.root.querySelector(selector);

export async function start(given) {
  step = given;
  const { cameras, templates, zones: drawn } = step.found;
  if (!cameras.length) {
    $("#none").hidden = false;
    $("#draw").hidden = true;
    return () => ({ zone: [] });
  }
  for (const zone of drawn) zones.push(before(zone));
  $("#templates").replaceChildren(...templates.map(templateButton));
  $("#cameras").replaceChildren(...cameras.map(cameraButton));
  $("#backdrop").addEventListener("load", () => { $("#canvas").style.aspectRatio = `${$("#backdrop").naturalWidth} / ${$("#backdrop").naturalHeight}`; draw(); });
  $("#backdrop").addEventListener("error", () => { $("#backdrop").hidden = true; $("#no-backdrop").hidden = false; });
  new ResizeObserver(draw).observe($("#canvas"));
  show(cameras[0]);
  return () => ({ zone: zones.filter((zone) => zone.template).map(({ camera, template, name, points }) => ({ camera: camera.id, template: template.name, name, points })) });
}

/** One that the box has: of the template whose rules watch it, or somebody's own, which stays as it is. */
function before(zone) {
  const camera = step.found.cameras.find((one) => one.id === zone.camera_id) ?? step.found.cameras[0];
  const template = step.found.templates.find((one) => one.kind === zone.kind && zone.name.startsWith(one.title)
    && one.rule.every((rule) => step.found.rules.some((known) => known.name === `${camera.name}, ${zone.name}: ${rule.name}`)));
  return { camera, template: template ?? null, name: zone.name, points: zone.points, stored: true };
}

function templateButton(template) {
  const button = element("button", "template", element("strong", "", template.title), element("span", "fine", template.about));
  button.type = "button";
  button.addEventListener("click", () => add(template));
  return button;
}

function cameraButton(camera) {
  const button = element("button", "button", camera.name);
  button.type = "button";
  button.dataset.camera = camera.id;
  button.addEventListener("click", () => show(camera));
  return button;
}

function show(camera) {
  here = camera;
  chosen = zones.find((zone) => zone.camera === camera && zone.template && !zone.stored) ?? null;
  for (const button of $("#cameras").children) button.setAttribute("aria-pressed", String(button.dataset.camera === camera.id));
  const picture = $("#backdrop");
  picture.hidden = false;
  $("#no-backdrop").hidden = true;
  picture.alt = `What ${camera.name} sees now`;
  picture.src = `/api/box/cameras/${camera.id}/snapshot.jpg`;
  draw();
}

function add(template) {
  const mine = zones.filter((zone) => zone.camera === here).map((zone) => zone.name);
  let name = template.title;
  for (let n = 2; mine.includes(name); n += 1) name = `${template.title} ${n}`;
  chosen = { camera: here, template, name, points: template.points.map((point) => [...point]), stored: false };
  zones.push(chosen);
  $("#how").textContent = "Pull the corners where they belong, or the whole shape by its middle.";
  draw();
}

function draw() {
  if (!here) return;
  const canvas = $("#canvas");
  const parts = zones.filter((zone) => zone.camera === here).flatMap((zone) => {
    const line = zone.template?.kind === "line" || zone.points.length === 2;
    const own = shape(line ? "polyline" : "polygon", zone.points, zone === chosen ? "chosen" : "");
    return line ? [own, arrow(canvas, zone.points)] : [own];
  });
  $("#drawing").replaceChildren(...parts);
  for (const handle of canvas.querySelectorAll(".handle")) if (!handle.dataset.held) handle.remove();
  if (chosen?.camera === here) handles(canvas);
  list();
  const fresh = zones.filter((zone) => zone.template && !zone.stored).length;
  document.querySelector("#continue").textContent = fresh === 1 ? "Draw 1 zone" : fresh ? `Draw ${fresh} zones` : "Continue";
}

function handles(canvas) {
  const zone = chosen;
  const held = canvas.querySelector("[data-held]");
  const put = (one, [x, y]) => { Object.assign(one.style, { left: `${x * 100}%`, top: `${y * 100}%` }); return one; };
  const middle = () => [0, 1].map((axis) => zone.points.reduce((sum, point) => sum + point[axis], 0) / zone.points.length);
  zone.points.forEach((point, i) => {
    if (held?.dataset.corner === String(i)) { put(held, point); return; }
    canvas.append(put(handle(`Corner ${i + 1} of ${zone.name}`, String(i), (to) => { zone.points[i] = to; }, () => zone.points[i]), point));
  });
  if (held?.dataset.corner === "all") { put(held, middle()); return; }
  const move = (to) => {
    const [cx, cy] = middle();
    const xs = zone.points.map(([x]) => x);
    const ys = zone.points.map(([, y]) => y);
    const dx = Math.max(-Math.min(...xs), Math.min(1 - Math.max(...xs), to[0] - cx));
    const dy = Math.max(-Math.min(...ys), Math.min(1 - Math.max(...ys), to[1] - cy));
    zone.points = zone.points.map(([x, y]) => [round(x + dx), round(y + dy)]);
  };
  canvas.append(put(handle(`All of ${zone.name}`, "all", move, middle), middle()));
}

const round = (value) => Math.round(value * 10_000) / 10_000;

/** A corner under a finger: pulled, or moved with the arrow keys. */
function handle(label, corner, moveTo, where) {
  const made = element("button", corner === "all" ? "handle all" : "handle");
  made.type = "button";
  made.dataset.corner = corner;
  made.setAttribute("aria-label", label);
  const canvas = $("#canvas");
  made.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    made.setPointerCapture(event.pointerId);
    made.dataset.held = "1";
  });
  made.addEventListener("pointermove", (event) => {
    if (!made.dataset.held) return;
    moveTo(at(canvas, event));
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) made.addEventListener(end, () => { delete made.dataset.held; draw(); });
  made.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-NUDGE, 0], ArrowRight: [NUDGE, 0], ArrowUp: [0, -NUDGE], ArrowDown: [0, NUDGE] }[event.key];
    if (!by) return;
    event.preventDefault();
    const [x, y] = where();
    moveTo([round(Math.max(0, Math.min(1, x + by[0]))), round(Math.max(0, Math.min(1, y + by[1])))]);
    draw();
    canvas.querySelector(`[data-corner="${corner}"]`)?.focus();
  });
  return made;
}

function list() {
  $("#list").hidden = !zones.length;
  $("#list").replaceChildren(...zones.map((zone) => {
    const what = zone.template ? zone.template.rule.map((rule) => `${rule.name} (${rule.severity})`).join(", ") : "Drawn on the box's own page";
    const row = element("li", "", element("div", "grow", element("strong", "", `${zone.camera.name}: ${zone.name}`), element("span", "fine", what)));
    if (zone.template) {
      const pull = element("button", "button quiet", zone === chosen ? "Chosen" : "Move", element("span", "hidden", ` ${zone.name} on ${zone.camera.name}`));
      pull.type = "button";
      pull.addEventListener("click", () => { if (zone.camera !== here) show(zone.camera); chosen = zone; draw(); });
      row.append(pull);
    }
    if (!zone.stored) {
      const drop = element("button", "button quiet", "Remove", element("span", "hidden", ` ${zone.name} on ${zone.camera.name}`));
      drop.type = "button";
      drop.addEventListener("click", () => { zones.splice(zones.indexOf(zone), 1); if (chosen === zone) chosen = null; draw(); });
      row.append(drop);
    }
    return row;
  }));
}
