// The list of alerts: acknowledging in place, and news of changes made elsewhere.

import { journal } from "./journal.js";
import { acknowledge } from "./shell.js";

const rowOf = (id) => document.querySelector(`[data-alert-id="${CSS.escape(id)}"]`);

for (const button of document.querySelectorAll("[data-acknowledge]")) {
  button.addEventListener("click", async () => {
    button.setAttribute("aria-busy", "true");
    const row = button.closest("[data-alert-id]");
    const alert = await acknowledge(row.dataset.alertId, undefined, row.querySelector(".title").textContent.trim());
    button.removeAttribute("aria-busy");
    if (alert) show(alert);
  });
}

export function show(alert) {
  const row = rowOf(alert.id);
  row.dataset.status = alert.status;
  const tag = row.querySelector("[data-alert-status]");
  tag.dataset.alertStatus = alert.status;
  tag.textContent = { new: "New", acknowledged: "Acknowledged", resolved: "Resolved" }[alert.status];
  if (alert.status !== "new") row.querySelector("[data-acknowledge]")?.remove();
  if (alert.status === "resolved") for (const gone of row.querySelectorAll(".decide, .choose")) gone.remove();
  document.querySelector("#list").dispatchEvent(new Event("decided"));
}

journal.addEventListener("alert", ({ detail }) => {
  if (rowOf(detail.data.id)) show(detail.data);
  else document.querySelector("#newer").hidden = false;
});

for (const image of document.querySelectorAll(".still img")) {
  image.addEventListener("error", () => image.remove(), { once: true });
}
