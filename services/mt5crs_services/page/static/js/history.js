/** What was earned: over any span, by strategy, day, hour, weekday, symbol; and the trades as a file. */

import { bars } from "./charts/bars.js";
import { calendar } from "./charts/calendar.js";
import { LineChart } from "./charts/lines.js";
import { el, fill, say } from "./dom.js";
import { figure, percent, signed, span, tone } from "./format.js";
import { trades } from "./strategy.js";

const SPANS = { all: null, "90 days": 90, "30 days": 30, "7 days": 7, "1 day": 1 };
const EVERY = 15;

/** What each figure means; all of them are those of `pnl`. */
const MEANINGS = {
  Net: "Sum of the trades' profit less commission, and with swap.", Trades: "Trades that were closed in this span.", Won: "Share of them whose net is above 0.",
  Factor: "What was won over what was lost.", Mean: "Net over trades.", Best: "The highest net of one trade.", Worst: "The lowest.",
  Drawdown: "The farthest that the running net, which begins at 0, ever was below its highest value before.", Commission: "Of all their deals.", Swap: "As the broker has it: what was paid is negative.", "Open for": "Mean time that they were open, in event time.",
};

export class HistoryView {
  constructor() {
    const choice = (label, options) => {
      const made = el("select", { "aria-label": label }, ...options.map(([value, text]) => el("option", { value }, text)));
      made.addEventListener("change", () => this.load());
      return made;
    };
    this.span = choice("Span", Object.keys(SPANS).map((name) => [name, name]));
    this.strategy = choice("Strategy", [["", "every strategy"]]);
    this.symbol = choice("Symbol", [["", "every symbol"]]);
    this.since = el("input", { type: "date", "aria-label": "From (UTC)" });
    this.until = el("input", { type: "date", "aria-label": "To (UTC), included" });
    for (const input of [this.since, this.until]) input.addEventListener("change", () => this.load());
    this.files = el("span", { class: "files" });
    this.facts = el("dl", { class: "facts" });
    this.told = el("p", { class: "told faint" }, "\u00a0");
    const chart = el("div", { class: "chart tall" });
    const card = (title, ...inside) => el("section", { class: "card" }, el("h2", {}, title), ...inside);
    this.parts = Object.fromEntries(["day", "hour", "weekday", "symbol", "strategy", "exit", "matrix", "trades"].map((name) => [name, el("div", {})]));
    this.node = el("div", { class: "deskview" },
      el("section", { class: "card" }, el("div", { class: "head" }, el("h2", {}, "History"), el("span", { class: "tools right" }, this.span, this.since, this.until, this.strategy, this.symbol, this.files)), this.facts),
      el("section", { class: "card" }, el("h2", {}, "Running net: all together, and each strategy"), chart, this.told),
      card("By day (UTC)", this.parts.day),
      el("div", { class: "two" }, card("By strategy", this.parts.strategy), card("By symbol", this.parts.symbol), card("By hour of closing (UTC)", this.parts.hour), card("By weekday", this.parts.weekday), card("By what closed them", this.parts.exit), card("Correlation of returns", this.parts.matrix)),
      card("Trades", this.parts.trades));
    this.chart = new LineChart(chart, (text) => say(this.told, text || "\u00a0"));
  }

  open() { this.at = 0; }

  close() { this.at = 0; }

  draw(desk, now) {
    this.market = desk.market_time ?? now;
    if (document.visibilityState === "visible" && now - (this.at ?? 0) > EVERY) { this.at = now; this.load(); }
  }

  query() {
    const asked = new URLSearchParams();
    const days = SPANS[this.span.value];
    if (this.since.value) asked.set("since", Date.parse(this.since.value) / 1000);
    else if (days) asked.set("since", (this.market ?? Date.now() / 1000) - days * 86_400);
    if (this.until.value) asked.set("until", Date.parse(this.until.value) / 1000 + 86_400);
    if (this.strategy.value) asked.set("strategy", this.strategy.value);
    if (this.symbol.value) asked.set("symbol", this.symbol.value);
    return asked.toString();
  }

  async load() {
    const query = this.query();
    const answer = await fetch(`/api/history?${query}`).catch(() => null);
    if (!answer?.ok) return;
    const text = await answer.text();
    if (text === this.shown && query === this.asked) return;
    [this.shown, this.asked] = [text, query];
    this.show(JSON.parse(text));
  }

  show(view) {
    fill(this.files, ...view.files.map((kind) => el("a", { href: `/api/trades.${kind.toLowerCase()}?${this.asked}`, download: "" }, kind)));
    options(this.strategy, view.strategies);
    options(this.symbol, view.symbols);
    const all = view.together;
    const facts = all ? [["Net", signed(all.net), tone(all.net)], ["Trades", figure(all.trades, 0)], ["Won", percent(all.win_rate, 1)], ["Factor", all.profit_factor === null ? "–" : figure(all.profit_factor)], ["Mean", signed(all.mean), tone(all.mean)],
      ["Best", signed(all.best), tone(all.best)], ["Worst", signed(all.worst), tone(all.worst)], ["Drawdown", figure(all.drawdown)], ["Commission", figure(all.commission)], ...(all.swap ? [["Swap", signed(all.swap), tone(all.swap)]] : []), ["Open for", span(all.seconds)]] : [];
    fill(this.facts, ...facts.map(([word, value, kind]) => el("div", {}, el("dt", { "data-tip": MEANINGS[word], tabindex: "0" }, word), el("dd", { class: kind || undefined }, value))));
    this.chart.show(view.curves.map((curve) => ({ ...curve, name: curve.name || "together", main: !curve.name })), `Running net of ${all?.trades ?? 0} trades of ${view.curves.length - 1} strategies`);
    fill(this.parts.day, calendar(view.groups.day));
    for (const [name, head] of [["hour", "Hour"], ["weekday", "Weekday"], ["symbol", "Symbol"], ["strategy", "Strategy"], ["exit", "Closed by"]]) fill(this.parts[name], bars(view.groups[name], head));
    fill(this.parts.matrix, matrix(view));
    fill(this.parts.trades, trades(view.trades, true));
  }
}

function options(select, names) {
  const known = [...select.options].slice(1).map((option) => option.value);
  if (known.join() === names.join()) return;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...names.map((name) => el("option", { value: name }, name)));
  select.value = names.includes(chosen) ? chosen : "";
}

/** Each pair once and its mirror; what goes strongly together is underlined. */
function matrix(view) {
  const names = Object.keys(view.correlation);
  if (names.length < 2) return el("p", { class: "none" }, "It takes two strategies with trades.");
  const of = view.period === 86_400 ? "each day" : "each hour (the span is short)";
  const cell = (one, other) => {
    const value = view.correlation[one][other];
    if (one === other) return el("td", { class: "faint" }, "1");
    return el("td", { class: value !== null && Math.abs(value) > 0.5 ? "strong" : undefined }, value === null ? "–" : signed(value));
  };
  return el("div", { class: "matrix", tabindex: "0", role: "region", "aria-label": "Correlation" },
    el("p", { class: "faint" }, `Pearson's coefficient of what they made in ${of}; times without any trade are left out.`),
    el("table", {}, el("thead", {}, el("tr", {}, el("td", {}), ...names.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...names.map((one) => el("tr", {}, el("th", { scope: "row" }, one), ...names.map((other) => cell(one, other)))))));
}
