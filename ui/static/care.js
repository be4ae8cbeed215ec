// Care: a bundle for who helps, a backup on a stick, a reset. The first two are made by the box while it records
// on; this page asks how far they are, and which sticks are plugged in.

import { Refusal, get, post, remove } from "./api.js";
import { apart, full, onSend, problem } from "./forms.js";
import { element, icon } from "./nodes.js";
import { boxNow, moment, span } from "./time.js";

const BUSY_MS = 700;
const AGAIN_MS = 2000;
const OLD_MS = 90 * 86_400_000;
const BUNDLE = "/api/v1/system/support/bundle.tar.gz";
const $ = (selector) => document.querySelector(selector);
const backup = $("#backup");
const support = $("#support");
const reset = $("#reset");
const STEPS = {
  copying: (job) => `The databases are being copied: ${size(job.done)} of ${size(job.all)}.`,
  writing: (job) => `It is being written to the stick: ${size(job.done)} of ${size(job.all)}. Leave the stick in.`,
  reading: () => "It is being read from the stick once more. Leave the stick in.",
};
const PARTS = { copying: [0, 0.3], writing: [0.3, 0.6], reading: [0.9, 0.1] }; // of a backup's whole: begin, length
let shown = "";
let timer = 0;

function size(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${Math.max(1, Math.round(bytes / 1e3))} kB`;
}

function show(care) {
  const busy = [care.backup, care.support].some((job) => job?.phase === "working");
  const text = JSON.stringify(care);
  if (text !== shown) {
    shown = text;
    showLast(care.last_backup);
    showSticks(care.sticks);
    showJob($("#backup-job"), care.backup, backupDone);
    showJob($("#support-job"), care.support, supportDone);
    showReset(care.reset);
    backup.hidden = care.backup?.phase === "working";
    for (const button of document.querySelectorAll("#backup [type=submit], #support [type=submit]")) button.disabled = busy;
    $("#backup [type=submit]").disabled ||= !care.sticks.some((stick) => stick.writable);
    $("#support [type=submit]").textContent = care.support?.phase === "done" ? "Make a new one" : "Make a bundle";
    $("#support [type=submit]").classList.toggle("primary", care.support?.phase !== "done");
  }
  clearTimeout(timer);
  timer = setTimeout(look, busy ? BUSY_MS : AGAIN_MS);
}

function showLast(last) {
  const place = $("#last");
  if (!last) {
    place.dataset.kind = "old";
    place.replaceChildren(icon("warning"), element("span", "", "Never backed up on a stick."));
    return;
  }
  const ms = boxNow() - Date.parse(last.at);
  place.dataset.kind = ms > OLD_MS ? "old" : "good";
  place.replaceChildren(icon(ms > OLD_MS ? "warning" : "check"), element("span", "",
    ms < 60_000 ? "Backed up just now." : `Last backup: ${span(ms)} ago.`,
    element("span", "fine", `${last.name} · ${size(last.size_bytes)}`)));
}

function showSticks(sticks) {
  const place = $("#sticks");
  const chosen = place.querySelector("input:checked")?.value;
  const first = sticks.find((stick) => stick.folder === chosen && stick.writable) ?? sticks.find((stick) => stick.writable);
  place.querySelectorAll(":scope > :not(legend)").forEach((old) => old.remove());
  place.append(...sticks.map((stick) => {
    const input = Object.assign(element("input"), { type: "radio", name: "folder", value: stick.folder, checked: stick === first, disabled: !stick.writable });
    const room = stick.writable ? `${size(stick.free_bytes)} free of ${size(stick.size_bytes)}` : "can only be read: open its lock, or take another";
    const there = stick.backups ? ` · ${stick.backups === 1 ? "1 backup" : `${stick.backups} backups`} on it` : "";
    return element("label", "check", input, element("span", "", stick.name, element("span", "fine", `${room}${there}`)));
  }));
  if (!sticks.length) place.append(element("p", "fine", "None is plugged in. Plug one into the box (FAT or exFAT): it shows up here by itself."));
  $("#under").hidden = !first;
  $("#backup .actions").hidden = !first;
}

function showJob(place, job, done) {
  if (!job) return place.replaceChildren();
  if (job.phase === "working") {
    const meter = element("div", "meter", element("i"));
    meter.firstChild.style.width = `${100 * share(job)}%`;
    return place.replaceChildren(element("p", "fine", said(job)), meter);
  }
  const report = element("div", "report");
  report.dataset.kind = job.phase === "done" ? "good" : "bad";
  if (job.phase === "done") report.append(...done(job));
  else report.append(line("warning", apart(job.message, job.hint)), element("p", "fine", moment(Date.parse(job.ended_at))));
  return place.replaceChildren(report);
}

function share(job) {
  const here = job.all ? job.done / job.all : 0;
  const [begin, length] = PARTS[job.step] ?? [0, 1];
  return job.kind === "backup" ? begin + length * here : here;
}

function said(job) {
  if (!job.step) return "It begins in a moment.";
  return job.kind === "backup" ? STEPS[job.step](job) : `Being made: ${job.done + 1} of ${job.all}, ${job.step}.`;
}

const line = (mark, text) => element("p", "line", icon(mark), element("span", "", text));

const backupDone = (job) => [
  line("check", "Backed up, and read again from the stick: it is whole. The stick can be pulled out."),
  element("p", "mono", `${job.folder}/${job.name}`),
  element("p", "fine", `${size(job.size_bytes)} · ${moment(Date.parse(job.ended_at))}`),
];

function supportDone(job) {
  const link = Object.assign(element("a", "button primary", "Download"), { href: BUNDLE, download: "" });
  return [line("check", `${size(job.size_bytes)}, ${job.parts} files, no secrets · ${moment(Date.parse(job.ended_at))}`), element("div", "actions", link)];
}

function showReset(asked) {
  const place = $("#reset-job");
  const asks = ["waiting", "begun"].includes(asked?.phase);
  reset.querySelector(".actions").hidden = asks;
  for (const choice of reset.elements.namedItem("footage")) choice.disabled = asks;
  if (!asked) return place.replaceChildren();
  const report = element("div", "report");
  report.dataset.kind = asked.phase === "over" ? "" : "bad";
  const message = asked.message ? ` ${full(asked.message)}` : "";
  const stay = asked.footage === "keep" ? "The recordings stay." : "The recordings are deleted.";
  if (asked.phase === "waiting") {
    const off = element("button", "button", "Call it off");
    off.type = "button";
    off.addEventListener("click", () => { problem(reset, null); remove("/system/reset").then(look).catch((error) => problem(reset, error)); });
    report.append(line("clock", `Plug the stick in before ${moment(Date.parse(asked.until))}. ${stay}${message}`), element("div", "actions", off));
  } else if (asked.phase === "begun") {
    report.append(line("warning", `The box forgets everything now. ${stay}`),
      element("p", "fine", "Pull the stick out. In a minute the box is as it was delivered, and its screen shows a code to claim it. If it shows none, switch it off and on."));
  } else report.append(line("info", message));
  return place.replaceChildren(report);
}

async function look() {
  try {
    show((await get("/system/care")).care);
    if ($("#care").dataset.silent) for (const form of [backup, support]) problem(form, null); // it answers again
    $("#care").removeAttribute("data-silent");
  } catch (error) {
    const ends = shown.includes('"phase":"begun"') || $("#care").dataset.silent; // then silence is what is to come
    if (!ends) problem(backup.hidden ? support : backup, error);
    $("#care").dataset.silent = "1";
    shown = "";
    timer = setTimeout(look, AGAIN_MS);
  }
}

onSend(backup, async (data) => {
  const folder = data.get("folder");
  if (!folder) throw new Refusal(400, { message: "no stick is chosen", hint: "plug one into the box" });
  if (data.get("passphrase") !== data.get("again")) throw new Refusal(400, { message: "these are two different ones", hint: "type it again", field: "again" });
  show((await post("/system/backup", { folder, passphrase: data.get("passphrase") })).care);
  backup.reset();
});
onSend(reset, async (data) => {
  if (!data.get("footage")) throw new Refusal(400, { message: "keep the recordings, or delete them?", hint: "choose one" });
  show((await post("/system/reset", { footage: data.get("footage") })).care);
});
onSend(support, async () => show((await post("/system/support")).care));
const file = $("#stick-file");
file.href = URL.createObjectURL(new Blob([`${file.dataset.id}\n`], { type: "text/plain" }));
show(JSON.parse($("#care").dataset.state));
