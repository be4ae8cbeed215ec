// One event: its clip with the moment marked, and the decision about its alert.

import { post } from "./api.js";
import { journal } from "./journal.js";
import { acknowledge, complain } from "./shell.js";
import { clock } from "./time.js";

const page = document.querySelector("#event");
const started = Date.parse(page.dataset.start);
const clip = document.querySelector("#clip");
const LEAD_S = 1.5; // "to the moment" begins a little before it

if (clip) startClip();

/** The clip begins at a key frame before its nominal start: X-Clip-Start says when that was. */
async function startClip() {
  const note = document.querySelector("#clip-note");
  let clipStart = null;
  try {
    const answer = await fetch(page.dataset.clip, { headers: { Range: "bytes=0-0" }, credentials: "same-origin" });
    if (!answer.ok) {
      const { error } = await answer.json().catch(() => ({}));
      note.textContent = error ? `${error.message}. ${error.hint ?? ""}` : "The clip cannot be read now.";
      if (answer.status === 404) clip.replaceWith(document.querySelector(".still-large img")?.cloneNode() ?? clip);
      return;
    }
    clipStart = Date.parse(answer.headers.get("X-Clip-Start"));
    const gaps = JSON.parse(answer.headers.get("X-Clip-Gaps") || "[]");
    if (gaps.length) note.textContent = `The recording has ${gaps.length === 1 ? "a gap" : `${gaps.length} gaps`} in this clip.`;
    else if (answer.headers.get("X-Clip-Complete") === "0") note.textContent = "Still being recorded: load the page again for the rest.";
    await answer.body?.cancel();
  } catch (error) {
    console.warn(error);
  }
  clip.src = page.dataset.clip;
  clip.addEventListener("error", () => { note.textContent = "This browser cannot play the clip. Save it and use a player, or set the camera to H.264."; });
  clip.addEventListener("loadedmetadata", () => mark(Number.isFinite(clipStart) ? clipStart : started - 5000), { once: true });
}

function mark(clipStart) {
  const bar = document.querySelector("#bar");
  const track = bar.querySelector(".track");
  const moment = (started - clipStart) / 1000;
  const show = () => {
    bar.querySelector(".played").style.width = `${Math.min(100, (100 * clip.currentTime) / clip.duration)}%`;
    const off = clip.currentTime - moment;
    document.querySelector("#at").textContent = `${clock(clipStart + clip.currentTime * 1000)} · ${off < 0 ? "−" : "+"}${Math.abs(off).toFixed(1)} s`;
  };
  bar.hidden = false;
  bar.dataset.moment = moment.toFixed(3);
  bar.querySelector(".mark").style.left = `${Math.max(0, Math.min(100, (100 * moment) / clip.duration))}%`;
  const go = () => { clip.currentTime = Math.max(0, moment - LEAD_S); clip.play().catch(() => undefined); };
  document.querySelector("#to-moment").addEventListener("click", go);
  track.addEventListener("click", ({ offsetX }) => { clip.currentTime = (clip.duration * offsetX) / track.clientWidth; });
  clip.addEventListener("timeupdate", show);
  show();
}

async function decide(button, work) {
  button.setAttribute("aria-busy", "true");
  try {
    if (await work()) location.reload();
  } catch (error) {
    complain(error);
  }
  button.removeAttribute("aria-busy");
}

const box = document.querySelector("#alert");
const note = () => document.querySelector("#decide textarea").value.trim() || undefined;

document.querySelector("#acknowledge")?.addEventListener("click", ({ currentTarget: button }) => {
  decide(button, () => acknowledge(box.dataset.alert, note()));
});
for (const button of document.querySelectorAll("[data-resolve]")) {
  button.addEventListener("click", () => decide(button, () => post(`/alerts/${box.dataset.alert}/resolve`, { resolution: button.dataset.resolve, note: note() })));
}

// Somebody else decided, or the key 'a' did: show it, unless a note is being written.
journal.addEventListener("alert", ({ detail }) => {
  const { id, status } = detail.data;
  if (box && id === box.dataset.alert && status !== box.dataset.status && !note()) location.reload();
});

addEventListener("keydown", (press) => {
  if (press.ctrlKey || press.metaKey || press.altKey || press.target.closest("input, textarea, select")) return;
  const link = { ",": "#older", ".": "#newer" }[press.key];
  if (link) document.querySelector(link)?.click();
  if (press.key === "Escape" && !document.querySelector("dialog[open]")) location.assign("/");
});
