// The sheet: what will be done (typed where it cannot be undone), what is being done, and whether it holds.

import { full, problem, sentence } from "../forms.js";
import { element } from "../nodes.js";
import { Refusal, get, pause, post } from "./calls.js";

const $ = (selector) => document.querySelector(selector);
const sheet = $("#sheet");
const body = $("#sheet-body");
const title = $("#sheet-title");
const goButton = $("#sheet-go");
const backButton = $("#sheet-back");
const POLL_MS = 400;
const SEEN_MS = 900; // that all is well is seen before the page goes on

sheet.addEventListener("cancel", (event) => { // Escape goes back, and does not leave work behind
  event.preventDefault();
  if (!backButton.hidden) backButton.click();
});

/** What a person presses: true for "go", false for "back". */
function pressed({ go, back }) {
  goButton.hidden = !go;
  backButton.hidden = !back;
  goButton.textContent = go || "";
  backButton.textContent = back || "";
  goButton.disabled = false;
  return new Promise((done) => {
    const stop = new AbortController();
    const by = (answer) => () => { stop.abort(); done(answer); };
    goButton.addEventListener("click", by(true), { signal: stop.signal });
    backButton.addEventListener("click", by(false), { signal: stop.signal });
  });
}

function open(heading, ...content) {
  title.textContent = heading;
  body.replaceChildren(...content);
  if (!sheet.open) sheet.showModal();
}

function changeRow(change) {
  const row = element("li", "change", element("span", "", sentence(change.text)));
  if (change.detail) {
    row.append(element("details", "", element("summary", "", "Details"), element("pre", "", change.detail)));
  }
  if (change.typed) {
    const input = Object.assign(document.createElement("input"), { name: `typed.${change.typed}`, autocomplete: "off", autocapitalize: "none", spellcheck: false });
    input.dataset.typed = change.typed;
    row.classList.add("final");
    row.append(element("label", "field", `This cannot be undone. Type ${change.typed} to allow it`, input));
  }
  return row;
}

const notes = (plan) => plan.notes.map((note) => element("p", "note", sentence(note)));

/** Plan, ask, do. True where the step is done; false where the person went back. Throws what the plan refuses. */
export async function carryOut(here, given) {
  let { plan, digest } = await post(`${here}/plan`, { given });
  for (;;) {
    open(plan.changes.length ? "This will be done" : "Nothing to change", element("ol", "changes", ...plan.changes.map(changeRow)), ...notes(plan));
    showProblem(null);
    if (!(await pressed({ go: plan.changes.length ? "Do it" : "Go on", back: "Back" }))) { sheet.close(); return false; }
    const typed = Object.fromEntries([...body.querySelectorAll("[data-typed]")].map((input) => [input.dataset.typed, input.value.trim()]));
    try {
      await post(`${here}/apply`, { given, digest, typed });
      return await follow(here);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 0) { showProblem(error); continue; }
      if (error.status === 409) { ({ plan, digest } = await post(`${here}/plan`, { given })); showProblem(error); continue; }
      if (error.field?.startsWith("typed.")) { showProblem(error); continue; }
      sheet.close();
      throw error;
    }
  }
}

function showProblem(error) {
  const box = sheet.querySelector(".problem");
  box.hidden = !error;
  box.textContent = error ? [error.message, error.hint].filter(Boolean).map(full).join(" ") : "";
}

/** What is at work, until it ends. True where it holds, or a person says so. */
export async function follow(here) {
  open("The box is at work", element("ol", "lines"));
  showProblem(null);
  goButton.hidden = true;
  backButton.hidden = true;
  let looked;
  for (;;) {
    looked = await get(here);
    const { running } = looked;
    if (!running) { sheet.close(); return false; } // the wizard began anew: the step is there to be done again
    showLines(running);
    if (running.address) sayAddress(running.address);
    if (running.done) break;
    await pause(POLL_MS);
  }
  return outcome(here, looked);
}

function showLines({ lines, done }) {
  const list = body.querySelector(".lines");
  list.replaceChildren(...lines.map((line, i) => {
    const row = element("li", "", line);
    if (!done && i === lines.length - 1) row.className = "now";
    return row;
  }));
  if (!lines.length && !done) list.append(element("li", "now", "Beginning"));
  list.lastElementChild?.scrollIntoView({ block: "nearest" });
}

function sayAddress(address) {
  if (body.querySelector(".moved")) return;
  const link = Object.assign(element("a", "", address), { href: address });
  body.append(element("p", "note moved", "From now on this page is at ", link, "."));
}

function checkRow(check) {
  const row = element("li", "check-row", element("strong", "", check.name), element("span", "", check.text));
  row.dataset.ok = check.ok ? "1" : "0";
  if (!check.ok && check.hint) row.append(element("span", "fine", sentence(check.hint)));
  return row;
}

async function outcome(here, { running, trial }) {
  if (running.error) {
    title.textContent = "This did not work";
    showProblem(running.error);
    const box = new Refusal(0, running.error);
    await pressed({ back: "Back" });
    sheet.close();
    if (running.error.field) problem($("#step"), box);
    return false;
  }
  const bad = running.checks.filter((check) => !check.ok);
  body.append(element("ol", "checks", ...running.checks.map(checkRow)));
  if (trial) return onTrial(here);
  if (!bad.length) {
    title.textContent = "Done";
    await pause(SEEN_MS);
    sheet.close();
    return true;
  }
  title.textContent = bad.length === 1 ? "One thing is not as it should be" : `${bad.length} things are not as they should be`;
  if (!(await pressed({ go: "Go on like this", back: "Back" }))) { sheet.close(); return false; }
  await post(`${here}/confirm`);
  sheet.close();
  return true;
}

/** It undoes itself unless this telephone, which still reaches the box, says that it holds. */
async function onTrial(here) {
  title.textContent = "Does it hold?";
  const left = element("p", "note", "");
  left.setAttribute("role", "status");
  body.append(left);
  let over = false;
  const answered = pressed({ go: "It works: keep it", back: "" }).then(() => { over = true; return "kept"; });
  const watched = (async () => {
    while (!over) {
      const { trial, running } = await get(here);
      if (!trial) return running?.error ? "undone" : "kept";
      left.textContent = `Undone by itself in ${Math.ceil(trial.seconds_left)} s unless you confirm.`;
      await pause(1000);
    }
    return "kept";
  })();
  const how = await Promise.race([answered, watched]);
  over = true;
  if (how === "kept") {
    try {
      await post(`${here}/confirm`);
      sheet.close();
      return true;
    } catch (error) { showProblem(error); }
  } else showProblem({ message: "It was not confirmed in time, and was undone", hint: "try it again" });
  await pressed({ back: "Back" });
  sheet.close();
  return false;
}
