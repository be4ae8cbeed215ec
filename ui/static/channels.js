// Notifications: channels, how each is doing, and one form to add or change them.

import { get, post, put, remove } from "./api.js";
import { apart, onSend, sentence } from "./forms.js";
import { element, icon } from "./nodes.js";
import { complain, toast } from "./shell.js";
import { moment } from "./time.js";

const POLL_MS = 5000;
const PORTS = { starttls: 587, tls: 465, none: 25 };
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const home = document.querySelector("#channels");
const form = document.querySelector("#channel-form");
const night = JSON.parse(home.dataset.night);
const field = (name) => form.elements.namedItem(name);
const tests = new Map(); // id -> what the last test said, on this page
let editing = null; // the channel that the form is about; null: a new one

async function load() {
  try {
    const { channels } = await get("/channels");
    show(channels);
  } catch (error) {
    if (!home.querySelector("[data-channel]")) home.replaceChildren(element("li", "alone", element("span", "fine bad", apart(error.message, error.hint ?? ""))));
  }
}

function show(channels) {
  if (!channels.length) {
    home.replaceChildren(element("li", "alone", element("span", "fine", "Nobody is told of alerts but who looks at the screen.")));
    return;
  }
  if (home.contains(document.activeElement) && document.activeElement.dataset.sure) return; // a question waits for its answer
  const focus = [document.activeElement?.closest("[data-channel]")?.dataset.channel, document.activeElement?.dataset.act];
  home.replaceChildren(...channels.map(row));
  if (focus[0]) home.querySelector(`[data-channel="${focus[0]}"] [data-act="${focus[1]}"]`)?.focus();
}

function mark({ enabled, state }) {
  const [status, name, text] = !enabled ? ["off", "info", "Switched off"]
    : state.error ? ["degraded", "warning", state.waiting ? "Does not get through" : "Needs attention"]
      : state.waiting ? ["calm", "info", "Sending"] : ["ok", "check", state.sent ? "Works" : "Ready"];
  const made = element("span", "check-mark", icon(name), element("span", "", text));
  made.dataset.status = status;
  return made;
}

function said({ state }) {
  const parts = [];
  if (state.sent_at) parts.push(`Last told at ${moment(Date.parse(state.sent_at))}`);
  if (state.waiting) parts.push(state.waiting === 1 ? "1 alert waits" : `${state.waiting} alerts wait`);
  if (state.refused) parts.push(`${state.refused} refused`);
  if (state.late) parts.push(`${state.late} older than a day, given up`);
  return parts.join(" · ") || "No alert went out yet";
}

const where = ({ kind, options }) => (kind === "mail" ? `Mail to ${options.to.join(", ")}` : `Webhook at ${options.url}`);

function row(channel) {
  const about = element("div", "grow", element("strong", "", channel.name), element("span", "fine", where(channel)), element("span", "fine", said(channel)));
  if (channel.state.error) about.append(element("span", "fine bad", apart(channel.state.error)));
  const tried = tests.get(channel.id);
  if (tried && (tried.ok || !channel.state.error)) about.append(Object.assign(element("span", tried.ok ? "fine" : "fine bad", tried.text), { role: "status" }));
  const made = element("li", "", about, mark(channel), element("div", "actions", button("Test", channel, test), button("Change", channel, edit), button("Delete", channel, drop, "danger")));
  made.dataset.channel = channel.id;
  return made;
}

function button(text, channel, work, kind = "") {
  const made = element("button", `button ${kind}`, element("span", "", text), element("span", "hidden", ` ${channel.name}`));
  made.type = "button";
  made.dataset.act = text;
  made.addEventListener("click", async () => {
    if (made.getAttribute("aria-busy")) return;
    made.setAttribute("aria-busy", "true");
    try { await work(channel, made); } catch (error) { complain(error); }
    made.removeAttribute("aria-busy");
  });
  return made;
}

async function test(channel) {
  const { test: tried } = await post(`/channels/${channel.id}/test`);
  tests.set(channel.id, { ok: tried.ok, text: tried.ok ? `Tested: ${tried.detail}.` : `The test did not get through. ${apart(tried.detail, tried.hint)}` });
  await load();
}

async function drop(channel, made) {
  // The first click asks, the second does it.
  if (!made.dataset.sure) {
    made.dataset.sure = "1";
    made.firstChild.textContent = "Delete now?";
    made.addEventListener("blur", () => { delete made.dataset.sure; load(); }, { once: true });
    return;
  }
  delete made.dataset.sure;
  await remove(`/channels/${channel.id}`);
  if (editing?.id === channel.id) fill(null);
  await load();
}

function edit(channel) {
  fill(channel);
  form.scrollIntoView({ block: "start" });
  field("name").focus();
}

function fill(channel) {
  editing = channel;
  form.reset();
  document.querySelector("#form-title").textContent = channel ? `Change ${channel.name}` : "Add a channel";
  document.querySelector("#cancel").hidden = !channel;
  document.querySelector("#secret-hint").textContent = channel?.has_secret ? "Stored; leave empty to keep it" : "Empty where none is asked for";
  for (const radio of form.querySelectorAll('[name="kind"]')) radio.disabled = Boolean(channel);
  if (channel) {
    field("kind").value = channel.kind;
    for (const name of ["name", "least_severity"]) field(name).value = channel[name];
    for (const [name, value] of Object.entries(channel.options)) {
      const input = field(name);
      if (!input) continue;
      if (input.type === "checkbox") input.checked = value;
      else input.value = Array.isArray(value) ? value.join(", ") : value;
    }
    field("quiet").checked = Boolean(channel.quiet);
    field("enabled").checked = channel.enabled;
    if (channel.options.ca) form.querySelector("details").open = true;
  }
  fit();
}

function fit() {
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== field("kind").value;
}

function body(fields) {
  const text = (name) => (fields.get(name) ?? "").trim();
  const kind = field("kind").value;
  const options = kind === "webhook" ? { url: text("url") } : {
    host: text("host"), from: text("from"), to: text("to").split(",").map((one) => one.trim()).filter(Boolean),
    port: Number(text("port")) || PORTS[text("security")], security: text("security"), username: text("username"), picture: fields.has("picture"),
  };
  if (text("ca")) options.ca = text("ca");
  const quiet = fields.has("quiet") ? editing?.quiet ?? { windows: [{ days: DAYS, from: night.from, to: night.to }] } : null;
  const wanted = { name: text("name"), kind, options, enabled: fields.has("enabled"), least_severity: text("least_severity"), quiet };
  if (fields.get("secret")) wanted.secret = fields.get("secret");
  return wanted;
}

field("security").addEventListener("change", () => { field("port").value = PORTS[field("security").value]; });
for (const radio of form.querySelectorAll('[name="kind"]')) radio.addEventListener("change", fit);
document.querySelector("#cancel").addEventListener("click", () => fill(null));
onSend(form, async (fields) => {
  if (editing) await put(`/channels/${editing.id}`, body(fields));
  else await post("/channels", body(fields));
  toast(sentence(editing ? "channel changed" : "channel added: test it"));
  fill(null);
  await load();
});

fill(null);
load();
setInterval(() => { if (!document.hidden) load(); }, POLL_MS);
