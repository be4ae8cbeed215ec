// A hub's QR code, read with the camera of the telephone that one holds, where its browser can.

const LOOK_MS = 150;

export const scans = () => "BarcodeDetector" in window && Boolean(navigator.mediaDevices?.getUserMedia);

/** The text of the first QR code that is seen, or null where the person stopped. Raises where there is no
 * camera, or the person does not want it used. */
export async function scan() {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const dialog = document.querySelector("#scanner");
  const video = document.querySelector("#scanner-video");
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  video.srcObject = stream;
  document.querySelector("#scanner-stop").onclick = () => dialog.close();
  dialog.showModal();
  try {
    await video.play();
    while (dialog.open) {
      const [found] = await detector.detect(video);
      if (found) return found.rawValue;
      await new Promise((done) => { setTimeout(done, LOOK_MS); });
    }
    return null;
  } finally {
    dialog.close();
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}
