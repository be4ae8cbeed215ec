// The frame of a step's page. Its own module, /static/provisioning/NAME.js, is
//
//     export async function start(step) { …; return () => given; }
//
// `step`: {name, root, found, ask, picture, plan, carryOut, problem, continueWith, refresh, box}
//   name, root     the step's name; the <form> to fill (blocks of step_NAME.html), shown when start returns
//   found          what its probe found (null while an apply is at work: the frame shows that by itself)
//   ask(what, body)      → what Step.ask answers         picture(what, body) → an address for <img>
//   box(path)            → JSON of the daemon, GET of cameras/snapshots/live/events
//   plan(given)          → {plan, digest}, without showing it
//   carryOut(given)      → plan, sheet, apply, progress, checks; true where it is done (then the frame goes on)
//   problem(error)       shows a refusal at its field (null takes it away)
//   continueWith(make)   `make()` → given (or a promise, or null: stay); the same as what start returns
//   refresh()            → probes again; the new `found`
// "Continue" sends the form: the frame asks `make()` for what was given and carries it out.

import { onSend, problem } from "../forms.js";
import { complain, toast } from "../toasts.js";
import { get, picture, post } from "./calls.js";
import { dropDraft, keepDraft } from "./draft.js";
import { told } from "./moments.js";
import { carryOut, follow } from "./sheet.js";

const { step: name } = document.body.dataset;
const form = document.querySelector("#step");
const go = document.querySelector("#continue");
const here = `/api/steps/${name}`;
let make = () => ({});

export function next(current) {
  location.assign(current ? `/steps/${current}` : "/finish");
}

/** The first step that is to be done, seen from here: the one behind this one, else any. */
async function goOn() {
  dropDraft(name);
  const { steps, current } = await get("/api/steps");
  const place = steps.findIndex((line) => line.name === name);
  next((steps.slice(place + 1).find((line) => line.state === "todo") ?? { name: current }).name);
}

const step = {
  name,
  root: form,
  found: null,
  ask: (what, body) => post(`${here}/ask/${what}`, body ?? {}),
  picture: (what, body) => picture(`${here}/ask/${what}`, body ?? {}),
  box: (path) => get(`/api/box/${path}`, { patient: false }),
  plan: (given) => post(`${here}/plan`, { given }),
  carryOut: (given) => carryOut(here, given),
  problem: (error) => problem(form, error),
  continueWith: (how) => { make = how; },
  async refresh() {
    step.found = (await get(here)).found;
    return step.found;
  },
};

/** Who comes back to a step that ended while they were away need not do it again to go on. */
function showState({ state, at, findings }) {
  const box = document.querySelector("#state");
  if (state === "todo") return;
  box.hidden = false;
  const when = told(at);
  box.textContent = state === "skipped" ? `Skipped, ${when}. It can still be done.` : `Done, ${when}${findings ? ", with findings" : ""}. It can be done again, or `;
  const on = Object.assign(document.createElement("button"), { type: "button", id: "go-on", className: "link", textContent: "go on" });
  on.addEventListener("click", () => { goOn().catch(complain); });
  if (state === "done") box.append(on, ".");
}

async function begin() {
  let looked = await get(here);
  showState(looked.step);
  if (looked.running && (!looked.running.done || looked.trial)) { // this page was left while the box worked
    if (await follow(here)) return goOn();
    looked = await get(here);
  }
  step.found = looked.found ?? (await step.refresh());
  const module = await import(`./${name}.js`);
  const given = await module.start(step);
  if (given) make = given;
  keepDraft(form, name);
  document.querySelector("#loading").hidden = true;
  form.hidden = false;
  go.disabled = false;
  form.addEventListener("input", () => { if (form.querySelector("[aria-invalid]")) problem(form, null); });
  onSend(form, async () => {
    try {
      const answers = await make();
      if (answers && (await carryOut(here, answers))) await goOn();
    } catch (error) {
      setTimeout(() => form.querySelector(".problem").scrollIntoView({ block: "center" })); // after it is shown
      throw error;
    }
  });
  return undefined;
}

document.querySelector("#skip")?.addEventListener("click", async () => {
  try {
    await post(`${here}/skip`);
    await goOn();
  } catch (error) { complain(error); }
});

if (sessionStorage.getItem("took-over")) {
  sessionStorage.removeItem("took-over");
  toast("You go on from where another phone was.", "info", "That phone is told so.");
}

begin().catch((error) => {
  console.error(error);
  const box = document.querySelector("#loading");
  box.textContent = "";
  const text = document.createElement("p");
  text.className = "problem";
  text.textContent = [error.message, error.hint].filter(Boolean).join(" ");
  const again = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: "Try again" });
  again.addEventListener("click", () => location.reload());
  box.append(text, again);
});
