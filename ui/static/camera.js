// One camera: its main stream, its state, and its day on a timeline from which recordings play.

import { get } from "./api.js";
import { journal } from "./journal.js";
import { news } from "./live/news.js";
import { LivePicture } from "./live/picture.js";
import { moment } from "./time.js";
import { Timeline } from "./timeline.js";
import { STATES, analysing } from "./words.js";

const PIECE_MS = 10 * 60_000; // footage asked for at a time; the next piece follows by itself
const page = document.querySelector("#camera");
const id = page.dataset.camera;
const host = document.querySelector("#live");
const replay = document.querySelector("#replay");
const corner = document.querySelector("#corner");

let status = { state: page.dataset.state, since: page.dataset.since, last_packet_at: page.dataset.last };
let picture = null;
let playing = null; // {start: ms of the piece's first frame, end: ms asked for} while recordings play

function showNews() {
  const [title, text] = news(picture, host.dataset.picture, status);
  host.querySelector(".over-title").textContent = title;
  host.querySelector(".over-text").textContent = text;
}

function showStatus() {
  const mark = document.querySelector(".page-head .state");
  mark.dataset.state = status.state;
  mark.querySelector("span").textContent = STATES[status.state] ?? status.state;
  const fact = (name, text) => { document.querySelector(`#fact-${name}`).textContent = text; };
  fact("state", `${STATES[status.state] ?? status.state} since ${moment(Date.parse(status.since))}`);
  if (status.width) fact("picture", `${status.width} × ${status.height}, ${(status.codec ?? "").toUpperCase()}`);
  if (status.fps) fact("rate", `${status.fps.toFixed(1)} fps${status.bitrate_bps ? `, ${(status.bitrate_bps / 1e6).toFixed(1)} Mbit/s` : ""}`);
  fact("reconnects", String(status.reconnects ?? 0));
  fact("error", status.last_error || "none");
  showNews();
}

async function poll() {
  try {
    status = (await get(`/cameras/${id}`)).camera.status;
    showStatus();
    const { detector } = await get("/system/status");
    const figures = detector?.cameras?.find(({ camera_id }) => camera_id === id);
    document.querySelector("#fact-analysis").textContent = figures ? analysing(figures) : "off";
  } catch { /* the banner says that there is no connection */ }
}

function live() {
  playing = null;
  replay.pause();
  replay.removeAttribute("src");
  replay.hidden = true;
  host.hidden = false;
  document.querySelector("#to-live").hidden = true;
  document.querySelector("#keep").hidden = true;
  timeline.playhead(null);
  if (!picture && status.state !== "disabled") {
    picture = new LivePicture(host, id, "main");
    picture.open();
  } else if (!picture) {
    host.dataset.picture = "waiting";
    showNews();
  }
}

const clip = (from, to) => `/api/v1/cameras/${id}/clip.mp4?start_time=${new Date(from).toISOString()}&end_time=${new Date(to).toISOString()}`;

/** A file of what plays now, from the moment on the screen: what somebody saw and no event speaks of. */
function save() {
  if (!playing) return;
  const from = playing.start + replay.currentTime * 1000;
  const to = Math.min(from + Number(document.querySelector("#keep-length").value) * 1000, timeline.recordedEnd);
  const link = Object.assign(document.createElement("a"), { href: clip(from, to), download: "" });
  link.click();
}

async function play(ms) {
  const end = Math.min(ms + PIECE_MS, timeline.recordedEnd);
  if (end - ms < 200) { live(); return; }
  const path = clip(ms, end);
  const answer = await fetch(path, { headers: { Range: "bytes=0-0" }, credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok) {
    const error = (await answer?.json().catch(() => null))?.error;
    timeline.say(error ? [error.message, error.hint].filter(Boolean).join(". ") : "The recording cannot be read now.");
    return;
  }
  await answer.body?.cancel();
  playing = { start: Date.parse(answer.headers.get("X-Clip-Start")) || ms, end };
  picture?.close();
  picture?.player?.element.remove();
  picture = null;
  host.hidden = true;
  replay.hidden = false;
  replay.src = path;
  document.querySelector("#to-live").hidden = false;
  document.querySelector("#keep").hidden = false;
  replay.addEventListener("loadedmetadata", () => {
    replay.currentTime = Math.max(0, (ms - playing.start) / 1000);
    replay.play().catch(() => undefined);
  }, { once: true });
}

const timeline = new Timeline(id, { onPick: play });

replay.addEventListener("timeupdate", () => { if (playing) timeline.playhead(playing.start + replay.currentTime * 1000); });
replay.addEventListener("ended", () => { if (playing) play(playing.end); });
replay.addEventListener("error", () => { if (playing) timeline.say("This browser cannot play the recording; H.265 needs another one."); });
document.querySelector("#to-live").addEventListener("click", live);
document.querySelector("#save").addEventListener("click", save);
document.querySelector("#full").addEventListener("click", full);
host.addEventListener("picturestate", showNews);
host.addEventListener("dblclick", full);

function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.querySelector("#screen").requestFullscreen?.().catch(() => undefined);
}

addEventListener("keydown", (press) => {
  if (press.ctrlKey || press.metaKey || press.altKey || press.target.closest("input, textarea, select") || document.querySelector("dialog[open]")) return;
  if (press.key === "f") full();
  if (press.key === "Escape" && !document.fullscreenElement) document.querySelector(playing ? "#to-live" : "#back").click();
});
journal.addEventListener("camera", ({ detail: { data, camera_id: other } }) => {
  if ((data.id ?? data.camera_id ?? other) === id) poll();
});
setInterval(poll, 5000);
setInterval(() => {
  if (host.dataset.picture === "stale") showNews();
  const age = picture?.ageMs ?? null;
  const text = playing ? `Recording ${moment(playing.start + replay.currentTime * 1000)}`
    : age === null ? "" : host.dataset.picture === "live" ? `Live · ${(age / 1000).toFixed(1)} s` : "";
  if (corner.textContent !== text) corner.textContent = text;
  document.querySelector("#fact-age").textContent = age === null ? "–" : `${(age / 1000).toFixed(1)} s`;
}, 200);
addEventListener("pagehide", () => picture?.close());

live();
showStatus();
timeline.start().then(() => {
  const at = Date.parse(new URLSearchParams(location.search).get("at"));
  if (Number.isFinite(at)) timeline.goTo(at).then(() => play(at - 5000));
});
