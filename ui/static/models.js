// Models: which one looks, how a change goes while it goes, and asking for a change.

import { get, post } from "./api.js";
import { onSend, sentence } from "./forms.js";
import { journal } from "./journal.js";
import { startHealth } from "./model_health.js";
import { focusNew, isInstalling, rowsAnew, showInstalling, startInstalling } from "./models_install.js";
import { element, icon } from "./nodes.js";
import { complain, say, toast } from "./shell.js";
import { boxNow, moment } from "./time.js";

const QUICK_MS = 1000; // while a change goes
const SLOW_MS = 10_000;
const $ = (selector) => document.querySelector(selector);
const page = $("#models");
const RUNS = { running: ["ok", "check", "Looking"], starting: ["degraded", "warning", "Starting"], down: ["failing", "critical", "Not looking"], off: ["off", "info", "Off"] };
const STEPS = [["loading", "Load"], ["shadow", "Both look"], ["trial", "On trial"], ["active", "In use"]];
const OVER = ["active", "refused", "rolled_back"];

let overview = JSON.parse(page.dataset.overview);
let seenNs = boxNow();
let timer = 0;
let lastPhase = overview.activation?.phase;

const changing = () => overview.activation && !OVER.includes(overview.activation.phase);

function showNow() {
  const { name, backend, because, state, since, reason } = overview.detector;
  const part = (what) => $(`[data-now="${what}"]`);
  const [status, sign, word] = RUNS[state] ?? RUNS.off;
  part("name").textContent = name || "Nothing";
  part("state").dataset.status = status;
  part("state").replaceChildren(icon(sign), word);
  const why = backend ? `on ${backend}${because ? `: ${because}` : ""}` : "";
  part("why").textContent = [why, `since ${moment(Date.parse(since))}`].filter(Boolean).join(" · ");
  part("reason").textContent = sentence(reason ?? "");
  part("reason").hidden = !reason;
  const free = overview.chosen === "auto";
  part("chosen").textContent = overview.fixed ? "" : free ? "Chosen by the box: the best that is installed." : overview.chosen !== name ? `Chosen: ${overview.chosen}.` : "";
}

function showList() {
  const tried = changing() ? overview.activation.wanted : null;
  for (const row of document.querySelectorAll("[data-model]")) {
    const model = overview.models.find((one) => one.name === row.dataset.model);
    if (!model) continue;
    const state = row.querySelector(".model-state");
    const is = model.active ? "active" : model.name === tried ? "tried" : model.installed ? "there" : "absent";
    state.dataset.is = is;
    state.textContent = { active: "In use", tried: "Being tried", there: "Installed", absent: "Not installed" }[is];
    const button = row.querySelector("[data-activate]");
    // The one in use can be chosen again while another is tried: that ends the try.
    if (button) button.disabled = (model.active && !changing()) || model.name === tried;
  }
  const auto = $('[data-activate="auto"]');
  if (auto) auto.disabled = overview.chosen === "auto";
  // Installed beside this page: it has no row yet, and a row is the server's to write.
  const rows = new Set([...document.querySelectorAll("[data-model]")].map((row) => row.dataset.model));
  const came = overview.models.find((model) => !rows.has(model.name));
  if (came && !document.querySelector("dialog[open]")) rowsAnew(came.name);
}

