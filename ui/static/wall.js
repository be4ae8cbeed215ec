// The wall: a live picture per tile, laid out as large as they fit, walked with the arrow keys.

import { get } from "./api.js";
import { journal } from "./journal.js";
import { isDead, news } from "./live/news.js";
import { LivePicture } from "./live/picture.js";
import { Stills } from "./live/stills.js";
import { alertsChanged, openAlerts } from "./shell.js";
import { boxNow, clock, span } from "./time.js";
import { STATES } from "./words.js";

const grid = document.querySelector("#tiles");
const banner = document.querySelector("#connection"); // shown while the box does not answer
let heardAt = boxNow();
const tiles = new Map(); // camera id -> Tile
const OPEN_STAGGER_MS = 40;
const LATE_MS = 1000;
const CAPTION_PX = 30;
const BEHIND_MS = 8_000;
const SLOW = "This connection brings too little for video";

class Tile {
  constructor(element) {
    this.element = element;
    this.id = element.dataset.camera;
    this.host = element.querySelector(".picture");
    this.ageText = element.querySelector(".age");
    this.stateMark = element.querySelector(".caption .state");
    this.name = element.querySelector(".name").textContent;
    this.known = { state: element.dataset.state, since: element.dataset.since, last_packet_at: element.dataset.last };
    this.picture = new LivePicture(this.host, this.id, "sub");
    this.stills = new Stills(this.picture);
    this.host.addEventListener("picturestate", () => this.show());
  }

  open() {
    if (this.state !== "disabled") this.picture.open();
    this.show();
  }

  get state() {
    return this.known.state;
  }

  status(status) {
    this.known = { ...status, last_packet_at: status.last_packet_at ?? this.known.last_packet_at };
    this.show();
  }

  show() {
    const { element, stateMark } = this;
    element.dataset.state = this.state;
    stateMark.dataset.state = this.state;
    stateMark.querySelector("span").textContent = STATES[this.state] ?? this.state;
    const picture = this.host.dataset.picture;
    if (this.state === "disabled") this.host.dataset.picture = "waiting";
    element.classList.toggle("dead", isDead(this.state) || (picture === "stale" && this.stills.ageMs === null));
    element.classList.toggle("slow", this.stills.ageMs !== null);
    const [title, text] = this.stills.on ? [this.stills.ageMs === null ? "Waiting for a still" : "Stills", SLOW] : news(this.picture, picture, this.known);
    element.querySelector(".over-title").textContent = title;
    element.querySelector(".over-text").textContent = text;
    const label = [this.name, STATES[this.state], picture === "live" ? "" : title, text].filter(Boolean).join(", ");
    if (label !== element.getAttribute("aria-label")) element.setAttribute("aria-label", label);
  }

  tick() {
    const kept = journal.connected && (this.state === "recording" || this.state === "live");
    // Moving, and further behind with each second: of no use to a guard, and in the way of the alerts.
    const behind = this.host.dataset.picture === "live" && this.picture.ageMs > BEHIND_MS;
    this.stills.tick(behind || this.host.dataset.picture === "stale", kept);
    if (this.host.dataset.picture === "stale") this.show(); // the reason may change: the box may be gone too
    const age = this.stills.ageMs ?? this.picture.ageMs;
    const live = this.host.dataset.picture === "live";
    this.element.toggleAttribute("data-late", live && age > LATE_MS);
    if (age === null) this.ageText.textContent = this.state === "disabled" ? "" : "–";
    else this.ageText.textContent = age < 10_000 ? `${(age / 1000).toFixed(1)} s` : span(age);
  }
}

function layOut() {
  if (!grid) return;
  const count = tiles.size;
  const gap = 8;
  const wide = grid.clientWidth;
  // On a narrow page tiles scroll; on a wide one all of them fit, as large as can be.
  if (innerWidth <= 760) {
    setGrid(count > 6 ? 2 : 1, null);
    grid.toggleAttribute("data-narrow", count > 6);
    return;
  }
  // Where the column stands below, leave it a third of the first look.
  const share = innerWidth <= 1100 ? 0.66 : 1;
  const high = Math.max(220, innerHeight * share - grid.getBoundingClientRect().top - scrollY - 16);
  let best = { width: 0, columns: 1 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const byWidth = (wide - gap * (columns - 1)) / columns;
    const byHeight = ((high - gap * (rows - 1)) / rows - CAPTION_PX) * 16 / 9;
    const width = Math.floor(Math.min(byWidth, byHeight));
    if (width > best.width) best = { width, columns };
  }
  setGrid(best.columns, best.width);
}

function setGrid(columns, width) {
  grid.style.setProperty("--columns", columns);
  if (width) grid.style.setProperty("--tile", `${width}px`); else grid.style.removeProperty("--tile");
}

