/** Tables and tabs that look and behave the same everywhere. */

import { el, fill, mark } from "./dom.js";

/** A table of texts and nodes; `numbers` are the columns of figures. */
export function table(heads, rows, numbers = []) {
  if (!rows.length) return el("p", { class: "none" }, "Nothing yet.");
  const kind = (at) => (numbers.includes(at) ? "num" : undefined);
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": heads.join(", ") }, el("table", { class: "plain" },
    el("thead", {}, el("tr", {}, ...heads.map((head, at) => el("th", { scope: "col", class: kind(at) }, head)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell, at) => el("td", { class: kind(at) }, cell)))))));
}

/** Tabs by the keyboard too; what is inside of one is replaced only where it is another. */
export class Tabs {
  constructor(names) {
    this.buttons = {};
    this.panels = {};
    const list = el("div", { class: "tabs", role: "tablist" });
    this.node = el("div", {}, list);
    names.forEach((name) => {
      const id = `panel-${name.toLowerCase()}`;
      this.panels[name] = el("div", { role: "tabpanel", id, "aria-label": name, hidden: true });
      this.buttons[name] = el("button", { role: "tab", "aria-controls": id, onclick: () => this.choose(name) }, name);
      list.append(this.buttons[name]);
      this.node.append(this.panels[name]);
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const at = (names.indexOf(this.chosen) + step + names.length) % names.length;
      this.choose(names[at]);
      this.buttons[names[at]].focus();
    });
    this.choose(names[0]);
  }

  choose(name) {
    this.chosen = name;
    for (const [other, button] of Object.entries(this.buttons)) {
      mark(button, "aria-selected", String(other === name));
      mark(button, "tabindex", other === name ? "0" : "-1");
      this.panels[other].hidden = other !== name;
    }
  }

  fill(name, content) {
    const panel = this.panels[name];
    const scrolled = panel.querySelector(".scroll")?.scrollTop ?? 0;
    const opened = [...panel.querySelectorAll("details[open]")].length;
    // Whoever reads a black box is not interrupted.
    if (opened) return;
    fill(panel, content);
    const area = panel.querySelector(".scroll");
    if (area) area.scrollTop = scrolled;
  }
}
