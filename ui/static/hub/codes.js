// Codes of enrolment: made once, shown once: as text, as a QR code, as a command.

import { post, remove } from "../api.js";
import { onSend } from "../forms.js";
import { moment } from "../time.js";
import { complain, toast } from "../toasts.js";
import { refresh } from "./live.js";

const $ = (selector) => document.querySelector(selector);

onSend($("#code-form"), async (fields) => {
  const url = fields.get("url").trim();
  const sha256 = fields.get("sha256").trim();
  const { code } = await post("/codes", { name: fields.get("name").trim(), site_id: fields.get("site_id") || null, hours: Number(fields.get("hours")) });
  const { invitation } = await post("/invitations", { url, code: code.text, sha256 });
  $("#code-text").textContent = code.text;
  $("#code-expires").textContent = `Good once, until ${moment(Date.parse(code.expires_at))}${code.name ? `, for ${code.name}` : ""}.`;
  $("#code-qr").src = `data:image/svg+xml,${encodeURIComponent(invitation.svg)}`;
  $("#code-command").textContent = invitation.command;
  $("#code-invitation").textContent = invitation.text;
  $("#made").hidden = false;
  $("#made").scrollIntoView({ block: "nearest" });
  await refresh();
});

for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copies);
    try { await navigator.clipboard.writeText(from.textContent); toast("Copied"); } catch {
      getSelection().selectAllChildren(from); // without HTTPS there is no clipboard for scripts
      toast("Selected", "info", "Press Ctrl+C to copy it.");
    }
  });
}

$("#codes").parentElement.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-revoke]");
  if (!button) return;
  try { await remove(`/codes/${button.dataset.revoke}`); await refresh(); } catch (error) { complain(error); }
});
