/** Days with what each has made, as a calendar of weeks; the days are UTC, as the market's are. */

import { el } from "../dom.js";
import { figure, signed, tone } from "../format.js";

const DAY = 86_400_000;
const HEADS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const WEEKS = 10;

/** The newest weeks of `[{name: "2026-01-05", net, trades}]`. */
export function calendar(days) {
  if (!days.length) return el("p", { class: "none" }, "No trade was closed in this span.");
  const by = new Map(days.map((day) => [day.name, day]));
  const monday = (time) => time - ((new Date(time).getUTCDay() + 6) % 7) * DAY;
  const last = monday(Date.parse(days.at(-1).name));
  const first = Math.max(monday(Date.parse(days[0].name)), last - (WEEKS - 1) * 7 * DAY);
  const cells = HEADS.map((head) => el("span", { class: "head" }, head));
  for (let time = first; time < last + 7 * DAY; time += DAY) {
    const name = new Date(time).toISOString().slice(0, 10);
    const day = by.get(name);
    cells.push(el("div", { class: `day ${day ? tone(day.net) : ""}`, "data-tip": day ? `${name}: ${day.trades} trades, net ${signed(day.net)}, won ${figure(day.win_rate * 100, 0)} %` : undefined, tabindex: day ? "0" : undefined },
      el("b", {}, name.slice(5)), day ? el("span", { class: tone(day.net) || undefined }, signed(day.net)) : ""));
  }
  return el("div", { class: "calendar", role: "region", "aria-label": "Net by day" }, ...cells);
}
