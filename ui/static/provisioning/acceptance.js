// The acceptance: all tests with one tap, the walk test by ear, the plug, the signature.

import { complain } from "../toasts.js";
import { element } from "../nodes.js";
import { get, pause, post } from "./calls.js";
import { signaturePad } from "./acceptance_pad.js";
import { walkTest } from "./acceptance_walk.js";

const HERE = "/api/steps/acceptance";
const LIVE_MS = 3000;
const STATES = { passed: "Passed", attention: "Passed, with a remark", failed: "Not passed", not_done: "Not done" };
const $ = (selector) => document.querySelector(selector);

export async function start(step) {
  const field = (name) => step.root.elements.namedItem(name);
  const remembered = step.found.report;
  if (remembered?.installer) field("installer").value = remembered.installer;
  showReport(step.found);
  $("#measure").addEventListener("click", guarded($("#measure"), () => measure(step, field)));
  walkTest(step, (result) => { showOutcome($("#walk-note"), result); return refreshed(step); });
  powerCut(step);
  downloads(step);
  const pad = signaturePad($("#pad"), () => ready(field, pad));
  field("customer").addEventListener("input", () => ready(field, pad));
  $("#wipe").addEventListener("click", () => { pad.wipe(); ready(field, pad); });
  $("#sign").addEventListener("click", guarded($("#sign"), () => sign(step, field, pad)));
  watch(step);
  return async () => ((await over(step)) ? null : given(field, { by_hand: true }));
}

/** A report that is signed needs no plan: it goes on at once. Where the wizard began anew meanwhile it cannot
    say so, and asks as for any step. */
async function over({ found: { report, is_stale: isStale } }) {
  if (!report?.signed_by || isStale) return false;
  try {
    const { current } = await post(`${HERE}/confirm`);
    location.assign(current ? `/steps/${current}` : "/finish");
    return true;
  } catch (error) {
    if (error.status !== 409) throw error;
    return false;
  }
}

function given(field, more = {}) {
  return { minutes: Number(field("minutes").value), installer: field("installer").value.trim(), channels: field("channels").checked, ...more };
}

/** A button that works once at a time and says what went wrong. */
function guarded(button, work) {
  return async () => {
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try { await work(); } catch (error) { complain(error); }
    button.removeAttribute("aria-busy");
    button.disabled = false;
  };
}

async function measure(step, field) {
  const wanted = given(field, { again: true });
  const { plan, digest } = await step.plan(wanted);
  const lines = $("#lines");
  $("#will").hidden = lines.hidden = false;
  $("#will").replaceChildren(...plan.changes.map((change) => element("li", "", change.text)));
  await post(`${HERE}/apply`, { given: wanted, digest, typed: {} });
  for (;;) {
    const { running } = await get(HERE);
    if (!running) break; // the wizard began anew
    lines.replaceChildren(...current(running.lines).map((text, i, all) => element("li", !running.done && i === all.length - 1 ? "now" : "", text)));
    if (running.done) {
      $("#will").hidden = lines.hidden = !running.error; // from now on the report says it
      if (running.error) throw Object.assign(new Error(running.error.message), { hint: running.error.hint });
      if (running.checks.some((check) => !check.ok)) await post(`${HERE}/confirm`); // the report says it, in full
      break;
    }
    await pause(1000);
  }
  await refreshed(step);
  $("#report").scrollIntoView({ behavior: "smooth" });
}

/** A countdown is one line, not one for each time it was said. */
const current = (lines) => lines.filter((text, i) => i === lines.length - 1 || !text.startsWith("Measuring the cameras"));

async function refreshed(step) { showReport(await step.refresh()); }

