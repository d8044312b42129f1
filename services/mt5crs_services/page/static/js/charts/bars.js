/** Groups of trades, each with a bar: as long as what it made, to the left of the line where it lost. */

import { el, svg } from "../dom.js";
import { figure, percent, signed, tone } from "../format.js";

/** A table of `[{name, net, trades, win_rate}]` with bars. */
export function bars(groups, head) {
  if (!groups.length) return el("p", { class: "none" }, "No trade was closed in this span.");
  const low = Math.min(0, ...groups.map((group) => group.net));
  const high = Math.max(0, ...groups.map((group) => group.net));
  const size = high - low || 1;
  const place = (value) => ((value - low) / size) * 100;
  return el("table", { class: "plain bars" },
    el("thead", {}, el("tr", {}, ...[head, "Bar", "Net", "Trades", "Won"].map((word, at) => el("th", { scope: "col", class: at > 1 ? "num" : undefined }, word)))),
    el("tbody", {}, ...groups.map((group) => {
      const begin = Math.min(place(0), place(group.net));
      const long = Math.max(Math.abs(place(group.net) - place(0)), 0.4);
      const bar = svg("svg", { viewBox: "0 0 100 14", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { x: begin, y: 2, width: long, height: 10, class: group.net < 0 ? "loss" : "gain" }),
        svg("line", { x1: place(0), x2: place(0), y1: 0, y2: 14, "vector-effect": "non-scaling-stroke" }));
      return el("tr", {}, el("td", {}, group.name.replace(/^\d (?=[A-Z])/, "")), el("td", { class: "bar" }, bar), el("td", { class: `num ${tone(group.net)}`.trim() }, signed(group.net)),
        el("td", { class: "num" }, figure(group.trades, 0)), el("td", { class: "num" }, percent(group.win_rate)));
    })));
}
