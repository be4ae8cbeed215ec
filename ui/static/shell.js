// What every signed-in page has: the clock, theme, sound, number of open alerts, help, keys, the
// connection's state, and announcements for those who listen instead of look.

import { call, get, post } from "./api.js";
import { quiet, ring, ringOn, sound, tryUnasked } from "./alarm.js";
import { journal } from "./journal.js";
import { boxNow, clock, day, fillTimes, syncClock } from "./time.js";
import { complain, toast } from "./toasts.js";
import { cameraName } from "./words.js";

export { complain, toast };

const $ = (selector) => document.querySelector(selector);
const HINT_AFTER_MS = 1200;
const plainTitle = document.title;
const open = new Map(); // id -> alert, those with status "new"

export const openAlerts = open;
export const alertsChanged = new EventTarget();

export function say(text) {
  $("#announce").textContent = text;
}

export async function acknowledge(id, note) {
  try {
    const { alert } = await post(`/alerts/${id}/ack`, note ? { note } : {});
    take(alert);
    toast("Acknowledged");
    return alert;
  } catch (error) {
    if (error.status === 409) {
      open.delete(id); // the journal brings who did it
      quiet(id);
      changed();
      toast("Somebody was faster", "info", error.message);
      return null;
    }
    complain(error);
    return null;
  }
}

/** The one that 'a' acknowledges: critical before others, then the oldest. */
export function nextAlert() {
  const order = { critical: 0, warning: 1, info: 2 };
  return [...open.values()].sort((a, b) => order[a.severity] - order[b.severity] || (a.created_at < b.created_at ? -1 : 1))[0];
}

function take(alert, isNews = false) {
  const known = open.has(alert.id);
  if (alert.status === "new") open.set(alert.id, alert); else open.delete(alert.id);
  if (alert.status !== "new") quiet(alert.id);
  else if (isNews && !known) {
    if (alert.severity === "critical") ring(alert.id);
    say(`${alert.severity} alert, ${cameraName(alert.camera_id)}`);
  }
  changed(alert);
}

function changed(alert = null) {
  const count = open.size;
  for (const badge of document.querySelectorAll("[data-open-alerts]")) {
    badge.textContent = count > 99 ? "99+" : String(count);
    badge.closest(".count").hidden = count === 0;
  }
  document.title = count ? `(${count}) ${plainTitle}` : plainTitle;
  alertsChanged.dispatchEvent(new CustomEvent("change", { detail: { alert } }));
}

function startClock() {
  const element = $("#clock");
  const tick = () => {
    const now = boxNow();
    if (element) element.textContent = clock(now);
    const date = $("#date");
    if (date) date.textContent = day(now);
    setTimeout(tick, 1000 - (now % 1000) + 5);
  };
  tick();
}

function startTheme() {
  const root = document.documentElement;
  $("#theme")?.addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = root.dataset.theme || (dark ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    // A cookie, not localStorage: the server writes the attribute, so that no page flashes.
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  });
}

function startSound() {
  const button = $("#sound");
  const hint = $("#sound-hint");
  let patient = false; // browsers that allow sound say so within a moment: no flash of the hint
  if (!button) return;
  const show = () => {
    button.setAttribute("aria-pressed", String(sound.wanted));
    button.querySelector(".label").textContent = sound.wanted ? "Sound on" : "Sound off";
    button.querySelector("use").setAttribute("href", `/static/icons.svg#${sound.wanted ? "bell" : "bell-off"}`);
    hint.hidden = !(patient && sound.wanted && !sound.allowed);
    document.body.classList.toggle("ringing", sound.ringing);
  };
  button.addEventListener("click", () => sound.toggle());
  hint.addEventListener("click", show);
  sound.onChange(show);
  tryUnasked();
  setTimeout(() => { patient = true; show(); }, HINT_AFTER_MS);
  show();
}

function startKeys() {
  const help = $("#help");
  for (const button of document.querySelectorAll("[data-help]")) button.addEventListener("click", () => help.showModal());
  $("#help-close")?.addEventListener("click", () => help.close());
  addEventListener("keydown", (press) => {
    if (press.ctrlKey || press.metaKey || press.altKey || press.defaultPrevented) return;
    if (press.target.closest("input, textarea, select, [contenteditable]")) return;
    if (document.querySelector("dialog[open]")) return;
    if (press.key === "?") { press.preventDefault(); help.showModal(); }
    const page = { w: "/", e: "/events", l: "/alerts" }[press.key];
    if (page) location.assign(page);
    if (press.key === "a") {
      const target = document.activeElement?.closest("[data-alert-id]")?.dataset.alertId
        ?? document.body.dataset.alert ?? nextAlert()?.id;
      if (target && document.body.dataset.canAcknowledge === "1") acknowledge(target);
      else if (!target) toast("No open alert");
    }
  });
}

function startConnection() {
  const banner = $("#connection");
  let timer = 0;
  journal.addEventListener("connection", ({ detail }) => {
    clearTimeout(timer);
    // A sign-in that ended closes the socket too: then this asks, gets 401, and leads to /login.
    if (!detail.connected) get("/cameras?limit=1").catch(() => undefined);
    // A restart of the box takes a moment; only what lasts is worth a banner.
    if (detail.connected) banner.hidden = true;
    else timer = setTimeout(() => { banner.hidden = false; }, 1500);
  });
}

async function startAlerts() {
  journal.addEventListener("alert", ({ detail }) => take(detail.data, true));
  const since = document.body.dataset.journal;
  journal.open(since === "" || since === undefined ? null : Number(since));
  try {
    const { alerts } = await get("/alerts?status=new&limit=200");
    for (const alert of alerts) open.set(alert.id, alert);
    ringOn(open);
    changed();
  } catch (error) {
    if (error.status !== 404) complain(error);
  }
}

function startSignOut() {
  for (const button of document.querySelectorAll("[data-sign-out]")) {
    button.addEventListener("click", async () => {
      try { await call("POST", "/auth/logout", {}); } finally { location.assign("/login"); }
    });
  }
}

export function startShell() {
  fillTimes();
  startClock();
  startTheme();
  startSound();
  startKeys();
  startConnection();
  startSignOut();
  startAlerts();
  syncClock().catch(() => undefined);
  setInterval(() => syncClock(2).catch(() => undefined), 300_000);
}

startShell();
