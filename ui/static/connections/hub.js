// The hub: enrolment, what it may order, what it ordered, leaving it.

import { get, post, put, remove } from "../api.js";
import { onSend, sentence } from "../forms.js";
import { element, icon } from "../nodes.js";
import { complain, toast } from "../shell.js";
import { boxNow, moment, span } from "../time.js";
import { scan, scans } from "./scan.js";
import { sure } from "./sure.js";

const $ = (selector) => document.querySelector(selector);
const page = $("#connections");
const home = $("#hub-now");
const enrol = $("#enrol-form");
const allowed = $("#allowed-form");
const STATES = { done: "Done", failed: "Failed", refused: "Refused", pending: "On trial", taken: "Under way", confirmed: "Confirmed", undone: "Undone" };
const GOOD = ["done", "confirmed"];
const LONGEST_FILE_BYTES = 4000;
const changed = () => page.dispatchEvent(new Event("changed"));
let touched = false; // ticks that were not saved are not overwritten by what is asked again

const load = async () => (await get("/hub")).hub;

function show(found) {
  const isOurs = Boolean(found.box_id);
  enrol.hidden = isOurs;
  home.replaceChildren(...(isOurs ? enrolled(found) : [element("p", "", "This box belongs to no hub.")]));
  if (allowed) {
    allowed.hidden = !isOurs;
    if (!touched) for (const tick of allowed.elements.kinds) tick.checked = found.allowed.includes(tick.value);
    $("#hub-actions").hidden = !isOurs;
  }
  showCommands(found, isOurs);
}

function enrolled({ url, box_id: boxId, enrolled_at: since, heard_at: heard, error, trial, command_key: key }) {
  const mark = element("span", "check-mark", icon(error ? "info" : heard ? "check" : "info"), error ? "Not heard" : heard ? "In touch" : "Not heard yet");
  mark.dataset.status = error ? "calm" : heard ? "ok" : "off";
  const facts = [
    ["Address", url ?? "its target was deleted", "mono"],
    ["Since", moment(Date.parse(since))],
    ["Last heard", heard ? `${span(boxNow() - Date.parse(heard))} ago, ${moment(Date.parse(heard))}` : "not since the box started"],
    ["Called there", boxId, "mono"],
    ["Its command key", key, "mono"],
  ];
  const nodes = [mark, element("dl", "facts", ...facts.flatMap(([name, value, look]) => [element("dt", "", name), element("dd", look ?? "", value)]))];
  if (error) nodes.splice(1, 0, element("p", "said", `${sentence(error)}. What is owed to it waits; it is tried again by itself.`));
  if (trial) nodes.push(element("p", "report", `Settings that the hub changed are on trial: they go back at ${moment(Date.parse(trial.undone_at))} unless the hub is heard.`));
  return nodes;
}

function showCommands({ commands }, isOurs) {
  $("#commands").hidden = !isOurs && !commands.length;
  const rows = commands.map((one) => {
    const good = GOOD.includes(one.state);
    const mark = element("span", "check-mark", icon(good ? "check" : one.state === "pending" || one.state === "taken" ? "info" : "warning"), STATES[one.state] ?? one.state);
    mark.dataset.status = good ? "ok" : one.state === "pending" || one.state === "taken" ? "calm" : "degraded";
    const what = element("span", "grow", element("strong", "", name(one.kind)), element("span", "fine", [`by ${one.by || "nobody named"}`, moment(Date.parse(one.received_at)), sentence(one.message)].filter(Boolean).join(" · ")));
    return element("li", "", what, mark);
  });
  $("#commands-list").replaceChildren(...(rows.length ? rows : [element("li", "", element("span", "fine", "It has ordered nothing yet."))]));
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
  const { hub: found } = await post("/hub/enrol", isTyped ? typed : { invitation: invitation || " " });
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
