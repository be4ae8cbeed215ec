// What every signed-in page of the hub has: theme, help, keys, signing out, filters, and staying new.

import { call } from "../api.js";
import "./live.js";
import "./zone.js";

const root = document.documentElement;
const PAGES = { f: "/", l: "/alerts", e: "/events", c: "/clips", d: "/delivery", r: "/rollouts" };

function switchTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  // A cookie, not localStorage: the server writes the attribute, so that no page flashes.
  document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
}

async function signOut() {
  try { await call("POST", "/auth/logout", {}); } finally { location.assign("/login"); }
}

const each = (selector, work) => document.querySelectorAll(selector).forEach(work);
each("#theme, [data-theme-switch]", (button) => button.addEventListener("click", switchTheme));
each("[data-sign-out]", (button) => button.addEventListener("click", signOut));

const help = document.querySelector("#help");
each("[data-help]", (button) => button.addEventListener("click", () => help.showModal()));
document.querySelector("#help-close").addEventListener("click", () => help.close());
each("[data-opens]", (button) => button.addEventListener("click", () => document.getElementById(button.dataset.opens).showModal()));
each("[data-closes]", (button) => button.addEventListener("click", () => button.closest("dialog").close()));

/** From one link of a list to the next. */
function walk(press) {
  const list = document.activeElement?.closest("[data-walk]");
  const step = { ArrowDown: 1, ArrowUp: -1 }[press.key];
  if (!list || !step) return false;
  const links = [...list.querySelectorAll("th.who a, a.event")];
  const at = links.indexOf(document.activeElement);
  if (at < 0) return false;
  links[at + step]?.focus();
  return true;
}

addEventListener("keydown", (press) => {
  if (press.ctrlKey || press.metaKey || press.altKey || press.defaultPrevented) return;
  if (press.target.closest("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
  if (walk(press)) { press.preventDefault(); return; }
  if (press.key === "?") { press.preventDefault(); help.showModal(); }
  if (press.key === "/") {
    const field = document.querySelector('input[type="search"], .filters select');
    if (field) { press.preventDefault(); field.focus(); }
  }
  const page = PAGES[press.key];
  if (page) location.assign(page);
});

// Filters: chosen is asked. Empty fields would only make the address long.
each("form.filters", (form) => {
  form.addEventListener("submit", () => { for (const field of form.elements) if (field.name && !field.value) field.disabled = true; });
  for (const field of form.querySelectorAll('select, input[type="date"]')) field.addEventListener("change", () => form.requestSubmit());
});
addEventListener("pageshow", () => each(".filters [name]", (field) => { field.disabled = false; }));

// A still that is not here (any more) leaves its place dark, and no torn picture.
addEventListener("error", ({ target }) => { if (target instanceof HTMLImageElement) target.remove(); }, true);

// The map is drawn around what there is to see.
const map = document.querySelector("svg[data-map]");
if (map) {
  const points = [...map.querySelectorAll(".point")].map((point) => [point.cx.baseVal.value, point.cy.baseVal.value]);
  const [xs, ys] = [0, 1].map((i) => points.map((point) => point[i]));
  const middle = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
  const high = Math.max(2, 1.2 * (Math.max(...ys) - Math.min(...ys)), 0.6 * (Math.max(...xs) - Math.min(...xs)));
  map.setAttribute("viewBox", `${middle[0] - high} ${middle[1] - high / 2} ${2 * high} ${high}`);
  for (const point of map.querySelectorAll(".point")) point.setAttribute("r", high / 60);
  for (const place of map.querySelectorAll(".place")) {
    place.setAttribute("font-size", high / 32);
    place.setAttribute("dx", high / 40);
    place.setAttribute("dy", high / 90);
  }
}
