// The network: one card for each port of the machine. What is not understood here is said by the box.

const ROLES = { uplink: ["uplink"], cameras: ["cameras"], both: ["uplink", "cameras"], off: [] };
const CAMERAS_ADDRESS = "192.168.50.1/24";

const WITHOUT = {
  direct: "This machine's network service does not run: addresses are set at once, and DHCP does nothing here.",
  files: "This wizard works on another root than the machine's: files are written there, and nothing else is done.",
};

const roleOf = ({ roles }) => Object.keys(ROLES).find((name) => String(ROLES[name]) === String(roles)) ?? "both";

/** A range in the upper half of a /24, as a beginning: 192.168.50.1/24 → 192.168.50.100-192.168.50.199. */
function usualPool(address) {
  const found = /^(\d+\.\d+\.\d+)\.\d+\/24$/.exec(address.trim());
  return found ? `${found[1]}.100-${found[1]}.199` : "";
}

function facts({ mac, addresses, by_dhcp: byDhcp, gateway, heard }) {
  const has = addresses.length ? `${addresses.join(", ")}${byDhcp ? " by DHCP" : ""}` : "no address";
  const way = gateway ? `, router ${gateway}` : "";
  const others = heard ? ` · ${heard} ${heard === 1 ? "machine" : "machines"} heard` : "";
  return `Now ${has}${way}${others} · ${mac}`;
}

function card(template, port, now) {
  const node = template.content.firstElementChild.cloneNode(true);
  const of = (name) => node.querySelector(`[data-is="${name}"]`);
  for (const place of node.querySelectorAll("[data-name]")) place.textContent = port.name;
  node.querySelector("[data-carrier]").textContent = port.carrier ? "cable in" : "no cable";
  node.querySelector("[data-facts]").textContent = facts(port);
  of("role").value = now ? roleOf(now) : "leave";
  of("how").value = now && now.address !== "dhcp" ? "fixed" : "dhcp";
  of("address").value = now && now.address !== "dhcp" ? now.address : "";
  of("gateway").value = now?.gateway ?? "";
  of("dns").value = (now?.dns ?? []).join(" ");
  of("vlan").value = now?.vlan || "";
  node.querySelector("[data-vlans]").open = Boolean(now?.vlan);
  of("gives").checked = Boolean(now?.pool);
  of("pool").value = now?.pool ?? "";

  function show() {
    const role = of("role").value;
    const used = !["off", "leave"].includes(role);
    node.querySelector("[data-addressed]").hidden = !used;
    node.querySelector('[data-for="both"]').hidden = role !== "both";
    node.querySelector("[data-fixed]").hidden = of("how").value !== "fixed";
    node.querySelector("[data-uplink]").hidden = role === "cameras";
    node.querySelector("[data-cameras]").hidden = role !== "cameras";
    node.querySelector("[data-gives]").hidden = !of("gives").checked;
  }
  of("role").addEventListener("change", () => { // cameras' own network: the box is its fixed point
    if (of("role").value === "cameras" && !of("address").value) {
      of("how").value = "fixed";
      of("address").value = CAMERAS_ADDRESS;
    }
  });
  of("gives").addEventListener("change", () => { of("pool").value ||= usualPool(of("address").value); });
  node.addEventListener("change", show);
  show();

  node.given = (number) => {
    const role = of("role").value;
    if (role === "leave") return null;
    for (const name of ["address", "gateway", "dns", "vlan", "pool"]) of(name).name = `ports.${number}.${name}`;
    const made = { name: port.name, roles: ROLES[role] };
    if (role === "off") return made;
    const vlan = of("vlan").value.trim();
    if (vlan) made.vlan = /^\d+$/.test(vlan) ? Number(vlan) : -1;
    if (of("how").value === "dhcp") return made;
    made.address = of("address").value.trim();
    if (role !== "cameras") {
      made.gateway = of("gateway").value.trim();
      made.dns = of("dns").value.split(/[\s,]+/).filter(Boolean);
    } else if (of("gives").checked) made.pool = of("pool").value.trim();
    return made;
  };
  return node;
}

export function start(step) {
  const { root, found } = step;
  const list = root.querySelector("#ports");
  const template = root.querySelector("#port");
  const cards = found.ports.map((port) => card(template, port, found.now.ports.find((one) => one.name === port.name)));
  list.append(...cards);
  root.querySelector("#none").hidden = cards.length > 0;
  root.elements.namedItem("firewall").checked = found.now.firewall;
  root.elements.namedItem("ssh").checked = found.now.ssh;
  const waits = root.querySelector("#waits");
  waits.hidden = found.seconds_left === null;
  waits.textContent = `A change that nobody has confirmed undoes itself in ${Math.ceil(found.seconds_left ?? 0)} s.`;
  const backend = root.querySelector("#backend");
  backend.hidden = found.backend === "networkd";
  backend.textContent = WITHOUT[found.backend] ?? "";
  return () => {
    const ports = [];
    for (const node of cards) {
      const made = node.given(ports.length);
      if (made) ports.push(made);
    }
    return { ports, firewall: root.elements.namedItem("firewall").checked, ssh: root.elements.namedItem("ssh").checked };
  };
}