function showReport({ report, is_stale: isStale }) {
  $("#report").hidden = !report;
  if (!report) return;
  $("#hand-over").hidden = Boolean(report.signed_by || report.damage || !report.minutes);
  const verdict = $("#verdict");
  verdict.dataset.result = report.state;
  verdict.textContent = report.damage ? `This report cannot be used: ${report.damage}` : STATES[report.state];
  const left = report.results.filter((one) => one.state === "not_done");
  $("#results").replaceChildren(...report.results.filter((one) => one.state !== "not_done").map(resultRow));
  $("#left").hidden = !left.length;
  $("#left summary").textContent = `Not done: ${left.map((one) => one.title).join(", ")}`;
  $("#left ul").replaceChildren(...left.map(resultRow));
  const box = $("#differences");
  box.hidden = report.differences === null;
  const told = report.differences?.length ? report.differences : ["Nothing that matters has changed."];
  box.querySelector("ul").replaceChildren(...told.map((text) => element("li", "", text)));
  const signed = $("#signed");
  signed.hidden = !report.signed_by && !isStale;
  signed.textContent = isStale ? "Cameras or disks have changed since this report: test again." : `Signed by ${report.signed_by}. The report is closed; a new test makes a new one.`;
}

function resultRow(result) {
  const row = element("li", "", element("strong", "", `${result.title}: ${STATES[result.state]}`), element("span", "", result.text));
  row.dataset.result = result.state;
  for (const line of result.lines.filter((one) => one.state === "failed" || one.state === "attention")) row.append(element("span", "", `${line.name}: ${line.text}`));
  if (result.hint) row.append(element("span", "", result.hint));
  return row;
}

function showOutcome(note, result) {
  note.hidden = !result;
  note.textContent = result ? [result.text, result.hint].filter(Boolean).join(" ") : "";
}

/** Figures of each stream now, for as long as the page is looked at. */
async function watch(step) {
  const rows = $("#live tbody");
  while (rows.isConnected) {
    if (!document.hidden) {
      try {
        const { streams } = await step.ask("live");
        rows.replaceChildren(...Object.values(streams).map(liveRow));
        $("#live").removeAttribute("data-stale");
      } catch { $("#live").dataset.stale = "1"; }
    }
    await pause(LIVE_MS);
  }
}

function liveRow(stream) {
  const works = stream.state === "recording" || stream.state === "live";
  const row = element("tr", "", element("td", "", stream.name));
  if (works) row.append(element("td", "", stream.fps === null ? "–" : stream.fps.toFixed(1)), element("td", "", stream.bitrate_bps === null ? "–" : (stream.bitrate_bps / 1e6).toFixed(2)));
  else row.append(Object.assign(element("td", "wrong", stream.state.replace("_", " ")), { colSpan: 2 }));
  return row;
}

function powerCut(step) {
  const button = $("#cut");
  const show = ({ state, durability_s: durability }) => {
    $("#plug").hidden = $("#cut-off").hidden = state !== "waiting";
    button.hidden = state === "waiting";
    button.textContent = state === "cut" ? "See what the cut did" : "Start the power-cut test";
    if (state === "cut") $("#cut-text").textContent = `The box is back. It looks now at what was lost (${durability} s may be) and checks all recordings.`;
  };
  const examine = async () => {
    const result = await step.ask("cut_examine");
    showOutcome($("#cut-text"), result);
    show({ state: "none" });
    await refreshed(step);
  };
  show(step.found.power_cut);
  button.addEventListener("click", guarded(button, async () => {
    const now = await step.ask("cut");
    if (now.state === "cut") await examine();
    else show(await step.ask("cut_begin"));
  }));
  $("#cut-off").addEventListener("click", guarded($("#cut-off"), async () => show(await step.ask("cut_off"))));
}

function downloads(step) {
  for (const button of document.querySelectorAll("[data-file]")) {
    button.addEventListener("click", guarded(button, async () => {
      const { report } = step.found;
      const address = await step.picture("file", { id: report.id, file: button.dataset.file });
      const link = Object.assign(document.createElement("a"), { href: address, download: `acceptance-${report.id}.${button.dataset.file.split(".")[1]}` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    }));
  }
}

function ready(field, pad) { $("#sign").disabled = !pad.strokes().length || field("customer").value.trim().length < 2; }

async function sign(step, field, pad) {
  await step.ask("sign", { name: field("customer").value.trim(), strokes: pad.strokes() });
  pad.wipe();
  await refreshed(step);
  $("#signed").scrollIntoView({ behavior: "smooth", block: "center" });
}
