// The hub: enrolment, what it may order, what it ordered, leaving it.

import { get, post, put, remove } from "../api.js";
import { apart, onSend, sentence } from "../forms.js";
import { element } from "../nodes.js";
import { complain, toast } from "../shell.js";
import { boxNow, moment, span } from "../time.js";
import { scan, scans } from "./scan.js";
import { children, facts, mark, words } from "./shown.js";
import { sure } from "./sure.js";

const $ = (selector) => document.querySelector(selector);
const page = $("#connections");
const home = $("#hub-now");
const enrol = $("#enrol-form");
const allowed = $("#allowed-form");
const STATES = { done: "Done", failed: "Failed", refused: "Refused", pending: "On trial", taken: "Under way", confirmed: "Confirmed", undone: "Undone" };
const GOOD = ["done", "confirmed"];
const OPEN = ["taken", "pending"];
const LONGEST_FILE_BYTES = 4000;
const SHORT_MS = 600_000; // a silence that needs nobody
const changed = () => page.dispatchEvent(new Event("changed"));
let touched = false; // ticks that were not saved are not overwritten by what is asked again

const load = async () => (await get("/hub")).hub;

const state = element("span", "check-mark");
const said = element("p", "said");
const list = element("dl", "facts");
const trial = element("p", "report");

function show(found) {
  const isOurs = Boolean(found.box_id);
  if (!home.contains(said)) home.replaceChildren(state, said, list, trial);
  enrol.hidden = isOurs;
  state.hidden = list.hidden = trial.hidden = !isOurs;
  if (isOurs) showOurs(found);
  else words(said, "This box belongs to no hub.");
  if (allowed) {
    allowed.hidden = !isOurs;
    if (!touched) for (const tick of allowed.elements.kinds) tick.checked = found.allowed.includes(tick.value);
    $("#hub-actions").hidden = !isOurs;
  }
  showCommands(found, isOurs);
}

function showOurs({ url, box_id: boxId, enrolled_at: since, heard_at: heard, error, trial: onTrial, deletes_from: deletes, command_key: key }) {
  const silentMs = heard ? boxNow() - Date.parse(heard) : Infinity;
  const silent = silentMs > SHORT_MS ? ["degraded", "warning", "Cannot be reached"] : ["calm", "info", "Not heard"];
  mark(state, error ? silent : heard ? ["ok", "check", "In touch"] : ["off", "info", "Not heard yet"]);
  words(said, error ? `${apart(error)} What is owed to it waits; it is tried again by itself.` : "");
  facts(list, [
    ["Address", url ?? "its target was deleted", "mono"],
    ["Enrolled", moment(Date.parse(since))],
    ["Last heard", heard ? `${span(boxNow() - Date.parse(heard))} ago, ${moment(Date.parse(heard))}` : "not since the box started"],
    ["Number at the hub", boxId, "mono"],
    ["Signs orders with", key, "mono"],
  ]);
  const back = onTrial && moment(Date.parse(onTrial.undone_at));
  const waits = deletes && moment(Date.parse(deletes));
  words(trial, [
    back ? `Settings that the hub changed are on trial: they go back at ${back} unless the hub is heard.` : "",
    waits ? `The hub made the box keep things for less time: it deletes by that from ${waits} on. Until then Settings, Site can put it back.` : "",
  ].filter(Boolean).join(" "));
}

function showCommands({ commands }, isOurs) {
  $("#commands").hidden = !isOurs && !commands.length;
  const nothing = () => [element("li", "", element("span", "fine", "It has ordered nothing yet."))];
  children($("#commands-list"), commands, () => (commands.length ? commands.map(order) : nothing()));
}

function order({ state: became, kind, by, received_at: received, message }) {
  const [status, sign] = GOOD.includes(became) ? ["ok", "check"] : OPEN.includes(became) ? ["calm", "info"] : ["degraded", "warning"];
  const result = element("span", "check-mark");
  mark(result, [status, sign, STATES[became] ?? became]);
  const about = [`by ${by || "nobody named"}`, moment(Date.parse(received)), sentence(message)].filter(Boolean).join(" · ");
  return element("li", "", element("span", "grow", element("strong", "", name(kind)), element("span", "fine", about)), result);
}

function name(kind) {
  const tick = allowed && [...allowed.elements.kinds].find((one) => one.value === kind);
  return tick ? tick.closest("label").querySelector("b").textContent : sentence(kind.replaceAll("_", " "));
}

onSend(enrol, async (fields) => {
  const text = (field) => fields.get(field).trim();
  const invitation = text("invitation");
  const typed = { url: text("url"), code: text("code"), sha256: text("sha256") };
  $("#typed").open ||= Boolean(typed.url || typed.code || typed.sha256); // a refusal is shown at its field
  // Nothing at all: the invitation is what the box asks for first.
  const isTyped = !invitation && (typed.url || typed.code);
  const ca = text("ca") ? { ca: text("ca") } : {};
  const { hub: found } = await post("/hub/enrol", { ...(isTyped ? typed : { invitation: invitation || " " }), ...ca });
  enrol.reset();
  touched = false;
  show(found);
  toast("This box belongs to the hub now");
  $("#hub-title").scrollIntoView({ block: "nearest" });
  changed();
});

if (allowed) {
  allowed.addEventListener("change", () => { touched = true; });
  onSend(allowed, async (fields) => {
    const { hub: found } = await put("/hub/allowed", { kinds: fields.getAll("kinds") });
    touched = false;
    show(found);
    toast("Saved");
  });
  $("#leave").addEventListener("click", async () => {
    const text = "What it was not sent yet will not be sent to it, its orders are obeyed no longer, and its tunnel goes. Settings that it changed stay. To come back, the box needs a new code.";
    if (!(await sure("Leave the hub?", text, "Leave it"))) return;
    try {
      await remove("/hub");
      toast("This box belongs to no hub any more");
    } catch (error) { complain(error); }
    changed();
  });
}

const take = (text) => { enrol.elements.invitation.value = text.trim(); enrol.elements.invitation.focus(); };

$("#read-file").addEventListener("click", () => $("#file").click());
$("#file").addEventListener("change", async ({ target: input }) => {
  const [file] = input.files;
  if (!file) return;
  if (file.size > LONGEST_FILE_BYTES) toast("This is no invitation.", "error", "The hub's file is called aries-enrol.txt.");
  else take(await file.text());
  input.value = "";
});
if (scans()) {
  $("#scan").hidden = false;
  $("#scan").addEventListener("click", async () => {
    try {
      const text = await scan();
      if (text) take(text);
    } catch (error) { toast("The camera cannot be used.", "error", String(error.message ?? error)); }
  });
}

$("#identity").addEventListener("toggle", async ({ target: details }) => {
  const list = $("#identity-facts");
  if (!details.open || list.dataset.seen) return;
  try {
    const { identity } = await get("/identity");
    const facts = [["Fingerprint", identity.fingerprint], ["Device", identity.device_id], ["Key of the tunnel", identity.tunnel_key]];
    list.replaceChildren(...facts.flatMap(([term, value]) => [element("dt", "", term), element("dd", "mono", value)]));
    list.dataset.seen = "1";
    const picture = $("#identity-qr");
    picture.src = "/api/v1/identity.svg";
    picture.hidden = false;
  } catch (error) {
    list.replaceChildren(element("dt", "", "Fingerprint"), element("dd", "", `It cannot be read: ${error.message}`));
  }
});

export const hub = { home, load, show };
