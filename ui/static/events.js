// The list of events: says when newer ones have come, and lets arrow keys walk it.

import { journal } from "./journal.js";

const list = document.querySelector("#list");
const rows = () => [...list.querySelectorAll("a.event")];

journal.addEventListener("event", ({ detail }) => {
  if (list?.querySelector(`[data-event-id="${CSS.escape(detail.data.id)}"]`)) return;
  // The list under a reader's eyes does not move: they say when.
  document.querySelector("#newer").hidden = false;
});

list?.addEventListener("keydown", (press) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[press.key];
  const at = rows().indexOf(document.activeElement);
  if (!step || at < 0) return;
  press.preventDefault();
  rows()[at + step]?.focus();
});

for (const select of document.querySelectorAll(".filters select, .filters input")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
document.querySelector(".filters").addEventListener("submit", ({ target }) => {
  // Empty fields would only make the address long.
  for (const field of target.elements) if (field.name && !field.value) field.disabled = true;
});
addEventListener("pageshow", () => { for (const field of document.querySelectorAll(".filters [name]")) field.disabled = false; });

for (const image of document.querySelectorAll(".still img")) {
  image.addEventListener("error", () => image.remove(), { once: true });
}
