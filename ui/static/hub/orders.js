// Ordering a box, and waiting for its answer: the box fetches the order, does it, and tells.

import { get, post } from "../api.js";

const LOOK_MS = 1500;

export async function order(boxId, kind, body = {}) {
  const { command } = await post(`/boxes/${boxId}/commands`, { kind, body });
  return command.id;
}

/** The command with its answer; null where none came in time. */
export async function answered(boxId, id, patienceMs) {
  const until = performance.now() + patienceMs;
  while (performance.now() < until) {
    await new Promise((done) => { setTimeout(done, LOOK_MS); });
    const { commands } = await get(`/boxes/${boxId}/commands`);
    const found = commands.find((command) => command.id === id);
    if (found && found.state !== "waiting") return found;
  }
  return null;
}
