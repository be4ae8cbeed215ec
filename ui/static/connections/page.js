// Connections: what is sent where, the hub, the tunnel; asked again while one looks.

import { Refusal } from "../api.js";
import { full } from "../forms.js";
import { element } from "../nodes.js";
import { boxNow, moment } from "../time.js";
import { hub } from "./hub.js";
import { targets } from "./targets.js";
import { tunnel } from "./tunnel.js";

const AGAIN_MS = 4000;
const page = document.querySelector("#connections");
const stale = document.querySelector("#stale");
const parts = [targets, hub, tunnel].map((part) => ({ ...part, seenMs: 0 }));
let timer = 0;

const words = (error) => [error.message, error instanceof Refusal ? error.hint : ""].filter(Boolean).map(full).join(" ");

async function lookAt(part) {
  try {
    part.show(await part.load());
    part.seenMs = boxNow();
    return null;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (!part.seenMs) {
      const line = element("p", "fine", `This cannot be read just now: ${words(error)}`);
      part.home.replaceChildren(part.home.matches("ul") ? element("li", "alone", line) : line);
    }
    return error;
  }
}

export async function look() {
  clearTimeout(timer);
  const errors = await Promise.all(parts.map(lookAt));
  const at = errors.findIndex((error, n) => error && parts[n].seenMs);
  stale.hidden = at < 0;
  page.classList.toggle("is-old", at >= 0);
  if (at >= 0) stale.textContent = `What you see is of ${moment(parts[at].seenMs)}. ${words(errors[at])}`;
  timer = setTimeout(look, AGAIN_MS);
}

page.addEventListener("changed", look); // said by a part that has changed something
look();
