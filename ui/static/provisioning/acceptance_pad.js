// A field to sign in: strokes as points in 0..1, which is what is kept; the canvas only shows them.

const MOST_POINTS = 8000;
const LEAST_STEP = 0.002; // closer points say nothing that is seen

/** @returns {{strokes: () => number[][][], wipe: () => void}} */
export function signaturePad(canvas, onChange) {
  const ink = canvas.getContext("2d");
  let strokes = [];
  let now = null;
  let count = 0;

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const share = (value, size) => Math.round(Math.min(1, Math.max(0, value / size)) * 10000) / 10000;
    return [share(event.clientX - box.left, box.width), share(event.clientY - box.top, box.height)];
  };

  const add = (point) => {
    const last = now.at(-1);
    if (count >= MOST_POINTS || (last && Math.hypot(point[0] - last[0], point[1] - last[1]) < LEAST_STEP)) return;
    now.push(point);
    count += 1;
    draw(last ?? point, point);
  };

  const draw = (from, to) => {
    ink.lineWidth = 4;
    ink.lineCap = ink.lineJoin = "round";
    ink.strokeStyle = "#13191c";
    ink.beginPath();
    ink.moveTo(from[0] * canvas.width, from[1] * canvas.height);
    ink.lineTo(to[0] * canvas.width, to[1] * canvas.height);
    ink.stroke();
  };

  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    strokes.push(now = []);
    add(at(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!now) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) add(at(one));
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, () => { now = null; onChange(); });
  }

  return {
    strokes: () => strokes.filter((stroke) => stroke.length),
    wipe() {
      strokes = [];
      now = null;
      count = 0;
      ink.clearRect(0, 0, canvas.width, canvas.height);
    },
  };
}