function walk(press) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  const columns = Number(getComputedStyle(grid).getPropertyValue("--columns")) || 1;
  const step = { ...steps, ArrowUp: -columns, ArrowDown: columns }[press.key];
  if (step === undefined) return;
  const all = [...grid.children];
  const at = all.indexOf(document.activeElement.closest(".tile"));
  if (at < 0) return;
  press.preventDefault();
  const to = Number.isFinite(step) ? at + step : step < 0 ? 0 : all.length - 1;
  focusTile(all[Math.max(0, Math.min(all.length - 1, to))]);
}

function focusTile(tile) {
  for (const other of grid.children) other.tabIndex = other === tile ? 0 : -1;
  tile.focus();
}

function summarise() {
  const count = { all: tiles.size, bad: 0, recording: 0 };
  for (const tile of tiles.values()) {
    if (tile.state === "recording") count.recording += 1;
    if (isDead(tile.state)) count.bad += 1;
  }
  const line = document.querySelector("#summary");
  const recording = banner.hidden ? `${count.recording} recording` : `${count.recording} recording when last heard at ${clock(heardAt)}`;
  const parts = [`${count.all} ${count.all === 1 ? "camera" : "cameras"}`, recording];
  const bad = count.bad && banner.hidden ? Object.assign(document.createElement("span"), { className: "bad", textContent: ` · ${count.bad} without picture` }) : "";
  const text = parts.join(" · ");
  if (line.textContent !== text + (bad ? bad.textContent : "")) line.replaceChildren(text, bad);
}

function markAlarms() {
  const gravest = new Map();
  for (const { camera_id: id, severity } of openAlerts.values()) {
    if (gravest.get(id) !== "critical") gravest.set(id, severity);
  }
  for (const tile of tiles.values()) {
    const severity = gravest.get(tile.id);
    const mark = tile.element.querySelector(".alarm");
    if (severity) tile.element.dataset.alarm = severity; else delete tile.element.dataset.alarm;
    mark.hidden = !severity;
    if (severity) mark.querySelector("use").setAttribute("href", `/static/icons.svg#${severity}`);
  }
}

async function poll() {
  try {
    const { cameras } = await get("/cameras?limit=1000");
    for (const camera of cameras) tiles.get(camera.id)?.status(camera.status);
    summarise();
    if (cameras.length !== tiles.size || cameras.some(({ id }) => !tiles.has(id))) location.reload(); // added or removed elsewhere
  } catch { /* the banner says that there is no connection */ }
}

/** The camera and status of a journal message, in either of the shapes it may come. */
function statusOf({ data, camera_id: id }) {
  const status = data.status ?? data;
  return status.state ? [data.id ?? data.camera_id ?? id, status] : [null, null];
}

if (grid) {
  for (const element of grid.children) tiles.set(element.dataset.camera, new Tile(element));
  layOut();
  const room = new ResizeObserver(layOut);
  // A strip above that comes or goes leaves another height.
  for (const one of document.querySelectorAll(".wall, .strip")) room.observe(one);
  addEventListener("resize", layOut);
  [...tiles.values()].forEach((tile, i) => setTimeout(() => tile.open(), i * OPEN_STAGGER_MS));
  setInterval(() => { for (const tile of tiles.values()) tile.tick(); }, 200);
  setInterval(poll, 10_000);
  grid.addEventListener("keydown", walk);
  grid.addEventListener("focusin", ({ target }) => { for (const other of grid.children) other.tabIndex = other === target.closest(".tile") ? 0 : -1; });
  journal.addEventListener("camera", ({ detail }) => {
    const [id, status] = statusOf(detail);
    const tile = tiles.get(id);
    if (tile) { tile.status(status); summarise(); }
    else poll();
  });
  journal.addEventListener("connection", ({ detail }) => { if (!detail.connected) heardAt = boxNow(); });
  new MutationObserver(summarise).observe(banner, { attributes: true, attributeFilter: ["hidden"] });
  alertsChanged.addEventListener("change", markAlarms);
  addEventListener("keydown", (press) => {
    if (press.key.startsWith("Arrow") && document.activeElement === document.body) {
      focusTile(grid.querySelector('[tabindex="0"]'));
      press.preventDefault();
    }
  });
  addEventListener("pagehide", () => { for (const tile of tiles.values()) tile.picture.close(); });
  addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
  summarise();
  markAlarms();
} else {
  setInterval(async () => {
    const { cameras } = await get("/cameras").catch(() => ({ cameras: [] }));
    if (cameras.length) location.reload();
  }, 10_000);
}

/** For looking in from the console and for tests: {camera: {frames, skipped, ageMs, state}}. */
window.wallFigures = () => Object.fromEntries([...tiles.values()].map(({ id, picture, state }) => [id, {
  frames: picture.frames, skipped: picture.skipped, ageMs: picture.ageMs, picture: picture.state, state,
}]));
