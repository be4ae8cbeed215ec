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

const MORE_MS = 4000; // between two looks at whether the rest is there

/** Its first byte tells when it begins (a key frame before its nominal start) and whether all of it is there.
    Throws what the box says, with `status`. */
async function look() {
  const answer = await fetch(page.dataset.clip, { headers: { Range: "bytes=0-0" }, credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) {
    const { error } = await answer.json().catch(() => ({}));
    const text = error ? `${error.message}. ${error.hint ?? ""}` : "The clip cannot be read now.";
    throw Object.assign(new Error(text), { status: answer.status });
  }
  await answer.body?.cancel();
  return {
    start: Date.parse(answer.headers.get("X-Clip-Start")),
    gaps: JSON.parse(answer.headers.get("X-Clip-Gaps") || "[]").length,
    whole: answer.headers.get("X-Clip-Complete") !== "0",
  };
}

function tell({ gaps, whole }) {
  const note = document.querySelector("#clip-note");
  note.textContent = "";
  if (!whole) note.textContent = "Still being recorded: the rest comes by itself.";
  else if (gaps) note.textContent = `The recording has ${gaps === 1 ? "a gap" : `${gaps} gaps`} in this clip.`;
}

async function startClip() {
  const note = document.querySelector("#clip-note");
  let found = { start: NaN, gaps: 0, whole: true };
  try {
    found = await look();
    tell(found);
  } catch (error) {
    if (error.status) {
      note.textContent = error.message;
      if (error.status === 404) clip.replaceWith(document.querySelector(".still-large img")?.cloneNode() ?? clip);
      return;
    }
    console.warn(error);
  }
  clip.src = page.dataset.clip;
  clip.addEventListener("error", () => { note.textContent = "This browser cannot play the clip. Save it and use a player, or set the camera to H.264."; });
  clip.addEventListener("loadedmetadata", () => mark(Number.isFinite(found.start) ? found.start : started - 5000), { once: true });
  if (!found.whole) setTimeout(takeRest, MORE_MS);
}

/** Once all is recorded it is loaded again, and goes on where it was. */
async function takeRest() {
  const found = await look().catch(() => null); // the connection has its own banner
  if (!found?.whole) { setTimeout(takeRest, MORE_MS); return; }
  const { currentTime, paused } = clip;
  clip.addEventListener("loadedmetadata", () => {
    clip.currentTime = currentTime;
    if (!paused) clip.play().catch(() => undefined);
  }, { once: true });
  clip.load();
  tell(found);
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
  const place = () => { bar.querySelector(".mark").style.left = `${Math.max(0, Math.min(100, (100 * moment) / clip.duration))}%`; };
  bar.hidden = false;
  bar.dataset.moment = moment.toFixed(3);
  place();
  clip.addEventListener("durationchange", place);
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
