/** One strategy: its market with what it did on it, why, its money, settings, log, life and deaths. */

import { CandleChart } from "./charts/candles.js";
import { LineChart } from "./charts/lines.js";
import { el, fill, mark, say, state, stateOf, worded } from "./dom.js";
import { figure, megabytes, moment, percent, price, signed, span, tone, utc } from "./format.js";
import { Tabs, table } from "./tables.js";

const EVERY = 10;

export class StrategyView {
  constructor(actions) {
    this.actions = actions;
    this.name = "";
    this.view = null;
    this.title = el("h2", { class: "name" });
    this.mood = el("span", {});
    this.why = el("span", { class: "soft" });
    this.buttons = el("span", { class: "right act" });
    this.facts = el("dl", { class: "facts" });
    this.problem = el("p", { class: "warn", hidden: true });
    this.told = el("p", { class: "told faint" });
    this.below = el("p", { class: "told faint" });
    this.strip = el("div", { class: "strip", role: "img" });
    const candles = el("div", { class: "chart tall" });
    const equity = el("div", { class: "chart" });
    this.candleTitle = el("h2", {});
    this.tabs = new Tabs(["Decisions", "Trades", "Orders", "Settings", "Log", "Deaths"]);
    this.node = el("div", { class: "deskview" },
      el("section", { class: "card" }, el("div", { class: "head" }, el("a", { href: "#/" }, "← Desk"), this.title, this.mood, this.why, this.buttons), this.facts, this.problem),
      el("section", { class: "card" }, el("div", { class: "head" }, this.candleTitle, el("span", { class: "faint legend" }, "▲▼ entry  □ exit  ┄ stop, target  ○ not traded")), candles, this.told),
      el("section", { class: "card" }, el("div", { class: "head" }, el("h2", {}, "Net of closed trades, and drawdown")), equity, this.below),
      el("section", { class: "card" }, el("div", { class: "head" }, el("h2", {}, "Life")), this.strip),
      el("section", { class: "card" }, this.tabs.node));
    this.candles = new CandleChart(candles, (text) => say(this.told, text || "Point at the chart; the wheel zooms, dragging moves."));
    this.equity = new LineChart(equity, (text) => say(this.below, text || "\u00a0"));
    say(this.told, "Point at the chart; the wheel zooms, dragging moves.");
    say(this.below, "\u00a0");
  }

  open(name) {
    if (name !== this.name) { this.view = null; this.at = 0; }
    this.name = name;
    say(this.title, name);
  }

  close() { this.at = 0; }

  draw(desk, now) {
    const row = desk.rows?.[this.name];
    if (!row) { this.reasons = ""; say(this.why, "There is no strategy of that name."); return; }
    state(this.mood, stateOf(row));
    const reasons = [row.why, row.lock ? `${row.lock}; \`${row.remedy}\`` : ""].filter(Boolean).join("; ");
    if (this.reasons !== reasons) { this.reasons = reasons; fill(this.why, ...worded(reasons)); }
    const kind = `${row.trading}${row.remedy}${row.former}`;
    if (this.drawn !== kind + this.name) { this.drawn = kind + this.name; fill(this.buttons, ...this.actions.choices(this.name)); }
    this.drawFacts(row, now);
    if (document.visibilityState === "visible" && now - (this.at ?? 0) > EVERY) { this.at = now; this.load(); }
  }

  drawFacts(row, now) {
    const facts = [
      ["Symbol", row.symbol], ["Price", price(row.bid)], ["Last tick", row.ticked ? `${span(Math.max(now - row.ticked - 2, 0))} ago` : "none"],
      ["Position", row.position ? `${row.position.side} ${figure(row.position.lots)} at ${price(row.position.entry)}` : "flat"],
      ["Floating", signed(row.floating), tone(row.floating)], ["Today", signed(row.today ?? 0), tone(row.today)], ["Total", signed(row.total), tone(row.total)],
      ["Trades", figure(row.trades ?? 0, 0)], ["Won", percent(row.win_rate)], ["Restarts", figure(row.restarts ?? 0, 0)],
      ["Memory", megabytes(row.memory)], ["CPU", `${figure(row.cpu ?? 0, 1)} %`], ["Process", row.pid ? `${row.pid}, up ${span(now - row.since)}` : "none"],
    ];
    while (this.facts.children.length < facts.length) this.facts.append(el("div", {}, el("dt", {}), el("dd", {})));
    facts.forEach(([word, value, kind], at) => {
      const [dt, dd] = this.facts.children[at].children;
      say(dt, word); say(dd, value); mark(dd, "class", kind || undefined);
    });
  }

  async load() {
    const name = this.name;
    const answer = await fetch(`/api/strategy/${encodeURIComponent(name)}`).catch(() => null);
    if (!answer?.ok || name !== this.name) return;
    this.view = await answer.json();
    this.show(this.view);
  }

  show(view) {
    say(this.candleTitle, `${view.symbol} ${view.timeframe}`);
    this.problem.hidden = !view.problem;
    say(this.problem, view.problem);
    this.candles.show(view);
    const points = view.curve.map(([us, net, below]) => [us / 1e6, net, below]);
    this.equity.show([{ name: "net", points, main: true }], `Running net of ${points.length} trades`);
    this.drawLife(view.life);
    this.tabs.fill("Decisions", decisions(view));
    this.tabs.fill("Trades", trades(view.trades));
    this.tabs.fill("Orders", orders(view.orders));
    this.tabs.fill("Settings", settings(view));
    this.tabs.fill("Log", log(view.log));
    this.tabs.fill("Deaths", deaths(view.deaths));
  }

