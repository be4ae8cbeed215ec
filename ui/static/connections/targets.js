// Targets: how far each is, what holds it up, and what an admin can do about it.

import { get, post, put } from "../api.js";
import { apart } from "../forms.js";
import { element } from "../nodes.js";
import { boxNow, clock, moment, span } from "../time.js";
import { age, inWords, size, table } from "./figures.js";
import { button, parkedOf } from "./parked.js";
import { children, mark, words } from "./shown.js";

const page = document.querySelector("#connections");
const home = document.querySelector("#targets");
const isAdmin = page.dataset.admin === "1";
const WORDS = {
  off: ["off", "info", "Switched off"],
  starting: ["off", "info", "Starting"],
  broken: ["degraded", "warning", "Needs attention"],
  refused: ["failing", "warning", "Refused"],
  unreachable: ["degraded", "warning", "Cannot be reached"],
  failing: ["degraded", "warning", "Does not take it"],
  waiting: ["calm", "info", "Waiting"],
  resting: ["calm", "info", "Resting"],
  held: ["calm", "info", "Held by its budget"],
  delivering: ["ok", "check", "Delivering"],
  delivered: ["ok", "check", "Up to date"],
};
const AGAIN = ["refused", "unreachable", "failing", "waiting", "resting"];
const PARKED = ["degraded", "warning", "Some was refused"];
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
  found.sort((a, b) => (b.kind === "hub") - (a.kind === "hub") || (a.id < b.id ? -1 : 1));
  for (const [n, one] of found.entries()) {
    if (!rows.has(one.id)) rows.set(one.id, made(one));
    const { row } = rows.get(one.id);
    if (home.children[n] !== row) home.insertBefore(row, home.children[n] ?? null);
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
    parked: parkedOf(id, isAdmin, changed), figures: element("div", ""), hold: element("p", "said"),
    tested: element("p", "report wide"),
  };
  parts.tested.setAttribute("role", "status");
  parts.tested.hidden = true;
  const title = element("span", "target-name", element("strong", "", id), element("span", "tag", kind), parts.mark);
  const head = element("div", "target-head", title, parts.address, parts.said, parts.hold);
  const details = element("details", "more wide", element("summary", "", "Figures by kind", element("span", "hidden", ` of ${id}`)), parts.figures);
  const row = element("li", "", head);
  row.dataset.target = id;
  if (isAdmin) row.append(actions(id, parts));
  row.append(parts.tested, parts.parked.node, details);
  return { row, parts, details };
}

const changed = () => page.dispatchEvent(new Event("changed"));

function actions(id, parts) {
  parts.test = button("Test", id, async () => {
    words(parts.tested, "Asking it…");
    try {
      const { probe } = await post(`/targets/${id}/probe`);
      const said = probe.ok ? "It answers:" : "It does not work.";
      words(parts.tested, `Tested at ${clock(boxNow())}. ${said} ${probe.ok ? probe.detail : apart(probe.detail, probe.hint)}`);
      parts.tested.dataset.kind = probe.ok ? "good" : "bad";
    } catch (error) {
      words(parts.tested, "");
      throw error;
    }
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
  mark(parts.mark, one.state.word === "delivered" && one.parked ? PARKED : WORDS[one.state.word] ?? WORDS.starting);
  words(parts.address, one.target?.url ?? "");
  words(parts.said, [inWords(one), used(one)].filter(Boolean).join(" · "));
  words(parts.hold, holdUp(one));
  details.hidden = !one.kinds.length;
  children(parts.figures, one.kinds, () => [table(one), legend()]);
  if (parts.toggle) words(parts.toggle.firstChild, one.enabled ? "Switch off" : "Switch on");
  parts.parked.fill(one);
}

/** Why it does not go on, and when it does. */
function holdUp({ state, enabled, waiting }) {
  if (!enabled) return waiting ? "What it is owed waits until it is switched on." : "";
  const said = [state.error, state.file_error && `Files: ${state.file_error}`].filter(Boolean).map((text) => apart(text));
  if (state.word === "broken") said.push("A person has to mend it.");
  if (state.word === "held") said.push("What waits does not go now, by its budget; alerts do.");
  if (AGAIN.includes(state.word) && state.until) said.push(again(state));
  return said.join(" ");
}

function again({ word, since, until }) {
  const ms = Date.parse(until) - boxNow();
  const began = since ? `Since ${moment(Date.parse(since))}, for ${age(since)}. ` : "";
  const why = word === "resting" ? "It failed several times in a row, so it is left alone for a while. " : "";
  return `${began}${why}${ms > 1500 ? `It is tried again in ${span(ms)}, at ${moment(Date.parse(until))}.` : "It is tried again now."}`;
}

/** "3.1 of 50 MB today": what its budget counts. */
function used({ state, target }) {
  const { day_bytes: day, hour_bytes: hour } = target?.policy?.budget ?? {};
  const part = (bytes, most, when) => (most ? `${size(bytes)} of ${size(most)} ${when}` : bytes ? `${size(bytes)} ${when}` : "");
  return [part(state.day_bytes, day, "today"), hour ? part(state.hour_bytes, hour, "this hour") : ""].filter(Boolean).join(" · ");
}

function legend() {
  return element("p", "fine legend", "Tombstoned: dropped by age or quota, and the target was told so. Parked: refused by the target.");
}

export const targets = { home, load, show };
