// What a camera's analysis does not look at. Masks are a part of the camera, and have no names: which one is
// meant is said by its corners, since somebody else may have drawn or deleted one meanwhile.

import { get, put } from "./api.js";
import { twice } from "./twice.js";

const same = (mask, other) => JSON.stringify(mask) === JSON.stringify(other);

/** `change(masks)` → the masks that the camera is to have, of those that it has now. */
async function keepMasks(cameraId, change) {
  const { camera } = await get(`/cameras/${cameraId}`);
  await put(`/cameras/${cameraId}`, { ...camera, detect: { ...camera.detect, masks: change(camera.detect.masks) } });
}

export const addMask = (cameraId, mask) => keepMasks(cameraId, (known) => [...known, mask]);

export const changeMask = (cameraId, before, mask) => keepMasks(cameraId, (known) => {
  if (!known.some((one) => same(one, before))) throw new Error("Somebody changed this mask meanwhile. Reload the page, and look again.");
  return known.map((one) => (same(one, before) ? mask : one));
});

/** The list beside the picture; `redraw(chosen)` shows which is which, `change(number)` begins to change one. */
export function startMasks(cameraId, masks, redraw, change) {
  for (const item of document.querySelectorAll("#mask-list [data-mask]")) {
    const number = Number(item.dataset.mask);
    item.addEventListener("pointerenter", () => redraw(`mask-${number}`));
    item.addEventListener("pointerleave", () => redraw());
    item.querySelector("[data-change-mask]")?.addEventListener("click", () => change(number));
    const button = item.querySelector("[data-delete-mask]");
    if (!button) continue;
    button.addEventListener("focus", () => redraw(`mask-${number}`));
    twice(button, () => keepMasks(cameraId, (known) => known.filter((mask) => !same(mask, masks[number]))));
  }
}
