/** Elements, made and changed: nothing is touched that has not changed, so that nothing flickers. */

/** An element with attributes and children; text is always text, never markup. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** An element of SVG. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Set a text where it differs. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute where it differs; undefined takes it away. */
export function mark(node, name, value) {
  if (value === undefined || value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Replace what is inside. */
export function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}

/** Text with `commands` in backquotes as code. */
export function worded(text) {
  return text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));
}

const MARKS = {
  RUNNING: ["●", "well"], DEGRADED: ["▲", "warn"], RECOVERING: ["◐", "warn"], STARTING: ["◔", "warn"],
  BACKOFF: ["↻", "warn"], QUARANTINED: ["✕", "bad"], KILLING: ["✕", "bad"], STOPPING: ["◌", "soft"],
  HALTED: ["□", "bad"], REDUCING: ["▽", "warn"], WARMING: ["◔", "warn"],
  STOPPED: ["■", "soft"], DISABLED: ["○", "faint"], REMOVED: ["○", "faint"],
};

/** A state: a shape, a word and a colour, of which any one is enough. */
export function state(node, word) {
  const [shape, tone] = MARKS[word] ?? ["?", "soft"];
  mark(node, "class", `state ${tone}`);
  mark(node, "data-mark", shape);
  say(node, word);
}

/** A strategy's state as `status` says it: of one that runs and is held back, how; or that it lacks bars. */
export function stateOf(row) {
  if (row.state !== "RUNNING") return row.state;
  if (row.trading && row.trading !== "ACTIVE") return row.trading;
  return row.warm === undefined ? row.state : "WARMING";
}

/** Show a title's text at once, also by touch: `title` alone takes its time and is no good there. */
export function tips(root) {
  const tip = document.getElementById("tip");
  const show = (event) => {
    const owner = event.target.closest?.("[data-tip]");
    if (!owner) { tip.hidden = true; return; }
    say(tip, owner.dataset.tip);
    tip.hidden = false;
    const box = owner.getBoundingClientRect();
    const left = Math.min(Math.max(box.left, 8), innerWidth - tip.offsetWidth - 8);
    const below = box.bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? box.bottom + 6 : box.top - tip.offsetHeight - 6}px`;
  };
  root.addEventListener("pointerover", show);
  root.addEventListener("focusin", show);
}
