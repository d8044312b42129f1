/** What happens, as it comes: searchable, and where many fell together, or much came at once, folded. */

import { el, fill } from "./dom.js";
import { moment, utc } from "./format.js";

const GRAVE = new Set(["died", "hung", "quarantined", "start_timeout", "memory", "not_killed", "began_again"]);
const WATCH = new Set(["degraded", "incident", "refused", "locked", "paused", "recycling", "poison_tick", "no_process", "not_taken_up", "forkserver_died"]);
const MOST = 400;
/** Seconds within which what belongs to an incident happens. */
const TOGETHER = 30;

export class EventsView {
  constructor() {
    this.search = el("input", { type: "search", placeholder: "Search: name, kind, words", "aria-label": "Search events" });
    this.search.addEventListener("input", () => this.again());
    this.kind = el("select", { "aria-label": "Kind" }, el("option", { value: "" }, "everything"), el("option", { value: "trouble" }, "trouble alone"), el("option", { value: "trading" }, "trading alone"), el("option", { value: "life" }, "processes alone"));
    this.kind.addEventListener("change", () => this.again());
    this.body = el("tbody", {});
    this.none = el("p", { class: "none", hidden: true }, "Nothing matches.");
    this.opened = new Set();
    this.known = new Map();
    this.node = el("section", { class: "card events", "aria-label": "Events" },
      el("div", { class: "head" }, el("h2", {}, "Events"), el("span", { class: "faint" }, "the newest first"), el("span", { class: "tools right" }, this.search, this.kind)),
      el("div", { class: "listing" }, el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ...["Time", "Who", "What", "Details"].map((head) => el("th", { scope: "col" }, head)))), this.body)), this.none);
  }

  /** The lines to draw from; set by whoever has them. */
  take(stories) { this.stories = stories; }

  again() { this.drawn = null; this.draw(); }

  draw() {
    if (this.drawn === this.stories) return;
    this.drawn = this.stories;
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = (this.stories ?? []).filter((line) => this.wanted(line) && words.every((word) => `${line.name} ${line.kind} ${line.detail}`.toLowerCase().includes(word)));
    const rows = [];
    const known = new Map();
    // A line that was there before keeps its node: only what is new is made, and moved in.
    const kept = (key, make) => { known.set(key, this.known.get(key) ?? make()); rows.push(known.get(key)); };
    for (const group of folded(found.slice(-2 * MOST).reverse())) {
      if (rows.length > MOST) break;
      const key = keyOf(group.line);
      const count = group.inside.length;
      const open = this.opened.has(key);
      kept(`${key} ${count} ${open}`, () => row(group.line, count ? { count, open, toggle: () => this.fold(key) } : null));
      if (open) for (const line of group.inside) kept(`inside ${keyOf(line)}`, () => row(line, null, true));
    }
    this.known = known;
    const before = this.body.children;
    if (rows.length !== before.length || rows.some((node, at) => before[at] !== node)) fill(this.body, ...rows);
    this.none.hidden = rows.length > 0;
  }

  fold(key) {
    if (!this.opened.delete(key)) this.opened.add(key);
    this.again();
  }

  wanted(line) {
    const trading = ["deal", "refused", "locked", "unlocked", "balance", "foreign", "unguarded"].includes(line.kind);
    if (this.kind.value === "trading") return trading;
    if (this.kind.value === "life") return !trading;
    if (this.kind.value === "trouble") return GRAVE.has(line.kind) || WATCH.has(line.kind);
    return true;
  }
}

/** Lines, the newest first: what happened around an incident lies below it, and the same again and again below the first. */
export function folded(lines) {
  const groups = [];
  const incidents = lines.filter((line) => line.kind === "incident").map((line) => Date.parse(line.time));
  const near = (line) => incidents.find((at) => Math.abs(Date.parse(line.time) - at) < TOGETHER * 1000 && !["deal", "refused"].includes(line.kind));
  const owner = new Map();
  for (const line of lines) {
    const at = near(line);
    if (at !== undefined) {
      if (!owner.has(at)) { const group = { line: null, inside: [] }; owner.set(at, group); groups.push(group); }
      const group = owner.get(at);
      if (line.kind === "incident" && !group.line) group.line = line; else group.inside.push(line);
      continue;
    }
    const last = groups.at(-1);
    const same = last && last.line && last.line.kind === line.kind && last.line.name === line.name && last.line.detail === line.detail;
    if (same) last.inside.push(line); else groups.push({ line, inside: [] });
  }
  return groups.filter((group) => group.line || group.inside.length).map((group) => (group.line ? group : { line: group.inside[0], inside: group.inside.slice(1) }));
}

const keyOf = (line) => `${line.time} ${line.name} ${line.kind} ${line.detail}`;

function row(line, fold = null, inside = false) {
  const seconds = Date.parse(line.time) / 1000;
  const tone = GRAVE.has(line.kind) ? "grave" : WATCH.has(line.kind) ? "watch" : "";
  const shape = tone === "grave" ? "✕ " : tone === "watch" ? "▲ " : "";
  return el("tr", { class: [tone, inside ? "inside" : ""].join(" ").trim() || undefined },
    el("td", {}, el("span", { "data-tip": utc(seconds) }, moment(seconds))), el("td", {}, line.name), el("td", { class: "kind" }, shape + line.kind.replaceAll("_", " ")),
    el("td", {}, line.detail, fold ? el("button", { class: "quiet", "aria-expanded": String(fold.open), onclick: fold.toggle }, fold.open ? "fold" : `+ ${fold.count} more`) : null));
}