  /** A strip of time: each stretch as long as it was, its state said and coloured. */
  drawLife(life) {
    const begin = life[0]?.begin ?? 0;
    const whole = (life.at(-1)?.end ?? 0) - begin || 1;
    fill(this.strip, ...life.slice(-300).map((one) => {
      const seconds = one.end - one.begin;
      const part = el("span", { class: `stretch ${one.state}`, tabindex: seconds / whole > 0.01 ? "0" : undefined,
        "data-tip": `${one.state} for ${span(seconds)}\n${moment(one.begin, true)}\n${utc(one.begin)}${one.why ? `\n${one.why}` : ""}` });
      part.style.flexGrow = String(Math.max(seconds / whole, 0.002));
      return part;
    }));
    mark(this.strip, "aria-label", `${life.length} stretches of its life, now ${life.at(-1)?.state ?? "unknown"}`);
  }
}

const when = (seconds) => el("span", { "data-tip": utc(seconds) }, moment(seconds));
const amount = (value) => el("span", { class: tone(value) || undefined }, signed(value));

function decisions(view) {
  return table(["Time", "Signal", "p", "Action", "Lots", "Price", "Why"], [...view.decisions].reverse().slice(0, 300).map((d) => [
    when(d.time), d.word, d.probability === undefined ? "" : figure(d.probability, 3), d.action, d.lots ? figure(d.lots) : "", price(d.price), d.why ?? ""]), [2, 4, 5]);
}

export function trades(found, withName = false) {
  return table([...(withName ? ["Strategy"] : []), "Closed", "Side", "Lots", "Symbol", "Entry", "Exit", "Net", "Commission", "Open for", "Closed by"],
    [...found].reverse().slice(0, 500).map((t) => [
      ...(withName ? [el("a", { href: `#/strategy/${t.strategy}` }, t.strategy)] : []),
      when(t.closed_us / 1e6), t.side === "BUY" ? "▲ BUY" : "▼ SELL", figure(t.lots), t.symbol, price(t.entry), price(t.exit),
      amount(t.net), figure(t.commission), span((t.closed_us - t.opened_us) / 1e6),
      ["FILLED", "PARTIAL"].includes(t.code) ? "strategy" : t.code.toLowerCase().replace("_", " ")]), withName ? [3, 5, 6, 7, 8, 9] : [2, 4, 5, 6, 7, 8]);
}

function orders(found) {
  return table(["Time", "Action", "Side", "Lots", "Status", "Code", "Price", "Reason, detail"], [...found].reverse().map((o) => [
    when(o.time_us / 1e6), o.action, o.side, o.lots === null ? "" : figure(o.lots),
    el("span", { class: o.status === "REJECTED" ? "bad" : undefined }, o.status === "REJECTED" ? "✕ REJECTED" : o.status), o.code ?? "", price(o.price), [o.reason, o.detail].filter(Boolean).join("; ")]), [3, 6]);
}

function settings(view) {
  const file = view.file.split("/").at(-1);
  return el("div", {}, el("p", { class: "faint pad" }, view.file), table(["Field", "Value", "Stands in"], view.settings.map((one) => [
    el("span", { class: "mono" }, one.path), el("span", { class: "mono" }, one.value), one.line === null ? el("span", { class: "faint" }, "default") : `${file}:${one.line}`]), []));
}

function log(lines) {
  return el("div", {}, table(["Time", "Level", "Message"], [...lines].reverse().map((line) => [
    when(Date.parse(line.time) / 1000), line.level, el("span", { class: "mono wrap" }, line.exception ? `${line.message}\n${line.exception}` : line.message)]), []));
}

function deaths(found) {
  if (!found.length) return el("p", { class: "none" }, "It has never died.");
  return el("div", { class: "deaths" }, ...[...found].reverse().map((death) => {
    const ticks = el("div", { class: "chart small" });
    const memory = el("div", { class: "chart small" });
    const box = el("details", { class: "death" },
      el("summary", {}, when(Date.parse(death.time) / 1000), ` ${death.cause}: ${death.detail} `, el("span", { class: "soft" }, death.recovery === null ? "" : `first tick ${figure(death.recovery * 1000, 0)} ms later`)),
      el("p", { class: "soft" }, death.decision), death.mids.length > 1 ? el("h3", {}, "Its last ticks") : null, ticks,
      death.memory.length > 1 ? el("h3", {}, "Its memory, MB") : null, memory, death.text ? el("pre", { tabindex: "0" }, death.text) : null);
    box.addEventListener("toggle", () => {
      if (!box.open || box.dataset.drawn) return;
      box.dataset.drawn = "1";
      small(ticks, death.mids);
      small(memory, death.memory.map((bytes) => bytes / 1e6));
    });
    return box;
  }));
}

/** A small curve of what came one after the other. */
function small(node, values) {
  if (values.length < 2) { node.hidden = true; return; }
  const least = values[0];
  new LineChart(node, () => {}).show([{ name: "", points: values.map((value, at) => [at, value - least, 0]) }], `${values.length} values, from ${least}`);
}
