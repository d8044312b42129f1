/** A sparkline: what a strategy has made since the market's day began, its open profit at the end. */

import { mark, svg } from "../dom.js";

const WIDTH = 96;
const HEIGHT = 30;

/** An empty one, drawn into by `draw`. */
export function spark() {
  return svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" },
    svg("line", { x1: 0, x2: WIDTH }), svg("path"));
}

/** Draw a curve of amounts that begins at 0; few points are steps, since deals are. */
export function draw(node, day, floating) {
  const values = [...(day ?? [0]), (day?.at(-1) ?? 0) + (floating ?? 0)];
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const size = high - low || 1;
  const y = (value) => (2 + (HEIGHT - 4) * (1 - (value - low) / size)).toFixed(1);
  const x = (at) => ((WIDTH * at) / (values.length - 1)).toFixed(1);
  const [line, path] = node.children;
  mark(line, "y1", y(0));
  mark(line, "y2", y(0));
  let d = `M0 ${y(values[0])}`;
  for (let at = 1; at < values.length; at += 1) d += `L${x(at)} ${y(values[at])}`;
  mark(path, "d", d);
  const last = values.at(-1);
  mark(path, "class", last < 0 ? "loss" : "gain");
  mark(node, "aria-label", `the day's curve, ${last < 0 ? "minus " : ""}${Math.abs(last).toFixed(2)} at its end`);
}
