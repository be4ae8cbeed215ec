// What a camera's analysis does not look at. Masks are a part of the camera, and have no names.

import { get, put } from "./api.js";
import { complain } from "./shell.js";

/** `change(masks)` → the masks that the camera is to have, of those that it has now. */
export async function keepMasks(cameraId, change) {
  const { camera } = await get(`/cameras/${cameraId}`);
  await put(`/cameras/${cameraId}`, { ...camera, detect: { ...camera.detect, masks: change(camera.detect.masks) } });
}

/** The list beside the picture; `redraw(chosen)` shows which is which. */
export function startMasks(cameraId, redraw) {
  for (const item of document.querySelectorAll("#mask-list [data-mask]")) {
    const number = Number(item.dataset.mask);
    item.addEventListener("pointerenter", () => redraw(`mask-${number}`));
    item.addEventListener("pointerleave", () => redraw());
    const button = item.querySelector("button");
    button?.addEventListener("focus", () => redraw(`mask-${number}`));
    button?.addEventListener("click", async () => {
      if (!button.dataset.sure) {
        button.dataset.sure = "1";
        button.textContent = "Really delete?";
        button.addEventListener("blur", () => location.reload(), { once: true });
        return;
      }
      const drawn = JSON.stringify(JSON.parse(document.querySelector("#zones").dataset.masks)[number]);
      try { // by its corners: somebody else may have drawn or deleted one meanwhile
        await keepMasks(cameraId, (known) => known.filter((mask) => JSON.stringify(mask) !== drawn));
        location.reload();
      } catch (error) { complain(error); }
    });
  }
}
