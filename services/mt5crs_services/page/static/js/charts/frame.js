/** What every chart on a canvas has: sharp lines, the page's colours, figures along its sides. */

/** The page's colours as they are now, light or dark. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "faint", "line", "strong-line", "gain", "loss", "surface", "raised", "accent", "warn", "bad", "well"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** A canvas that fills its box, drawn again when the box, or the light, is another one. */
export class Frame {
  constructor(node, paint) {
    this.node = node;
    this.canvas = document.createElement("canvas");
    this.paint = paint;
    this.asked = false;
    node.append(this.canvas);
    new ResizeObserver(() => this.draw()).observe(node);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** Draw with the next frame, however often it is asked for. */
  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.now(); });
  }

  now() {
    const width = this.node.clientWidth;
    const height = this.node.clientHeight;
    if (!width || !height) return;
    const sharp = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * sharp) || this.canvas.height !== Math.round(height * sharp)) {
      this.canvas.width = Math.round(width * sharp);
      this.canvas.height = Math.round(height * sharp);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    this.paint(context, width, height, colours());
  }
}

/** Round figures between two ends, about so many. */
export function ticks(low, high, about) {
  const raw = (high - low) / Math.max(about, 1);
  if (!(raw > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(at);
  return found;
}

/** From a value to its place between two ends. */
export function scale(low, high, from, to) {
  const size = high - low || 1;
  return (value) => from + ((value - low) / size) * (to - from);
}

/** Lines across at round figures, with the figures at the right. */
export function grid(context, colour, values, y, left, right, say) {
  context.strokeStyle = colour.line;
  context.fillStyle = colour.faint;
  context.lineWidth = 1;
  context.textAlign = "left";
  for (const value of values) {
    const at = Math.round(y(value)) + 0.5;
    context.beginPath();
    context.moveTo(left, at);
    context.lineTo(right, at);
    context.stroke();
    context.fillText(say(value), right + 6, at);
  }
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** A moment along the lower side: the date where a day begins, else the time. */
export function stamp(seconds, before) {
  const date = new Date(seconds * 1000);
  const other = before === undefined || new Date(before * 1000).toDateString() !== date.toDateString();
  return other && before !== undefined ? day.format(date) : clock.format(date);
}
