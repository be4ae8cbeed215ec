// Targets: how far each is, what holds it up, and what an admin can do about it.

import { get, post, put } from "../api.js";
import { sentence } from "../forms.js";
import { element, icon } from "../nodes.js";
import { complain, toast } from "../shell.js";
import { boxNow, moment, span } from "../time.js";
import { inWords, kindName, table } from "./figures.js";

const page = document.querySelector("#connections");
const home = document.querySelector("#targets");
const isAdmin = page.dataset.admin === "1";
const WORDS = {
  off: ["off", "info", "Switched off"],
  starting: ["off", "info", "Starting"],
  broken: ["degraded", "warning", "Needs attention"],
  waiting: ["calm", "info", "Waiting"],
  resting: ["calm", "info", "Resting"],
  held: ["calm", "info", "Held by its budget"],
  delivering: ["ok", "check", "Delivering"],
  delivered: ["ok", "check", "Up to date"],
};
const rows = new Map(); // id -> {row, parts, seen}

async function load() {
  const [{ deliveries }, { targets }] = await Promise.all([get("/deliveries"), isAdmin ? get("/targets") : { targets: [] }]);
  const addresses = new Map(targets.map((target) => [target.id, target]));
  return deliveries.map((delivery) => ({ ...delivery, target: addresses.get(delivery.id) ?? null }));
}

function show(found) {
  const gone = [...rows.keys()].filter((id) => !found.some((one) => one.id === id));
  for (const id of gone) { rows.get(id).row.remove(); rows.delete(id); }
  if (!found.length) { home.replaceChildren(nothing()); return; }
  for (const old of home.querySelectorAll(".alone")) old.remove();
  for (const one of found) {
    if (!rows.has(one.id)) rows.set(one.id, made(one));
    const { row } = rows.get(one.id);
    if (row.parentNode !== home) home.append(row);
    fill(rows.get(one.id), one);
  }
}

function nothing() {
  const text = isAdmin ? "Nothing is sent anywhere. Add a target, or enrol the box at a hub." : "Nothing is sent anywhere. An admin can add a target.";
  return element("li", "alone", element("span", "fine", text));
}

function made({ id, kind }) {
  const parts = {
    mark: element("span", "check-mark"), address: element("span", "mono"), said: element("p", "said fine"),
    parked: element("div", "wide"), figures: element("div", ""), hold: element("p", "said"),
  };
  const title = element("span", "target-name", element("strong", "", id), element("span", "tag", kind), parts.mark);
  const head = element("div", "target-head", title, parts.address, parts.said, parts.hold);
  const details = element("details", "more wide", element("summary", "", "Figures by kind", element("span", "hidden", ` of ${id}`)), parts.figures);
  const row = element("li", "", head);
  row.dataset.target = id;
  if (isAdmin) row.append(actions(id, parts));
  row.append(parts.parked, details);
  return { row, parts, details };
}

function button(text, id, work) {
  const found = element("button", "button", text, element("span", "hidden", ` ${id}`));
  found.type = "button";
  found.addEventListener("click", async () => {
    if (found.getAttribute("aria-busy")) return;
    found.setAttribute("aria-busy", "true");
    try { await work(); } catch (error) { complain(error); }
    found.removeAttribute("aria-busy");
  });
  return found;
}

const changed = () => page.dispatchEvent(new Event("changed"));

function actions(id, parts) {
  parts.test = button("Test", id, async () => {
    const { probe } = await post(`/targets/${id}/probe`);
    toast(probe.ok ? `${id} answers` : `${id} does not work`, probe.ok ? "info" : "error", sentence(probe.detail));
  });
  parts.toggle = button("", id, async () => {
    const { target } = await get(`/targets/${id}`);
    await put(`/targets/${id}`, body({ ...target, enabled: !target.enabled }));
    changed();
  });
  parts.edit = element("a", "button", "Edit", element("span", "hidden", ` ${id}`));
  parts.edit.href = `/settings/connections/targets/${id}`;
  return element("div", "actions", parts.edit, parts.test, parts.toggle);
}

/** What PUT takes of what GET gives; the secret is left out, and so kept. */
export function body({ kind, url, ca, enabled, options, policy }) {
  return { kind, url, ca, enabled, options, ...(policy ? { policy } : {}) };
}

function fill({ parts, details }, one) {
  const [status, sign, word] = one.state.word === "delivered" && one.parked ? ["degraded", "warning", "Parked rows"] : WORDS[one.state.word] ?? WORDS.starting;
  parts.mark.dataset.status = status;
  parts.mark.replaceChildren(icon(sign), word);
  parts.address.textContent = one.target?.url ?? "";
  parts.address.hidden = !one.target;
  parts.said.textContent = inWords(one);
  parts.hold.textContent = holdUp(one);
  parts.hold.hidden = !parts.hold.textContent;
  details.hidden = !one.kinds.length;
  parts.figures.replaceChildren(table(one), legend());
  if (parts.toggle) {
    parts.toggle.firstChild.textContent = one.enabled ? "Switch off" : "Switch on";
    parts.test.hidden = one.kind === "hub" && !one.enabled;
  }
  fillParked(parts, one);
}

/** Why it does not go on, and when it does. */
function holdUp({ state, enabled, waiting }) {
  if (!enabled) return waiting ? "What it is owed waits until it is switched on." : "";
  const error = state.error ? `${sentence(state.error).replace(/[.!?]?$/, ".")} ` : "";
  if (state.word === "broken") return `${error}A person has to mend it.`;
  if (!["waiting", "resting", "held"].includes(state.word) || !state.until) return error;
  const ms = Date.parse(state.until) - boxNow();
  const when = ms > 1500 ? `It is tried again in ${span(ms)}, at ${moment(Date.parse(state.until))}.` : "It is tried again now.";
  return `${error}${when}`;
}

function fillParked(parts, { id, parked, parked_reasons: reasons }) {
  const box = parts.parked;
  box.hidden = !parked;
  const seen = JSON.stringify([parked, reasons]);
  if (!parked || box.dataset.seen === seen) return; // built again, a button would lose its focus
  box.dataset.seen = seen;
  const text = `${parked.toLocaleString("en")} parked: the target refused ${parked === 1 ? "it" : "them"}, so ${parked === 1 ? "it waits" : "they wait"} for a person.`;
  const list = reasons.map(({ reason, count }) => element("li", "", `${count} × ${sentence(reason || "no reason was given")}`));
  const said = element("ul", "reasons", element("li", "", element("strong", "", text)), ...list);
  box.replaceChildren(said);
  if (!isAdmin) return;
  const again = button("Send again what is parked", `of ${id}`, async () => {
    const { unparked } = await post(`/targets/${id}/unpark`);
    toast(`${unparked.toLocaleString("en")} wait${unparked === 1 ? "s" : ""} again`);
    changed();
  });
  box.append(element("div", "actions", again));
}

function legend() {
  return element("p", "fine legend", "Tombstoned: dropped by age or quota, and the target was told so. Parked: refused by the target.");
}

export { kindName };
export const targets = { home, load, show };
