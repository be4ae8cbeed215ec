// The tunnel: how it is, the operator's next step, up, down, new keys.

import { get, post } from "../api.js";
import { full, sentence } from "../forms.js";
import { element } from "../nodes.js";
import { complain } from "../shell.js";
import { boxNow, moment, span } from "../time.js";
import { facts, mark, words } from "./shown.js";
import { sure } from "./sure.js";

const page = document.querySelector("#connections");
const home = document.querySelector("#tunnel-now");
const actions = document.querySelector("#tunnel-actions");
const WORDS = {
  up: ["ok", "check", "Up"],
  "no handshake since": ["degraded", "warning", "No handshake"],
  "probe fails": ["degraded", "warning", "The hub behind it is silent"],
  "endpoint does not resolve": ["degraded", "warning", "The endpoint has no address"],
  off: ["off", "info", "Off"],
};
const KEYS = { announced: "Give the new public key to the hub's admin, and say here when the hub takes it", trying: "Changing over to the new one" };

const state = element("span", "check-mark");
const step = element("p", "report");
const list = element("dl", "facts");
let nextKey = "";
const load = async () => (await get("/tunnel")).tunnel;

function show(found) {
  if (!home.contains(state)) home.replaceChildren(state, step, list);
  mark(state, found.wanted && !found.is_running ? ["degraded", "warning", "Wanted, and not run"] : WORDS[found.state] ?? WORDS.off);
  words(step, full(found.hint));
  facts(list, factsOf(found));
  list.hidden = !list.children.length;
  if (!actions) return;
  actions.hidden = !found.is_configured;
  nextKey = found.next_key;
  actions.querySelector('[data-tunnel="rotate"]').hidden = found.rotation !== "steady";
  actions.querySelector('[data-tunnel="acknowledge"]').hidden = found.rotation !== "announced";
  actions.querySelector('[data-tunnel="up"]').hidden = found.wanted;
  actions.querySelector('[data-tunnel="down"]').hidden = !found.wanted;
}

function factsOf(found) {
  const at = found.handshake_at && Date.parse(found.handshake_at);
  return [
    ["Last handshake", at ? `${span(boxNow() - at)} ago, ${moment(at)}` : found.is_running ? "none yet" : ""],
    ["Since", found.since ? moment(Date.parse(found.since)) : ""],
    ["What happened", sentence(found.detail)],
    ["Address of the box", found.address, "mono"],
    ["Endpoint", found.endpoint, "mono"],
    ["Public key", found.public_key, "mono"],
    ["New public key", found.next_key, "mono"],
    ["Keys", KEYS[found.rotation] ?? ""],
    ["Made by", found.backend && [found.backend, found.because].filter(Boolean).join(": ")],
  ];
}

const ASK = {
  down: ["Take the tunnel down?", "The hub is not reached through it until somebody puts it up again, here on the box. What waits for the hub is kept.", "Take it down"],
  rotate: ["Make new keys?", "The new public key is shown here, for the hub's admin. The old one stays in use until you say that the hub takes the new one.", "Make new keys"],
  acknowledge: ["Does the hub take the new key?", "The tunnel changes over to it, and goes back by itself where no handshake is made with it.", "Change over"],
};

for (const button of actions?.querySelectorAll("[data-tunnel]") ?? []) {
  const what = button.dataset.tunnel;
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy")) return;
    if (ASK[what] && !(await sure(...ASK[what]))) return;
    button.setAttribute("aria-busy", "true");
    try {
      show((await (what === "acknowledge" ? post("/tunnel/rotate", { acknowledged: nextKey }) : post(`/tunnel/${what}`))).tunnel);
      page.dispatchEvent(new Event("changed"));
    } catch (error) { complain(error); }
    button.removeAttribute("aria-busy");
    const next = [...actions.querySelectorAll("button")].find((one) => !one.hidden);
    if (button.hidden) next?.focus(); // its place is taken by its opposite
  });
}

export const tunnel = { home, load, show };
