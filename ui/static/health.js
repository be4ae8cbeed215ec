// Health: the checks with their since, and the box at a glance; asked again while one looks.

import { get } from "./api.js";
import { inWords } from "./connections/figures.js";
import { element, icon } from "./nodes.js";
import { moment } from "./time.js";
import { analysing } from "./words.js";

const AGAIN_MS = 5000;
const WORDS = { ok: "In order", degraded: "Degraded", failing: "Failing" };
const ICONS = { ok: "check", degraded: "warning", failing: "critical" };
const list = document.querySelector("#checks");

function showChecks({ checks }) {
  const order = ["failing", "degraded", "ok"];
  list.replaceChildren(...checks.sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status)).map((check) => {
    const mark = element("span", "check-mark", icon(ICONS[check.status]), WORDS[check.status] ?? check.status);
    mark.dataset.status = check.status;
    const name = check.name.charAt(0).toUpperCase() + check.name.slice(1).replaceAll("_", " ");
    return element("li", "", mark, element("span", "grow", element("strong", "", name), element("span", "fine", check.detail)),
      element("span", "fine", `since ${moment(Date.parse(check.since))}`));
  }));
}

const gb = (bytes) => (bytes >= 1e12 ? `${(bytes / 1e12).toFixed(1)} TB` : `${(bytes / 1e9).toFixed(1)} GB`);

function showStatus(status) {
  const facts = document.querySelector("#status");
  for (const old of facts.querySelectorAll(".live")) old.remove();
  const add = (term, ...content) => facts.append(element("dt", "live", term), element("dd", "live", ...content));
  if (status.detector) {
    const { state, detector, reason, since } = status.detector;
    add("Detector", [detector ?? "none", state, reason, state !== "running" && since ? `since ${moment(Date.parse(since))}` : ""].filter(Boolean).join(", "));
    const cameras = (status.detector.cameras ?? []).map((figures) => element("li", "", `${figures.camera_id}: ${analysing(figures)}`));
    if (cameras.length) add("Analysis", element("ul", "plain", ...cameras));
  }
  const cameras = Object.entries(status.cameras ?? {}).map(([state, count]) => `${count} ${state.replaceAll("_", " ")}`);
  if (cameras.length) add("Cameras", cameras.join(", "));
  for (const disk of status.disks ?? []) {
    const path = element("span", "fine mono", disk.path ?? "");
    if (!disk.total_bytes) { add("Disk", disk.error ?? "not there", element("br", ""), path); continue; }
    const meter = element("div", "meter", element("i", ""));
    meter.firstChild.style.width = `${(100 * (disk.total_bytes - disk.free_bytes)) / disk.total_bytes}%`;
    add("Disk", `${gb(disk.free_bytes)} free of ${gb(disk.total_bytes)}`, meter, path);
  }
  for (const target of status.sync ?? []) {
    const parked = target.parked ? ` · ${target.parked.toLocaleString("en")} parked` : "";
    add(`Sent to ${target.id}`, target.enabled ? `${inWords(target)}${parked}` : "switched off");
  }
  if (status.time_unsure) add("Clock", "not synchronised yet");
}

async function look() {
  try {
    showChecks(await get("/system/health"));
    showStatus(await get("/system/status"));
  } catch (error) {
    list.replaceChildren(element("li", "", element("span", "fine", `Health cannot be read: ${error.message}`)));
  }
}

look();
setInterval(look, AGAIN_MS);
