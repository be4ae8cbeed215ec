// The hub's invitation: scanned, taken from a stick, pasted, or typed.

import { scan, scans } from "../connections/scan.js";
import { complain } from "../toasts.js";

export async function start(step) {
  const { root, found } = step;
  const $ = (selector) => root.querySelector(selector);
  const text = (name) => root.elements.namedItem(name).value.trim();
  if (found.hub.url) {
    const host = new URL(found.hub.url).host;
    const tunnel = found.tunnel.is_configured ? ` Its tunnel is ${found.tunnel.state === "up" ? "up" : `not up: ${found.tunnel.state}`}.` : "";
    $("#there").hidden = false;
    $("#there").textContent = `This box belongs to ${host}.${tunnel} Nothing more is to be done here.`;
    $("#ways").hidden = true;
  }
  $("#scan").hidden = !scans();
  $("#stick").hidden = !found.stick;
  const take = (invitation) => { if (invitation) root.elements.namedItem("invitation").value = invitation; };
  $("#scan").addEventListener("click", async () => { try { take(await scan()); } catch (error) { complain(error); } });
  $("#stick").addEventListener("click", async () => { try { take((await step.ask("stick")).invitation); } catch (error) { complain(error); } });
  return () => ({ invitation: text("invitation"), url: text("url"), code: text("code"), sha256: text("sha256") });
}
