// The site: its name, its time zone (the telephone's is the guess), where the box has its time from.

const NOT_WORTH_S = 2;

function howFar(seconds) {
  const size = Math.abs(seconds);
  const [unit, per] = [["days", 86400], ["hours", 3600], ["minutes", 60], ["seconds", 1]].find(([, s]) => size >= 2 * s) ?? ["seconds", 1];
  return `${Math.round(size / per)} ${unit} ${seconds > 0 ? "behind" : "ahead of"} this phone's`;
}

export function start(step) {
  const { root, found } = step;
  const field = (name) => root.elements.namedItem(name);
  const kind = () => field("clock.kind").value;
  const aheadS = (Date.now() - Date.parse(found.now)) / 1000;

  const guess = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = new Set(found.zones);
  root.querySelector("#zones").append(...found.zones.map((zone) => Object.assign(document.createElement("option"), { value: zone })));
  field("name").value = found.name === "Site" ? "" : found.name;
  field("time_zone").value = found.time_zone !== "Etc/UTC" || !known.has(guess) ? found.time_zone : guess;

  function showZone() {
    const zone = field("time_zone").value.trim();
    let text = "Type a city or a continent to find it.";
    if (known.has(zone)) {
      const there = new Date().toLocaleTimeString("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
      text = `It is ${there} there${zone === guess ? ", as on this phone" : ""}.`;
    }
    root.querySelector("#zone-time").textContent = text;
  }
  function showKind() {
    for (const part of root.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== kind();
    const off = root.querySelector("#off");
    off.hidden = Math.abs(aheadS) < NOT_WORTH_S && kind() !== "hand";
    root.querySelector("#how-far").textContent = Math.abs(aheadS) < NOT_WORTH_S ? "they agree" : `it is ${howFar(aheadS)}`;
  }

  const gps = [...found.clock.gps_devices];
  root.querySelector("#gps-there").textContent = gps.length ? `there is one at ${gps.join(", ")}` : "no receiver is plugged in";
  if (gps.length) field("clock.gps_device").value = gps[0];
  field("time_zone").addEventListener("input", showZone);
  root.addEventListener("change", showKind);
  showZone();
  showKind();

  return () => {
    const wanted = field("by_phone").checked && !root.querySelector("#off").hidden;
    return {
      name: field("name").value.trim(),
      language: field("language").value,
      time_zone: field("time_zone").value.trim(),
      clock: {
        kind: kind(),
        servers: kind() === "hand" ? [] : field("clock.servers").value.split(/[\s,]+/).filter(Boolean),
        gps_device: field("clock.gps_device").value.trim(),
        pps_device: kind() === "gps" ? found.clock.pps_devices[0] ?? "" : "",
      },
      clock_ahead_s: wanted && Math.abs(aheadS) > NOT_WORTH_S ? Math.round(aheadS * 10) / 10 : 0,
    };
  };
}
