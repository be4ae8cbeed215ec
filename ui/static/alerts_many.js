// Many alerts at once: after a night of wind, one decision for sixty of them.

import { show } from "./alerts.js";
import { post } from "./api.js";
import { complain, toast } from "./shell.js";

const bar = document.querySelector("#many");
const list = document.querySelector("#list");
const $ = (selector) => bar.querySelector(selector);
const boxes = () => [...list.querySelectorAll("[data-choose]")];
const chosen = () => boxes().filter((box) => box.checked).map((box) => box.closest("[data-alert-id]"));
const isNew = (row) => row.dataset.status === "new";
const KEPT = "alerts-chosen"; // over the reload that shows new ones, and no other
const gone = () => list.querySelectorAll('[data-alert-id][data-status="resolved"]').length;

if (bar) start();

function start() {
  const { total, of } = $("#chosen").dataset;
  const before = gone();
  const count = () => {
    if (bar.dataset.busy) return;
    const rows = chosen();
    const left = of === "open" ? total - (gone() - before) : total;
    $("#chosen").textContent = rows.length ? `${rows.length} chosen` : `${left} ${of}`;
    $(".with-chosen").hidden = !rows.length;
    $("#many-acknowledge").disabled = !rows.some(isNew);
    $("#choose-all").checked = rows.length > 0 && rows.length === boxes().length;
    $("#choose-all").indeterminate = rows.length > 0 && rows.length < boxes().length;
    $("#choose-all").disabled = !boxes().length;
    unsure();
  };
  list.addEventListener("change", count);
  list.addEventListener("decided", count); // here or elsewhere
  $("#choose-all").addEventListener("change", ({ target }) => {
    for (const box of boxes()) box.checked = target.checked;
    count();
  });
  $("#many-resolution").addEventListener("change", unsure);
  document.querySelector("#newer a").addEventListener("click", () => {
    sessionStorage.setItem(KEPT, JSON.stringify(chosen().map((row) => row.dataset.alertId)));
  });
  const kept = new Set(JSON.parse(sessionStorage.getItem(KEPT) ?? "[]"));
  sessionStorage.removeItem(KEPT);
  for (const box of boxes()) box.checked ||= kept.has(box.closest("[data-alert-id]").dataset.alertId);
  $("#many-acknowledge").addEventListener("click", () => each(chosen().filter(isNew), "Acknowledged", (id) => post(`/alerts/${id}/ack`, {})).then(count));
  $("#many-resolve").addEventListener("click", ({ currentTarget: button }) => {
    const select = $("#many-resolution");
    const rows = chosen();
    if (!button.dataset.sure) { // it cannot be taken back
      button.dataset.sure = "1";
      button.textContent = `Really resolve ${rows.length}?`;
      return;
    }
    each(rows, "Resolved", (id) => post(`/alerts/${id}/resolve`, { resolution: select.value })).then(count);
  });
  count();
}

function unsure() {
  const button = $("#many-resolve");
  delete button.dataset.sure;
  button.textContent = "Resolve";
}

/** One after the other, so that the box can breathe; what somebody else decided meanwhile stays as they said. */
async function each(rows, done, work) {
  const buttons = bar.querySelectorAll("button, select, input");
  bar.dataset.busy = "1";
  for (const one of buttons) one.disabled = true;
  let [mine, others] = [0, 0];
  try {
    for (const row of rows) {
      const id = row.dataset.alertId;
      $("#chosen").textContent = `${mine + others + 1} of ${rows.length}`;
      try {
        show((await work(id)).alert);
        mine += 1;
      } catch (error) {
        if (error.status !== 409) throw error;
        others += 1; // the journal brings what they decided
      }
      const box = row.querySelector("[data-choose]");
      if (box) box.checked = false;
    }
  } catch (error) { complain(error); }
  delete bar.dataset.busy;
  for (const one of buttons) one.disabled = false;
  $("#choose-all").focus(); // what was pressed may be gone
  const many = (count) => (count === 1 ? "one alert" : `${count} alerts`);
  if (mine) toast(`${done} ${many(mine)}`, "info", others ? `Somebody else decided ${many(others)} meanwhile.` : "");
  else if (others) toast("Somebody was faster", "info", `All ${rows.length} were decided meanwhile.`);
}
