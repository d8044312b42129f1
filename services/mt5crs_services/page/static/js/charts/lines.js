/** Curves over time, one or several, with the fall from the height below where it is asked for. */

import { figure, signed, moment } from "../format.js";
import { Frame, grid, scale, stamp, ticks } from "./frame.js";

const RIGHT = 70;
const BOTTOM = 20;
/** So many that are told apart by dashes as well as by shade. */
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3]];

export class LineChart {
  constructor(node, tell) {
    this.tell = tell;
    this.curves = [];
    this.cursor = null;
    this.frame = new Frame(node, (...all) => this.paint(...all));
    const canvas = this.frame.canvas;
    canvas.setAttribute("role", "img");
    canvas.addEventListener("pointermove", (event) => { this.cursor = event.offsetX; this.frame.draw(); });
    canvas.addEventListener("pointerleave", () => { this.cursor = null; this.tell(""); this.frame.draw(); });
  }

  /** Show curves: `{name, points: [[seconds, net, below]], main}`; `below` of the main one is drawn. */
  show(curves, label) {
    this.curves = curves.filter((curve) => curve.points.length);
    this.frame.canvas.setAttribute("aria-label", label);
    this.frame.draw();
  }

  paint(context, width, height, colour) {
    if (!this.curves.length) {
      context.fillStyle = colour.soft;
      context.textAlign = "center";
      context.fillText("No trade was closed in this span.", width / 2, height / 2);
      return;
    }
    const right = width - RIGHT;
    const all = this.curves.flatMap((curve) => curve.points);
    const begin = Math.min(...this.curves.map((curve) => curve.points[0][0]));
    const end = Math.max(...this.curves.map((curve) => curve.points.at(-1)[0]));
    const main = this.curves.find((curve) => curve.main);
    const deepest = main ? Math.max(...main.points.map((point) => point[2])) : 0;
    const lower = deepest > 0 ? Math.round(height * 0.25) : 0;
    const bottom = height - BOTTOM - lower;
    let low = 0;
    let high = 0;
    for (const point of all) { low = Math.min(low, point[1]); high = Math.max(high, point[1]); }
    const air = (high - low) * 0.06 || 1;
    const x = scale(begin, end, 4, right - 4);
    const y = scale(low - air, high + air, bottom, 8);
    grid(context, colour, ticks(low - air, high + air, bottom / 44), y, 0, right, (value) => signed(value, Math.abs(value) < 10 && value ? 2 : 0));
    this.along(context, colour, x, begin, end, right, height);
    this.curves.forEach((curve, number) => {
      context.strokeStyle = curve.main ? colour.accent : colour.soft;
      context.lineWidth = curve.main ? 2 : 1;
      context.setLineDash(curve.main ? [] : DASHES[number % DASHES.length]);
      this.steps(context, curve.points, 1, x, y, y(0));
      context.stroke();
      context.setLineDash([]);
    });
    if (lower) this.drawBelow(context, colour, main, x, deepest, bottom + 12, height - BOTTOM - 2, right);
    this.point(context, colour, x, right, height, begin, end);
  }

  /** Deals are steps: between two of them nothing was realised. */
  steps(context, points, which, x, y, from) {
    context.beginPath();
    context.moveTo(x(points[0][0]), from);
    let before = from;
    for (const point of points) {
      const at = x(point[0]);
      context.lineTo(at, before);
      before = y(point[which]);
      context.lineTo(at, before);
    }
  }

  drawBelow(context, colour, main, x, deepest, top, bottom, right) {
    const y = scale(0, deepest, top, bottom);
    this.steps(context, main.points, 2, x, y, y(0));
    context.lineTo(x(main.points.at(-1)[0]), y(0));
    context.closePath();
    context.globalAlpha = 0.28;
    context.fillStyle = colour.loss;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = colour.loss;
    context.lineWidth = 1;
    context.stroke();
    context.fillStyle = colour.faint;
    context.textAlign = "left";
    context.fillText("drawdown", right + 6, y(0) + 4);
    context.fillText(figure(deepest), right + 6, y(deepest) - 4);
  }

  along(context, colour, x, begin, end, right, height) {
    context.fillStyle = colour.faint;
    context.textAlign = "center";
    const count = Math.max(Math.floor(right / 110), 1);
    let before;
    for (let at = 0; at < count; at += 1) {
      const time = begin + ((at + 0.5) / count) * (end - begin);
      context.fillText(end - begin > 5 * 86400 ? stamp(time, 0) : stamp(time, before), x(time), height - 9);
      before = time;
    }
  }

  point(context, colour, x, right, height, begin, end) {
    if (this.cursor === null || this.cursor > right) return;
    context.strokeStyle = colour["strong-line"];
    context.setLineDash([1, 2]);
    context.beginPath(); context.moveTo(this.cursor, 0); context.lineTo(this.cursor, height - BOTTOM); context.stroke();
    context.setLineDash([]);
    const time = begin + ((this.cursor - 4) / Math.max(right - 8, 1)) * (end - begin);
    const words = this.curves.map((curve) => {
      const last = curve.points.findLast((point) => point[0] <= time);
      return last ? `${curve.name} ${signed(last[1])}${curve.main && last[2] ? `, ${figure(last[2])} below its height` : ""}` : "";
    }).filter(Boolean);
    this.tell([moment(time, true), ...words].join(" · "));
  }
}
