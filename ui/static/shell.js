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
const AGAIN_MS = 5_000;
const ANSWER_MS = 15_000; // a decision that is not answered by then is told to be in doubt
const plainTitle = document.title;
const open = new Map(); // id -> alert, those with status "new"
const drawn = Number(document.body.dataset.drawnAlerts) || 0; // by the server, until the list has come
let listed = false;

export const openAlerts = open;
/** Whether all open alerts are known: before, an empty list means nothing. */
export const alertsListed = () => listed;
export const alertsChanged = new EventTarget();

export function say(text) {
  $("#announce").textContent = text;
}

/** `what`: the alert in words, so that a key pressed by chance does not pass unseen. */
export async function acknowledge(id, note, what = "") {
  try {
    const { alert } = await post(`/alerts/${id}/ack`, note ? { note } : {}, { signal: AbortSignal.timeout(ANSWER_MS) });
    take(alert);
    toast("Acknowledged", "info", what || cameraName(alert.camera_id));
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

const ORDER = { critical: 0, warning: 1, info: 2 };

/** As they stand on the wall: critical before others, then the newest, as in every other list. */
export function inOrder() {
  return [...open.values()].sort((a, b) => ORDER[a.severity] - ORDER[b.severity] || (a.created_at < b.created_at ? 1 : -1));
}

/** What 'a' acknowledges is on the screen: the row in focus, this page's own alert, or the first of its list. */
function inSight() {
  const row = document.activeElement?.closest("[data-alert-id]") ?? (document.body.dataset.alert
    ? null : document.querySelector('[data-alert-id]:not([data-status="acknowledged"], [data-status="resolved"])'));
  const what = row?.querySelector(".title")?.textContent.trim() ?? "";
  return [row?.dataset.alertId ?? document.body.dataset.alert, what];
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

const openCount = () => (listed ? open.size : Math.max(drawn, open.size));

function changed(alert = null) {
  const count = openCount();
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
  for (const button of document.querySelectorAll("#theme, [data-theme-switch]")) button.addEventListener("click", () => {
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
    // A key that is held is one press: the next alert is another decision.
    if (press.ctrlKey || press.metaKey || press.altKey || press.repeat || press.defaultPrevented) return;
    if (press.target.closest("input, textarea, select, [contenteditable]")) return;
    if (document.querySelector("dialog[open]")) return;
    if (press.key === "?") { press.preventDefault(); help.showModal(); }
    const page = { w: "/", e: "/events", l: "/alerts" }[press.key];
    if (page) location.assign(page);
    if (press.key === "a") {
      const [target, what] = inSight();
      if (target && document.body.dataset.canAcknowledge === "1") acknowledge(target, undefined, what);
      else if (!target) toast(openCount() ? "No open alert on this page" : "No open alert", "info", openCount() ? "They are under Alerts (l)" : "");
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

function startAlerts() {
  const gone = new Set(); // decided while the list was on its way: it may be older than that
  journal.addEventListener("alert", ({ detail }) => {
    if (!listed && detail.data.status !== "new") gone.add(detail.data.id);
    take(detail.data, true);
  });
  const since = document.body.dataset.journal;
  journal.open(since === "" || since === undefined ? null : Number(since));
  return listAlerts(gone);
}

async function listAlerts(gone) {
  try {
    const { alerts } = await get("/alerts?status=new&limit=200");
    for (const alert of alerts) if (!gone.has(alert.id)) open.set(alert.id, alert);
    listed = true;
    ringOn(open);
    changed();
  } catch (error) {
    if (error.status === 404) listed = true;
    else complain(error);
    if (!listed) setTimeout(() => listAlerts(gone), AGAIN_MS);
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

$(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }); // on a phone there are more than fit
