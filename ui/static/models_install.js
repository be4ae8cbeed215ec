// Installing a model: a known one by its name, or what lies on this computer. The box goes on by itself.

import { post, send } from "./api.js";
import { full, onSend } from "./forms.js";
import { complain } from "./shell.js";
import { boxNow, moment } from "./time.js";

const TOLD_MS = 3_600_000; // how long the end of the last one is worth a line
const box = document.querySelector("#installing");
const meter = box.querySelector(".meter");
const CAME = "model-came"; // over the reload that shows its row, and no other
let last = null;
let askedHere = false;

const stopped = (text) => text.replace(/[^.!?…]$/, "$&.");
export const isInstalling = (now) => ["receiving", "running"].includes(now?.phase);

/** A row is the server's to write. Who asked for it stands at it afterwards. */
export function rowsAnew(name) {
  if (askedHere) sessionStorage.setItem(CAME, name);
  location.reload();
}

export function focusNew() {
  const name = sessionStorage.getItem(CAME);
  sessionStorage.removeItem(CAME);
  if (name) document.querySelector(`[data-model="${CSS.escape(name)}"] button`)?.focus();
}

/** `now`: of GET /models. Rows are the server's to write: a new model brings the page anew. */
export function showInstalling(now) {
  const ended = last && isInstalling(last) && now?.phase === "done";
  last = now;
  if (ended && !document.querySelector("dialog[open]")) { rowsAnew(now.name); return; }
  const old = now && !isInstalling(now) && boxNow() - Date.parse(now.since) > TOLD_MS;
  box.hidden = !now || old;
  if (box.hidden) return;
  const share = now.total_bytes ? Math.min(1, now.done_bytes / now.total_bytes) : 0;
  const percent = share ? `: ${Math.floor(100 * share)} %` : "";
  const text = {
    receiving: () => `${now.name} is on its way to the box${percent}.`,
    running: () => `${now.name} is being installed${percent}. You may leave this page.`,
    done: () => `${now.name} was installed at ${moment(Date.parse(now.since))}.`,
    failed: () => `${now.name} was not installed: ${stopped(now.reason)} ${full(now.hint)}`, // it may begin with a file's name
  }[now.phase]();
  const words = box.querySelector("p");
  if (words.textContent !== text) words.textContent = text;
  box.dataset.kind = now.phase === "failed" ? "bad" : now.phase === "done" ? "good" : "";
  meter.hidden = !isInstalling(now);
  meter.firstElementChild.style.width = `${100 * share}%`;
  meter.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  for (const button of document.querySelectorAll("[data-install], #install-file [type=submit]")) button.disabled = isInstalling(now);
}

/** `look()`: asks the box how things are. */
export function startInstalling(look) {
  for (const button of document.querySelectorAll("[data-install]")) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const { installing } = await post(`/models/${encodeURIComponent(button.dataset.install)}/install`);
        askedHere = true;
        showInstalling(installing);
      } catch (error) {
        button.disabled = false;
        complain(error);
      }
      look();
    });
    button.disabled = false;
  }
  const form = document.querySelector("#install-file");
  if (!form) return;
  onSend(form, async (fields) => {
    const file = fields.get("file");
    const about = { phase: "receiving", name: file.name, since: new Date(boxNow()).toISOString(), total_bytes: file.size };
    const path = `/models?name=${encodeURIComponent(file.name)}&accept_licence=${fields.has("accept")}`;
    try {
      const { installing } = await send(path, file, (share) => showInstalling({ ...about, done_bytes: share * file.size }));
      form.reset();
      askedHere = true;
      showInstalling(installing);
    } catch (error) {
      showInstalling(null);
      throw error;
    } finally {
      look();
    }
  });
}
