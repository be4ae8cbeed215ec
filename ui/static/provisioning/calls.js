// Calls to the wizard. A telephone in a cabinet loses its network: what is only looked at is tried again,
// and the page says so meanwhile; what acts is sent once, and refused where it cannot be sent.

import { Refusal } from "../api.js";

export { Refusal };

const strip = document.querySelector("#connection");
const PAUSE_MS = 1500;
const DOUBT_MS = 6_000; // what acts may take its time; by then it is asked whether anybody is there
const LOOK_MS = 15_000; // of what is only looked at: an address that went away answers nothing for minutes

function token() {
  const found = document.cookie.split("; ").find((part) => part.startsWith("wizard_csrf="));
  return found ? found.slice("wizard_csrf=".length) : "";
}

/** The raw answer, or a Refusal in the box's own words. */
async function send(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = token();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  const doubt = method === "GET" ? 0 : setTimeout(watch, DOUBT_MS);
  try {
    const signal = method === "GET" ? AbortSignal.timeout(LOOK_MS) : undefined;
    answer = await fetch(path, { method, headers, signal, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    if (method !== "GET") watch();
    throw new Refusal(0, { message: "The box does not answer.", hint: "Stay near it, in its network; then try again." });
  } finally {
    clearTimeout(doubt);
  }
  if (answer.ok) return answer;
  let parsed = {};
  try { parsed = await answer.json(); } catch { /* not ours: the status is all there is to say */ }
  if (answer.status === 401) location.assign("/");
  throw new Refusal(answer.status, parsed.error ?? {}, Number(answer.headers.get("Retry-After")) || 0);
}

/** Says that the box is gone until it is back. */
async function watch() {
  if (!strip?.hidden) return;
  await get("/api/steps").catch(() => {}); // what it refuses is an answer, too
  strip.hidden = true;
}

/** Sent once. */
export async function post(path, body = {}) {
  const answer = await send("POST", path, body);
  return (await answer.text().then((text) => (text ? JSON.parse(text) : null)));
}

/** Pictures: an address for <img>, to be given back with URL.revokeObjectURL. */
export async function picture(path, body = {}) {
  const answer = await send("POST", path, body);
  return URL.createObjectURL(await answer.blob());
}

/** Looked at until the box answers; `onLost` is told that it does not. */
export async function get(path, { patient = true } = {}) {
  for (;;) {
    try {
      const answer = await send("GET", path);
      const parsed = await answer.json();
      if (strip) strip.hidden = true;
      return parsed;
    } catch (error) {
      if (error.status !== 0 || !patient) throw error;
      if (strip) strip.hidden = false;
      await pause(PAUSE_MS);
    }
  }
}

export const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
