// How sure the model is, by camera: asked again while one looks.

import { get } from "./api.js";
import { sentence } from "./forms.js";
import { drawn, element, icon } from "./nodes.js";
import { moment } from "./time.js";
import { cameraName } from "./words.js";

const AGAIN_MS = 30_000;
const WIDTH = 120;
const HEIGHT = 36;
const LEAST_SPAN = 0.2; // of the scale, so that noise does not look like a mountain range
const STATES = {
  ok: ["ok", "check", "As usual"],
  learning: ["off", "info", "Learning"],
  silent: ["off", "info", "Nothing seen"],
  unjudged: ["off", "info", "Not judged"],
  low: ["degraded", "warning", "Less sure"],
  drop: ["degraded", "warning", "Less sure"],
};
const ABOUT = {
  learning: "usual is known after three days",
  silent: "no object in 24 hours",
  unjudged: "this detector gives no score",
};

function mark({ state, alarm }) {
  const [status, sign, word] = STATES[alarm ? "drop" : state] ?? STATES.learning;
  const made = element("span", "check-mark", icon(sign), word);
  made.dataset.status = status;
  return made;
}

function spark({ trend, usual, level }) {
  const known = [...trend, usual].filter((value) => value !== null);
  if (trend.filter((value) => value !== null).length < 2) return element("span", "fine", "");
  const middle = (Math.min(...known) + Math.max(...known)) / 2;
  const span = Math.max(LEAST_SPAN, (Math.max(...known) - Math.min(...known)) * 1.2);
  const y = (value) => (HEIGHT - (HEIGHT * (value - middle + span / 2)) / span).toFixed(1);
  const x = (n) => ((WIDTH * n) / (trend.length - 1)).toFixed(1);
  const parts = [];
  if (usual !== null) parts.push(drawn("line", { x1: 0, x2: WIDTH, y1: y(usual), y2: y(usual) }));
  // A day without boxes is a hole in the line, not a zero.
  let run = [];
  const end = () => { if (run.length > 1) parts.push(drawn("polyline", { points: run.join(" ") })); run = []; };
  trend.forEach((value, n) => { if (value === null) end(); else run.push(`${x(n)},${y(value)}`); });
  end();
  if (level !== null && trend.at(-1) !== null) parts.push(drawn("circle", { cx: WIDTH, cy: y(trend.at(-1)), r: 3 }));
  const said = trend.map((value) => (value === null ? "none" : value.toFixed(2))).join(", ");
  return drawn("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Mean score of the last seven days: ${said}` }, ...parts);
}

function score({ state, level, usual }) {
  if (level === null) return element("span", "score fine", ABOUT[state] ?? "");
  const beside = usual === null ? ABOUT[state] ?? "" : `usual ${usual.toFixed(2)}`;
  return element("span", "score", element("strong", "", level.toFixed(2)), element("span", "fine", beside));
}

function classes(found) {
  const names = Object.entries(found).slice(0, 3).map(([name, count]) => `${name} ${count.toLocaleString("en")}`);
  const more = Object.keys(found).length - names.length;
  return names.length ? `${names.join(", ")}${more > 0 ? `, ${more} more` : ""}` : "";
}

function row(found) {
  const about = element("span", "", element("strong", "", cameraName(found.camera_id)));
  if (found.alarm) about.append(element("br", ""), element("span", "fine bad", `${sentence(found.alarm.detail)} (since ${moment(Date.parse(found.alarm.since))})`));
  const time = found.inference_ms === null ? "" : `${found.inference_ms.toFixed(1)} ms a look, at most ${found.inference_ms_max.toFixed(1)}`;
  about.className = "wide";
  return element("li", "", about, mark(found), spark(found), score(found),
    element("span", "fine wide", classes(found.classes), classes(found.classes) && time ? element("br", "") : "", time));
}

const grave = ({ alarm, state }) => (alarm ? 0 : state === "low" || state === "drop" ? 1 : 2);

/** Fills `list` and keeps it fresh. */
export async function startHealth(list) {
  const alone = (text) => element("li", "alone", element("span", "fine", text));
  let seen = "";
  const look = async () => {
    try {
      const { cameras } = await get("/models/health");
      seen = "";
      list.replaceChildren(...cameras.sort((a, b) => grave(a) - grave(b)).map(row));
      if (!cameras.length) list.append(alone("No camera has been judged yet: the first verdict comes five minutes after analysis began."));
    } catch (error) {
      if (!seen) list.prepend(alone(`This cannot be read just now: ${error.message}`));
      seen = error.message;
      if (list.children.length === 2 && list.children[1].querySelector(".fine")?.textContent === "Loading…") list.children[1].remove();
    }
    setTimeout(look, AGAIN_MS);
  };
  await look();
}
