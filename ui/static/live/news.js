// What stands over a picture that is not alive: since when, and whose fault it is as far as we know.

import { journal } from "../journal.js";
import { moment } from "../time.js";
import { STATES } from "../words.js";

const DEAD = new Set(["offline", "auth_failed"]);

export const isDead = (state) => DEAD.has(state);

/**
 * @param {import("./picture.js").LivePicture|null} picture
 * @param {string} kind  the host's data-picture: waiting, live, stale or unplayable
 * @param {{state:string, since:string, last_packet_at:string|null}} status  as the API has it
 * @returns {[string, string]} title and text; empty for a living picture
 */
export function news(picture, kind, status) {
  if (status.state === "disabled") return ["Switched off", "It can be switched on in the settings"];
  if (kind === "unplayable") return ["Cannot be shown here", picture.reason];
  if (kind === "waiting") return DEAD.has(status.state) ? ["No picture yet", dead(status)] : ["Connecting…", ""];
  if (kind !== "stale") return ["", ""];
  const seen = picture?.frames ? picture.lastFrameTime : Date.parse(status.last_packet_at) || null;
  return [seen ? `No picture since ${moment(seen)}` : "No picture yet", why(picture, status)];
}

const dead = ({ state, since }) => `${STATES[state]} since ${moment(Date.parse(since))}`;

function why(picture, { state, since }) {
  if (!picture?.feed.connected || journal.connected === false) return "No connection to the box";
  if (DEAD.has(state)) return dead({ state, since });
  if (state === "connecting") return "The box is connecting to the camera";
  // The box says within seconds when a camera falls silent: what it records and we do not see is the way here.
  if (state === "recording" || state === "live") return "The box had it when last heard; this connection brings too little of it, or nothing";
  return "The camera sends nothing";
}
