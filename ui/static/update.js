// Another version of the box's software: offered, looked at, installed on a person's word, proved or gone back
// from. Asked again while one looks: the box starts anew in between, and then does not answer for a minute.

import { get, post, remove, send } from "./api.js";
import { apart, full, onSend, problem } from "./forms.js";
import { element, icon } from "./nodes.js";
import { moment } from "./time.js";

const AGAIN_MS = 3000;
const PATH = "/system/update";
const state = document.querySelector("#state");
const form = document.querySelector("#upload");
const WORDS = {
  none: () => ["check", "Never updated."],
  writing: (u) => ["clock", `Version ${u.to_version} is being written: ${u.percent} %. The box records on.`],
  switching: (u) => ["clock", `The box starts again with version ${u.to_version}.`],
  trial: (u) => ["clock", `Version ${u.to_version} has to prove itself: every camera must record for some minutes.`],
  going_back: (u) => ["warning", `Going back to version ${u.from_version}: ${u.reason}.`],
  good: (u) => ["check", `Version ${u.to_version} has proved itself.`],
  back: (u) => ["warning", `Version ${u.to_version} failed: ${u.reason}. Version ${u.from_version} runs again.`],
  refused: (u) => ["warning", `${u.to_version ? `Version ${u.to_version}` : "The bundle"} was refused: ${u.reason}.`],
  failed: (u) => ["warning", `${u.to_version ? `Version ${u.to_version}` : "It"} was not installed: ${u.reason}.`],
};
let shown = "";

function show(update) {
  if (JSON.stringify(update) === shown) return;
  shown = JSON.stringify(update);
  const [mark, text] = WORDS[update.phase](update);
  const facts = element("dl", "facts down");
  const add = (term, value) => value && facts.append(element("dt", "", term), element("dd", "", value));
  add("Version", update.version);
  add("By", update.by);
  add("Begun", update.began_at && moment(Date.parse(update.began_at)));
  add("Ended", update.ended_at && moment(Date.parse(update.ended_at)));
  add("Journal kept", update.journal);
  state.replaceChildren(element("p", "", icon(mark), " ", text));
  if (update.hint) state.append(element("p", "fine", full(update.hint)));
  state.append(facts);
  if (form) showOffers(update);
}

function showOffers(update) {
  const busy = update.asked || ["writing", "switching", "trial", "going_back"].includes(update.phase);
  form.hidden = busy;
  document.querySelector("#sticks").replaceChildren(...(busy ? [] : update.sticks).map(stick));
  document.querySelector("#offered").replaceChildren(...(update.offered && !busy ? [offer(update.offered)] : []),
    ...(update.asked ? [element("p", "", icon("clock"), " It begins in a moment.")] : []));
}

function stick(found) {
  const button = element("button", "button", "Look at it");
  button.type = "button";
  button.addEventListener("click", () => act(() => post(`${PATH}/take`, { name: found.name, folder: found.folder })));
  return element("p", "", `On a stick: ${found.name} (${size(found.size_bytes)}) `, button);
}

function offer(found) {
  const box = element("div", "report");
  const install = element("button", "button primary", found.needs_word ? "Install the older version" : "Install, and start again");
  const away = element("button", "button quiet", "Throw it away");
  install.type = away.type = "button";
  box.append(element("p", "", element("strong", "", `Version ${found.version}`), ` · ${found.name} · ${size(found.size_bytes)}`));
  if (found.refused) box.append(element("p", "", icon("warning"), " ", apart(found.refused, found.hint)));
  install.addEventListener("click", () => {
    if (found.needs_word && !confirm(`Really go to the older version ${found.version}?`)) return;
    act(() => post(`${PATH}/install`, { allow_older: found.needs_word }));
  });
  away.addEventListener("click", () => act(() => remove(PATH)));
  box.append(element("div", "actions", install, away));
  return box;
}

async function act(work) {
  problem(form, null);
  try {
    await work();
  } catch (error) {
    problem(form, error);
  }
  await look();
}

const size = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

async function look() {
  try {
    show((await get(PATH)).update);
  } catch (error) {
    shown = "";
    state.replaceChildren(element("p", "fine", `The box does not answer just now: ${error.message}`));
  }
}

if (form) {
  const meter = form.querySelector(".meter");
  onSend(form, async (data) => {
    const file = data.get("bundle");
    meter.hidden = false;
    try {
      await send(`${PATH}?name=${encodeURIComponent(file.name)}`, file, (share) => { meter.firstChild.style.width = `${100 * share}%`; });
      form.reset();
    } finally {
      meter.hidden = true;
    }
    await look();
  });
}

show(JSON.parse(state.dataset.state));
setInterval(look, AGAIN_MS);
