// What a target refused: listed row by row, sent again or given up.

import { get, post, remove } from "../api.js";
import { apart } from "../forms.js";
import { element } from "../nodes.js";
import { complain, toast } from "../shell.js";
import { moment } from "../time.js";
import { cameraName } from "../words.js";
import { ONE, kindName } from "./figures.js";
import { children } from "./shown.js";
import { sure } from "./sure.js";

const AT_ONCE = 50;
const GONE = "It will not be sent any more; the target is told only that it was discarded. Recordings and events stay on this box.";
const count = (number) => number.toLocaleString("en");

/** A button that rests while it works, and complains where that fails. `about`: for those who only listen. */
export function button(text, about, work) {
  const found = element("button", "button", element("span", "", text), element("span", "hidden", ` ${about}`));
  found.type = "button";
  found.addEventListener("click", async () => {
    if (found.getAttribute("aria-busy")) return;
    found.setAttribute("aria-busy", "true");
    try { await work(); } catch (error) { complain(error); }
    found.removeAttribute("aria-busy");
  });
  return found;
}

/** @param {() => void} changed  said after something was sent again or given up */
export function parkedOf(id, isAdmin, changed) {
  const node = element("div", "wide parked");
  const said = element("ul", "reasons");
  const list = element("ul", "parked-rows");
  const more = element("div", "actions");
  const details = element("details", "more", element("summary", "", "Show them", element("span", "hidden", ` of ${id}`)), list, more);
  const again = button("Try all again", `of ${id}`, async () => {
    const { unparked } = await post(`/targets/${id}/unpark`);
    toast(`${count(unparked)} wait${unparked === 1 ? "s" : ""} again`);
    changed();
  });
  const discard = button("Discard all…", `of ${id}`, async () => {
    if (!(await sure("Discard all that the target refused?", GONE, "Discard all"))) return;
    await remove(`/targets/${id}/parked`);
    toast("Discarded");
    changed();
  });
  node.append(said);
  if (isAdmin) node.append(element("div", "actions", again, discard), details);
  details.addEventListener("toggle", () => { if (details.open) look(); });

  async function look(cursor = "") {
    try {
      const { parked, next_cursor: next } = await get(`/targets/${id}/parked?limit=${AT_ONCE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      const made = parked.map((row) => one(id, row, changed));
      if (cursor) list.append(...made);
      else children(list, parked, () => made);
      if (next) more.replaceChildren(button("Show more", `of ${id}`, () => look(next)));
      else more.replaceChildren();
    } catch (error) { complain(error); }
  }

  function fill({ parked, parked_reasons: reasons }) {
    node.hidden = !parked;
    children(said, [parked, reasons], () => { // made again without need, a button would lose its focus
      if (details.open && parked) look();
      const [one, they] = parked === 1 ? ["it", "it waits"] : ["them", "they wait"];
      const text = `${count(parked)} parked: the target refused ${one}, so ${they} for ${isAdmin ? "you" : "an admin"}.`;
      const why = reasons.map(({ reason, count: of }) => element("li", "", `${count(of)} × ${apart(reason || "no reason was given")}`));
      return [element("li", "", element("strong", "", text)), ...why];
    });
  }
  return { node, fill };
}

function one(id, { id: rowId, kind, created_at: created, camera_id: camera, event_id: event, reason, attempts, is_tombstone: isGone }, changed) {
  const name = [ONE[kind] ?? kindName(kind), camera && cameraName(camera), moment(Date.parse(created))].filter(Boolean).join(" · ");
  const title = element("strong", "", name);
  if (event) {
    const link = element("a", "", "look at it");
    link.href = `/events/${event}`;
    title.append(" · ", link);
  }
  const about = element("span", "fine", `${apart(reason || "no reason was given")} Tried ${attempts === 1 ? "once" : `${count(attempts)} times`}.`);
  const text = element("span", "grow", title, about);
  if (isGone) text.append(element("span", "fine", "Its content is discarded; what waits is the notice of that."));
  const row = element("li", "", text);
  const path = `/targets/${id}/parked/${rowId}`;
  const actions = element("div", "actions", button("Try again", name, async () => {
    await post(`${path}/unpark`);
    toast("It waits again");
    row.remove();
    changed();
  }));
  if (!isGone) {
    actions.append(button("Discard…", name, async () => {
      if (!(await sure("Discard it?", `${name}. ${GONE}`, "Discard it"))) return;
      await remove(path);
      toast("Discarded");
      row.remove();
      changed();
    }));
  }
  row.append(actions);
  return row;
}