const countdown = (ms) => {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${String(m).padStart(2, "0")}:${String(s).padStart(2, "0")}` : `${m}:${String(s).padStart(2, "0")}`;
};

function changeText({ phase, wanted, before: name, reason, switches_at: switches, since }) {
  const before = name === "auto" ? "the model before" : name;
  const why = reason ? `: ${reason}` : "";
  const when = moment(Date.parse(since));
  switch (phase) {
    case "loading": return `${wanted} is being loaded; ${before || "nothing"} looks meanwhile.`;
    case "shadow": return `${wanted} looks beside ${before}. It takes over in ${countdown(Date.parse(switches) - boxNow())}.`;
    case "trial": return `${wanted} looks alone; on errors, delays or a loss of confidence ${before} comes back.`;
    case "active": return `${wanted} took over at ${when}.`;
    case "refused": return `${wanted} was refused at ${when}${why}. ${before || "Nothing"} looks.`;
    default: return `${wanted} was rolled back at ${when}${why}. ${before} looks again.`;
  }
}

function showChange() {
  const change = overview.activation;
  $("#change").hidden = !change;
  if (!change) return;
  const failed = change.phase === "refused" || change.phase === "rolled_back";
  const at = STEPS.findIndex(([phase]) => phase === change.phase);
  const steps = failed ? [["", change.phase === "refused" ? "Refused" : "Rolled back"]] : STEPS;
  $("#steps").replaceChildren(...steps.map(([, name], n) => {
    const step = element("li", "", element("i", ""), name);
    step.dataset.at = failed ? "failed" : n < at || change.phase === "active" ? "done" : n === at ? "now" : "later";
    if (step.dataset.at === "now") step.setAttribute("aria-current", "step");
    return step;
  }));
  const facts = change.pictures ? [
    ["Agreement", `${(100 * change.agreement).toFixed(1)} %`], ["New model", `${change.new_ms.toFixed(1)} ms`],
    ["Old model", `${change.old_ms.toFixed(1)} ms`], ["Pictures", String(change.pictures)],
  ] : [];
  $("#change-facts").replaceChildren(...facts.map(([name, value]) => element("div", "", element("dt", "", name), element("dd", "", value))));
  tick();
}

// The countdown runs between two answers; the words of each phase are said aloud once, not every second.
function tick() {
  const change = overview.activation;
  if (!change) return;
  const text = $("#change-text");
  text.setAttribute("role", change.phase === "shadow" ? "timer" : "status");
  const words = changeText(change); // begins with a name, which keeps its small letter
  if (text.textContent !== words) text.textContent = words;
  const meter = $("#change-meter");
  meter.hidden = change.phase !== "shadow";
  if (meter.hidden) return;
  const [from, to] = [Date.parse(change.since), Date.parse(change.switches_at)];
  const share = to > from ? Math.min(100, Math.max(0, (100 * (boxNow() - from)) / (to - from))) : 100;
  meter.firstElementChild.style.width = `${share}%`;
  meter.setAttribute("aria-valuenow", String(Math.round(share)));
}

const pause = () => (changing() || isInstalling(overview.installing) ? QUICK_MS : SLOW_MS);

function show() {
  showInstalling(overview.installing);
  showNow();
  showList();
  showChange();
  const phase = overview.activation?.phase;
  if (phase !== lastPhase && phase) say(changeText(overview.activation));
  lastPhase = phase;
}

const full = (text) => sentence(text).replace(/[^.!?]$/, "$&.");

function old(error) {
  const stale = $("#stale");
  stale.hidden = !error;
  page.classList.toggle("is-old", Boolean(error));
  if (error) stale.textContent = `What you see is of ${moment(seenNs)}. ${[error.message, error.hint].filter(Boolean).map(full).join(" ")}`;
}

async function look() {
  clearTimeout(timer);
  try {
    overview = await get("/models");
    seenNs = boxNow();
    old(null);
    show();
  } catch (error) {
    old(error);
  }
  timer = setTimeout(look, pause());
}

function startDialog() {
  const dialog = $("#sure");
  if (!dialog) return;
  let name = "";
  for (const button of document.querySelectorAll("[data-activate]")) {
    button.addEventListener("click", () => {
      name = button.dataset.activate;
      $("#sure-title").textContent = name === "auto" ? "Let the box choose the model?" : `Let ${name} look?`;
      $("#sure-form .problem").hidden = true;
      dialog.showModal();
    });
  }
  $("#sure-not").addEventListener("click", () => dialog.close());
  onSend($("#sure-form"), async (fields) => {
    const body = { shadow_s: Number(fields.get("shadow_s")), backend: fields.get("backend") };
    const { activation } = await post(`/models/${encodeURIComponent(name)}/activate`, body);
    overview = { ...overview, activation, chosen: name };
    dialog.close();
    show();
    look();
  });
}

function startCopies() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.disabled = false;
    const code = button.closest(".cli").querySelector("code");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        toast("Copied");
      } catch {
        getSelection().selectAllChildren(code); // no clipboard without HTTPS: it is marked, to be copied by hand
        toast("Marked: copy it with the keyboard");
      }
    });
  }
}

journal.addEventListener("system", ({ detail }) => {
  if (["model", "model_install", "analysis"].includes(detail.data?.what)) look();
});
show();
setInterval(tick, 250);
timer = setTimeout(look, pause());
startDialog();
startInstalling(look);
focusNew();
startCopies();
startHealth($("#cameras")).catch(complain);
