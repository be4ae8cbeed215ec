// Nodes for pages that are filled in by their script: text only, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** <name class=className>…content</name>; strings become text. */
export function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** An SVG node with attributes. */
export function drawn(name, attributes, ...content) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

export function icon(name) {
  return drawn("svg", { class: "icon", "aria-hidden": "true" }, drawn("use", { href: `/static/icons.svg#${name}` }));
}
