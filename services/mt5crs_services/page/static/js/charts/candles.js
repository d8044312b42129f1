/** Candles with what a strategy did on them: entries, exits, stops, targets, what it missed; below,
 *  the model's probability and its threshold. Wheel or pinch zooms, dragging moves, pointing tells. */

import { figure, price, signed, utc, moment } from "../format.js";
import { Frame, grid, scale, stamp, ticks } from "./frame.js";

const RIGHT = 64;
const BOTTOM = 20;
const LEAST = 20;
const QUIET = new Set(["NONE", "KEEP", "OPEN", "CLOSE", "TURN"]);

export class CandleChart {
  constructor(node, tell) {
    this.tell = tell;
    this.view = null;
    this.span = 120;
    this.end = 0;
    this.cursor = null;
    this.frame = new Frame(node, (...all) => this.paint(...all));
    const canvas = this.frame.canvas;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); this.held = { x: event.offsetX, end: this.end }; });
    canvas.addEventListener("pointerup", () => { this.held = null; });
    canvas.addEventListener("pointermove", (event) => {
      this.cursor = { x: event.offsetX, y: event.offsetY };
      if (this.held) this.move(this.held.end - (event.offsetX - this.held.x) / this.step);
      else this.frame.draw();
    });
    canvas.addEventListener("pointerleave", () => { this.cursor = null; this.tell(""); this.frame.draw(); });
    canvas.addEventListener("keydown", (event) => {
      const keys = { ArrowLeft: () => this.move(this.end - this.span / 8), ArrowRight: () => this.move(this.end + this.span / 8), "+": () => this.zoom(0.8), "-": () => this.zoom(1.25) };
      if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
    });
  }

  /** Show a strategy; the newest candle stays at the right where it was there. */
  show(view) {
    const atEnd = !this.view || this.end >= this.view.candles.length - 1;
    if (!this.view) this.span = Math.min(Math.max(this.frame.node.clientWidth / 9, 50), 160);
    this.view = view;
    this.stops = new Map(view.deals.filter((deal) => deal.entry === "IN").map((deal) => [deal.ticket, deal]));
    this.span = Math.min(this.span, Math.max(view.candles.length, LEAST));
    if (atEnd) this.end = view.candles.length;
    this.frame.canvas.setAttribute("aria-label", `${view.candles.length} candles of ${view.symbol}, ${view.trades.length} trades; the tables below have all of it`);
    this.frame.draw();
  }

  zoom(factor) {
    if (!this.view) return;
    this.span = Math.min(Math.max(this.span * factor, LEAST), Math.max(this.view.candles.length, LEAST));
    this.move(this.end);
  }

  move(end) {
    if (!this.view) return;
    const count = this.view.candles.length;
    this.end = Math.min(Math.max(end, Math.min(this.span, count)), count + this.span * 0.1);
    this.frame.draw();
  }

  /** Where a moment is among the candles, also between two and beyond the last. */
  place(time) {
    const candles = this.view.candles;
    let low = 0;
    let high = candles.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (candles[middle][0] <= time) low = middle + 1; else high = middle;
    }
    const at = low - 1;
    return at < 0 ? -1 : at + Math.min((time - candles[at][0]) / this.view.seconds, 1);
  }

  paint(context, width, height, colour) {
    const view = this.view;
    if (!view || !view.candles.length) {
      context.fillStyle = colour.soft;
      context.textAlign = "center";
      context.fillText(view ? "The tape has nothing of this symbol yet." : "", width / 2, height / 2);
      return;
    }
    const right = width - RIGHT;
    const lower = view.threshold === null ? 0 : Math.round(height * 0.24);
    const bottom = height - BOTTOM - lower;
    const first = Math.max(Math.floor(this.end - this.span), 0);
    const shown = view.candles.slice(first, Math.ceil(this.end));
    this.step = right / this.span;
    const x = (at) => (at - (this.end - this.span)) * this.step;
    let low = Math.min(...shown.map((c) => c[3]));
    let high = Math.max(...shown.map((c) => c[2]));
    const air = (high - low) * 0.08 || high * 1e-4;
    low -= air; high += air;
    const y = scale(low, high, bottom, 8);
    grid(context, colour, ticks(low, high, bottom / 48), y, 0, right, price);
    this.along(context, colour, first, x, right, height);
    context.save();
    context.beginPath(); context.rect(0, 0, right, height - BOTTOM); context.clip();
    context.save();
    context.beginPath(); context.rect(0, 0, right, bottom + 2); context.clip();
    this.drawCandles(context, colour, shown, first, x, y);
    const hits = this.drawTrades(context, colour, x, y, right);
    context.restore();
    if (lower) hits.push(...this.drawProbability(context, colour, x, bottom + 14, height - BOTTOM - 4, right));
    context.restore();
    if (lower) this.labelProbability(context, colour, bottom + 14, height - BOTTOM - 4, right);
    this.point(context, colour, x, y, hits, right, height, bottom);
  }

  along(context, colour, first, x, right, height) {
    context.fillStyle = colour.faint;
    context.textAlign = "center";
    const every = Math.max(Math.ceil(90 / this.step), 1);
    let before;
    for (let at = Math.ceil(first / every) * every; at < this.view.candles.length; at += every) {
      const place = x(at + 0.5);
      if (place > right - 20) break;
      if (place > 20) { context.fillText(stamp(this.view.candles[at][0], before), place, height - 9); before = this.view.candles[at][0]; }
    }
  }

  drawCandles(context, colour, shown, first, x, y) {
    const body = Math.max(this.step * 0.66, 1);
    shown.forEach(([, open, high, low, close], number) => {
      const middle = x(first + number + 0.5);
      const up = close >= open;
      context.strokeStyle = context.fillStyle = up ? colour.gain : colour.loss;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(middle, y(high)); context.lineTo(middle, y(Math.max(open, close)));
      context.moveTo(middle, y(Math.min(open, close))); context.lineTo(middle, y(low));
      context.stroke();
      const top = y(Math.max(open, close));
      const tall = Math.max(Math.abs(y(open) - y(close)), 1);
      // Hollow where it rose: the shape says it too.
      if (up && body > 3) context.strokeRect(middle - body / 2 + 0.5, top, body - 1, tall);
      else context.fillRect(middle - body / 2, top, body, tall);
    });
  }

  drawTrades(context, colour, x, y, right) {
    const hits = [];
    const place = (us) => x(this.place(us / 1e6));
    const level = (value, from, to, tone) => {
      if (!value) return;
      context.strokeStyle = tone;
      context.setLineDash([2, 3]);
      context.beginPath(); context.moveTo(from, y(value)); context.lineTo(to, y(value)); context.stroke();
      context.setLineDash([]);
    };
    const arrow = (at, value, side) => {
      const up = side === "BUY";
      const tip = y(value);
      context.fillStyle = colour.ink;
      context.beginPath();
      context.moveTo(at, tip + (up ? 2 : -2)); context.lineTo(at - 5, tip + (up ? 11 : -11)); context.lineTo(at + 5, tip + (up ? 11 : -11));
      context.fill();
    };
    const one = (ticket, side, entry, opened, exit, closed, net, words) => {
      const from = place(opened);
      const to = closed ? place(closed) : right;
      if (to < 0 || from > right) return;
      const deal = this.stops.get(ticket);
      level(deal?.stop_loss, from, to, colour.loss);
      level(deal?.take_profit, from, to, colour.gain);
      if (exit) {
        context.strokeStyle = net < 0 ? colour.loss : colour.gain;
        context.lineWidth = 1.5;
        context.beginPath(); context.moveTo(from, y(entry)); context.lineTo(to, y(exit)); context.stroke();
        context.lineWidth = 1;
        context.fillStyle = colour.surface;
        context.strokeStyle = colour.ink;
        context.fillRect(to - 3.5, y(exit) - 3.5, 7, 7);
        context.strokeRect(to - 3.5, y(exit) - 3.5, 7, 7);
        hits.push({ x: to, y: y(exit), text: words });
      }
      arrow(from, entry, side);
      hits.push({ x: from, y: y(entry), text: words });
    };
    for (const t of this.view.trades) {
      one(t.ticket, t.side, t.entry, t.opened_us, t.exit, t.closed_us, t.net,
        `${t.side} ${figure(t.lots)} at ${price(t.entry)}, closed at ${price(t.exit)}\nnet ${signed(t.net)} (${t.code})\n${utc(t.closed_us / 1e6)}`);
    }
    const held = this.view.position;
    if (held) one(held.ticket, held.side, held.open_price, held.open_time_us, 0, 0, 0, `${held.side} ${figure(held.lots)} at ${price(held.open_price)}, open\nstop ${price(held.stop_loss)}, target ${price(held.take_profit)}`);
    for (const d of this.view.decisions) {
      if (QUIET.has(d.action)) continue;
      const at = x(this.place(d.time));
      if (at < 0 || at > right) continue;
      context.strokeStyle = colour.warn;
      context.lineWidth = 1.5;
      context.beginPath(); context.arc(at, y(d.price), 4.5, 0, 7); context.stroke();
      context.lineWidth = 1;
      hits.push({ x: at, y: y(d.price), text: `${d.word} ${d.action.toLowerCase().replace("_", " ")}${d.why ? `: ${d.why}` : ""}\n${utc(d.time)}` });
    }
    return hits;
  }

  /** The scale of probabilities: as wide as they and the thresholds are, the same on both sides of a half. */
  chance(top, bottom) {
    const all = this.view.decisions.flatMap((d) => (d.probability === undefined ? [] : [d.probability]));
    const far = Math.max(0.05, Math.abs(this.view.threshold - 0.5) * 1.4, ...all.map((p) => Math.abs(p - 0.5)));
    return scale(0.5 - far, 0.5 + far, bottom, top);
  }

  drawProbability(context, colour, x, top, bottom, right) {
    const y = this.chance(top, bottom);
    const { threshold } = this.view;
    context.strokeStyle = colour["strong-line"];
    context.setLineDash([4, 3]);
    for (const at of [threshold, 1 - threshold]) {
      context.beginPath(); context.moveTo(0, y(at)); context.lineTo(right, y(at)); context.stroke();
    }
    context.setLineDash([]);
    context.strokeStyle = colour.accent;
    context.beginPath();
    const hits = [];
    let begun = false;
    for (const d of this.view.decisions) {
      if (d.probability === undefined) continue;
      const at = x(this.place(d.time));
      if (at < -20 || at > right + 20) continue;
      if (begun) context.lineTo(at, y(d.probability)); else context.moveTo(at, y(d.probability));
      begun = true;
      hits.push({ x: at, y: y(d.probability), text: `${d.word} p=${figure(d.probability, 3)}; BUY above ${threshold}, SELL below ${figure(1 - threshold, 2)}\n${d.action.toLowerCase()}${d.why ? `: ${d.why}` : ""}\n${utc(d.time)}` });
    }
    context.stroke();
    return hits;
  }

  labelProbability(context, colour, top, bottom, right) {
    const y = this.chance(top, bottom);
    context.fillStyle = colour.faint;
    context.textAlign = "left";
    for (const at of new Set([this.view.threshold, 1 - this.view.threshold])) context.fillText(`p ${figure(at, 2)}`, right + 6, y(at));
  }

  /** What is under the pointer: a mark where one is near, else the candle. */
  point(context, colour, x, y, hits, right, height, bottom) {
    if (!this.cursor || this.held || this.cursor.x > right) return;
    const { x: px, y: py } = this.cursor;
    context.strokeStyle = colour["strong-line"];
    context.setLineDash([1, 2]);
    context.beginPath(); context.moveTo(px, 0); context.lineTo(px, height - BOTTOM); context.stroke();
    context.setLineDash([]);
    const near = hits.map((hit) => ({ ...hit, far: Math.hypot(hit.x - px, hit.y - py) })).filter((hit) => hit.far < 12).sort((a, b) => a.far - b.far)[0];
    if (near) { this.tell(near.text); return; }
    const candle = this.view.candles[Math.floor(px / this.step + this.end - this.span)];
    this.tell(candle && py < bottom ? `${moment(candle[0], true)} · open ${price(candle[1])} high ${price(candle[2])} low ${price(candle[3])} close ${price(candle[4])}` : "");
  }
}
