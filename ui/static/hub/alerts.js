// Alerts: an acknowledgement is a wish until the box has said so; the page shows how far it is.

import { post } from "../api.js";
import { complain, toast } from "../toasts.js";
import { refresh } from "./live.js";

document.querySelector("main").addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-acknowledge]");
  if (!button || button.getAttribute("aria-busy")) return;
  const { box, alert } = button.closest("[data-alert]").dataset;
  button.setAttribute("aria-busy", "true");
  try {
    await post(`/alerts/${box}/${alert}/ack`);
    toast("Acknowledged here", "info", "The box is being told.");
  } catch (error) {
    if (error.status === 409) toast("Somebody was faster", "info", error.message); else complain(error);
  }
  button.removeAttribute("aria-busy");
  await refresh();
});
