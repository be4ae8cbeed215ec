// A box's own screen: asked for, awaited, shown with its certificate's fingerprint, closed.

import { get, post, remove } from "../api.js";
import { onSend } from "../forms.js";
import { element } from "../nodes.js";
import { complain } from "../toasts.js";
import { refresh } from "./live.js";

const dialog = document.querySelector("#screen-dialog");
const LOOK_MS = 1_000;

if (dialog) {
  const path = `/boxes/${document.querySelector("#box").dataset.boxId}/screen`;
  const form = dialog.querySelector("form");
  const place = dialog.querySelector("#screen-answer");
  const say = (...content) => place.replaceChildren(...content);
  const asking = () => { form.hidden = false; say(); };
  let timer = 0;

  function shown(screen) {
    const link = element("a", "button primary", "Go to the screen");
    Object.assign(link, { href: screen.url, target: "_blank", rel: "noopener noreferrer" });
    const until = element("time", "", new Date(screen.until).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false }));
    const end = element("button", "button", "Close the screen");
    end.type = "button";
    end.addEventListener("click", async () => {
      try { await remove(path); } catch (error) { if (error.status !== 404) { complain(error); return; } }
      asking();
      await refresh();
    });
    say(
      element("p", "", "Open until ", until, ", for ", screen.only_from, " alone."),
      element("p", "actions", link, end),
      element("p", "fine", "The browser will not know the box's certificate. Go on only if it shows this fingerprint (SHA-256):"),
      element("p", "mono breaks", screen.fingerprint),
    );
  }

  /** What is so now, and again in a second while the box is awaited or the screen may end. */
  async function look() {
    clearTimeout(timer);
    let screen = null;
    try {
      ({ screen } = await get(path));
    } catch (error) {
      say(element("p", "bad", error.message));
      timer = setTimeout(look, 5 * LOOK_MS);
      return;
    }
    if (!dialog.open) return;
    form.hidden = screen !== null && screen.state !== "refused";
    if (!screen) {
      if (place.dataset.was) say(element("p", "fine", "The screen is closed."));
      delete place.dataset.was;
      return;
    }
    if (screen.state === "refused") { say(element("p", "bad", screen.message)); delete place.dataset.was; return; }
    if (screen.state === "open" && place.dataset.was !== "open") shown(screen);
    if (screen.state === "waiting") say(element("p", "fine", "Asked the box; it comes as soon as it has fetched the order."));
    place.dataset.was = screen.state;
    timer = setTimeout(look, screen.state === "open" ? 5 * LOOK_MS : LOOK_MS);
  }

  onSend(form, async (fields) => {
    await post(path, { minutes: Number(fields.get("minutes")) });
    delete place.dataset.was;
    await look();
  });
  new MutationObserver(() => { if (dialog.open) { delete place.dataset.was; look(); } else clearTimeout(timer); })
    .observe(dialog, { attributes: true, attributeFilter: ["open"] });
}
