/** Figures and moments as people read them: one place, so that they look the same everywhere. */

const MINUS = "−";

const grouped = (digits) =>
  new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const formats = [0, 1, 2, 3, 4, 5, 6].map(grouped);

/** A figure with so many decimals: 12,345.60. */
export function figure(value, digits = 2) {
  if (value === undefined || value === null || Number.isNaN(value)) return "–";
  return formats[digits].format(value).replace("-", MINUS);
}

/** An amount with its sign: +12.30; one that rounds to nothing has none. */
export function signed(value, digits = 2) {
  if (value === undefined || value === null) return "–";
  const text = figure(Math.abs(value), digits);
  if (Number(text.replaceAll(",", "")) === 0) return text;
  return (value < 0 ? MINUS : "+") + text;
}

/** The class that an amount is coloured by. */
export function tone(value) {
  if (!value || Math.abs(value) < 0.005) return "";
  return value < 0 ? "loss" : "gain";
}

/** A share as a percentage. */
export function percent(value, digits = 0) {
  return value === undefined || value === null ? "–" : `${figure(value * 100, digits)} %`;
}

/** A price with as many digits as it came with, at most six, and no fewer than are usual for it. */
export function price(value) {
  if (!value) return "–";
  const usual = value >= 1000 ? 2 : value >= 50 ? 3 : 5;
  const given = String(Number(value.toFixed(6))).split(".")[1]?.length ?? 0;
  return value.toFixed(Math.max(usual, given));
}

/** Bytes in MB. */
export function megabytes(value) {
  return value ? `${figure(value / 1e6)
    .replace(/\.\d+$/, "")} MB` : "–";
}

/** A span of time: 4s, 3m05s, 2h07m, 4d03h. */
export function span(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  const two = (n) => String(n).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86400)}d${two(Math.floor((whole % 86400) / 3600))}h`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dated = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const whole = new Intl.DateTimeFormat("en-GB", {
  year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
});

/** A moment in the viewer's own zone; the date where it is another day. Unix seconds. */
export function moment(seconds, always = false) {
  const date = new Date(seconds * 1000);
  const today = new Date().toDateString() === date.toDateString();
  if (always) return whole.format(date);
  return (today ? clock : dated).format(date);
}

/** The same moment in UTC, for whoever points at it. */
export function utc(seconds) {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
