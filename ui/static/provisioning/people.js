// People with roles, and channels that are tried before they are believed.

import { problem, sentence } from "../forms.js";
import { element } from "../nodes.js";
import { complain } from "../toasts.js";

const PORTS = { starttls: 587, tls: 465, none: 25 };
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const NIGHT = [{ days: DAYS, from: "22:00", to: "06:00" }];
const users = []; // to be added: as the step takes them
const channels = [];
let step;
const $ = (selector) => step.root.querySelector(selector);
const field = (name) => step.root.elements.namedItem(name);
const text = (name) => field(name).value.trim();

export async function start(given) {
  step = given;
  $("#take-user").addEventListener("click", () => take("user", takeUser));
  $("#take-mail").addEventListener("click", () => take("mail", takeMail));
  $("#take-hook").addEventListener("click", () => take("hook", takeHook));
  field("security").addEventListener("change", () => { field("port").value = PORTS[field("security").value]; });
  show();
  return async () => {
    // What was typed and not added yet is meant, too.
    if (text("username") && !take("user", takeUser)) return null;
    if (text("to") && !take("mail", takeMail)) return null;
    if (text("hook-url") && !take("hook", takeHook)) return null;
    await step.refresh(); // tried once more after a person mended it: its secret is there by then
    const isKnown = (name) => step.found.channels.some((one) => one.name === name);
    return { user: users, channel: channels.map((one) => ({ ...one, renew: isKnown(one.name) && Boolean(one.secret) })) };
  };
}

function take(name, how) {
  const part = $(`[data-part="${name}"]`);
  const form = Object.assign(part, { elements: step.root.elements });
  problem(form, null);
  try {
    how();
    for (const input of part.querySelectorAll("input:not([type=checkbox]):not([name=port])")) input.value = "";
    part.closest("details").open = false;
    show();
    return true;
  } catch (error) {
    part.closest("details").open = true;
    problem(form, error);
    return false;
  }
}

function must(condition, message, name) {
  if (!condition) throw Object.assign(new Error(message), { field: name });
}

function takeUser() {
  must(text("username"), "Enter a user name.", "username");
  must(field("password").value.length >= 10, "A password has at least 10 characters.", "password");
  must(![...users, ...step.found.users].some((user) => user.username.toLowerCase() === text("username").toLowerCase()), "This name is taken.", "username");
  users.push({ username: text("username"), password: field("password").value, role: field("role").value });
}

function takeMail() {
  const to = text("to").split(",").map((one) => one.trim()).filter(Boolean);
  must(to.length, "Enter whom to tell.", "to");
  must(text("host"), "Enter the mail server.", "host");
  const options = { host: text("host"), to, from: text("from") || text("mail-username"), port: Number(field("port").value), security: field("security").value };
  must(options.from.includes("@"), "Enter whom the mail is from.", "from");
  if (text("mail-username")) options.username = text("mail-username");
  add({ name: `Mail to ${to[0]}`, kind: "mail", options, secret: field("mail-secret").value, least_severity: field("mail-least").value, quiet: field("mail-quiet").checked ? NIGHT : [] });
}

function takeHook() {
  must(/^https?:\/\//.test(text("hook-url")), "Write the address as https://…", "hook-url");
  add({ name: text("hook-name") || new URL(text("hook-url")).hostname, kind: "webhook", options: { url: text("hook-url") }, secret: field("hook-secret").value, least_severity: "warning", quiet: [] });
}

/** A channel of that name is changed, not doubled. */
function add(channel) {
  const at = channels.findIndex((one) => one.name === channel.name);
  if (at >= 0) channels.splice(at, 1);
  channels.push(channel);
}

function row(name, about, ...actions) {
  return element("li", "", element("div", "grow", element("strong", "", name), element("span", "fine", about)), ...actions);
}

function button(label, name, work) {
  const made = element("button", "button quiet", label, element("span", "hidden", ` ${name}`));
  made.type = "button";
  made.addEventListener("click", work);
  return made;
}

function show() {
  const drop = (from, one) => button("Remove", one.username ?? one.name, () => { from.splice(from.indexOf(one), 1); show(); });
  $("#users").replaceChildren(
    ...step.found.users.map((user) => row(user.username, sentence(user.role))),
    ...users.map((user) => row(user.username, `${sentence(user.role)}, to be added`, drop(users, user))),
  );
  $("#channels").replaceChildren(
    ...step.found.channels.map(stored),
    ...channels.map((channel) => row(channel.name, "To be added, and tried", drop(channels, channel))),
  );
  $("#channels").hidden = !$("#channels").children.length;
}

function stored(channel) {
  const made = row(channel.name, channel.state.error ? sentence(channel.state.error) : "In use");
  const test = button("Test", channel.name, async () => {
    test.setAttribute("aria-busy", "true");
    try {
      const tried = await step.ask("test", { id: channel.id });
      made.querySelector(".fine").textContent = sentence([tried.detail, tried.hint].filter(Boolean).join(". "));
      made.dataset.ok = tried.ok ? "1" : "0";
    } catch (error) { complain(error); }
    test.removeAttribute("aria-busy");
  });
  made.append(test);
  return made;
}
