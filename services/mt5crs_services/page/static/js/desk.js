/** The desk: one row a strategy, sortable and filterable, each cell touched only when it changes. */

import { AccountStrip, ServiceStrip, TroubleList } from "./head.js";
import { el, fill, mark, say, state, stateOf } from "./dom.js";
import { figure, megabytes, percent, price, signed, span, tone, utc, moment } from "./format.js";
import { draw, spark } from "./charts/spark.js";

const GRAVE = ["QUARANTINED", "BACKOFF", "KILLING", "DEGRADED", "HALTED", "REDUCING", "STARTING", "RECOVERING", "WARMING", "STOPPING", "STOPPED", "RUNNING", "DISABLED", "REMOVED"];

/** The columns: key, title, what it is sorted by, whether it is a figure, and what it means. */
const COLUMNS = [
  ["name", "Strategy", (row) => row.name, false, "Name and symbol."],
  ["status", "State", (row) => GRAVE.indexOf(stateOf(row)), false, "Where it is in its life, and why."],
  ["price", "Price", (row) => row.ticked ?? 0, true, "Bid of its last tick; below it, how long ago that was, by the clock."],
  ["day", "Day", (row) => row.today ?? 0, false, "What its trades have made since 00:00 UTC of the market's day; the last piece is the open profit."],
  ["position", "Position", (row) => (row.position ? row.position.lots * (row.position.side === "BUY" ? 1 : -1) : 0), false, "Side, lots and price of the opening; below, stop and target."],
  ["floating", "Floating", (row) => row.floating, true, "Profit of the open position at the last quote."],
  ["today", "Today", (row) => row.today ?? 0, true, "Net of the trades closed on the market's day, UTC."],
  ["total", "Total", (row) => row.total, true, "Profit of closed deals less commission, with swap, by the ledger."],
  ["trades", "Trades", (row) => row.trades ?? 0, true, "Trades that were closed."],
  ["won", "Won", (row) => row.win_rate ?? -1, true, "Share of the closed trades whose net is above 0."],
  ["signal", "Signal", (row) => row.signal?.time ?? 0, false, "The last decision with the model's probability, and what became of it."],
  ["restarts", "RST", (row) => row.restarts ?? 0, true, "Restarts: respawns after a death since the supervisor began; below, how long the last took until its first tick."],
  ["memory", "Memory", (row) => row.memory ?? 0, true, "Resident memory."],
  ["cpu", "CPU", (row) => row.cpu ?? 0, true, "Percent of one core over its last beats."],
];

/** Rows out of sight that are drawn at a time: with fewer all of them are, with many one after the other. */
const UNSEEN_AT_ONCE = 50;

const TWO_LINES = new Set(["name", "status", "price", "position", "signal", "restarts"]);

class RowView {
  constructor(name, actions) {
    this.cells = {};
    this.node = el("tr", { "data-name": name });
    const menu = el("button", { class: "quiet act", "aria-label": `Act on ${name}`, onclick: () => actions.menu(name) }, "⋯");
    for (const [key, , , number] of COLUMNS) {
      const first = key === "day" ? spark() : key === "name" ? el("a", { href: `#/strategy/${name}` }) : el("span", {});
      const second = TWO_LINES.has(key) ? el("span", { class: "second" }) : null;
      this.cells[key] = [first, second];
      this.node.append(el("td", { class: number ? `${key} num` : key }, first, second));
    }
    // Also where it is drawn later: whoever looks for a name on the page finds it.
    say(this.cells.name[0], name);
    this.node.append(el("td", { class: "more" }, menu));
  }

  draw(row, now) {
    const put = (key, text, under = "") => {
      const [first, second] = this.cells[key];
      say(first, text);
      if (second) say(second, under);
    };
    const amount = (key, value) => {
      put(key, signed(value));
      mark(this.cells[key][0], "class", tone(value) || undefined);
    };
    mark(this.node, "class", row.former ? "former" : undefined);
    put("name", row.name, row.symbol);
    state(this.cells.status[0], stateOf(row));
    say(this.cells.status[1], reason(row));
    mark(this.cells.status[1], "title", [row.why, row.lock, row.remedy].filter(Boolean).join("\n") || reason(row) || undefined);
    put("price", price(row.bid), row.ticked ? `${span(Math.max(now - row.ticked - 2, 0))} ago` : row.former ? "" : "no tick yet");
    draw(this.cells.day[0], row.day, row.floating);
    const held = row.position;
    put("position", held ? `${held.side === "BUY" ? "▲ BUY" : "▼ SELL"} ${figure(held.lots)} at ${price(held.entry)}` : "flat",
      held ? [held.stop ? `stop ${price(held.stop)}` : "", held.target ? `target ${price(held.target)}` : ""].filter(Boolean).join(" · ") : "");
    mark(this.cells.position[0], "class", held ? undefined : "faint");
    amount("floating", row.floating);
    amount("today", row.today ?? 0);
    amount("total", row.total);
    put("trades", figure(row.trades ?? 0, 0));
    put("won", percent(row.win_rate));
    const signal = row.signal;
    put("signal", signal ? `${signal.word}${signal.probability === undefined ? "" : ` p=${figure(signal.probability, 3)}`}` : "none yet",
      signal ? `${moment(signal.time)}${acted(signal)}` : "");
    mark(this.cells.signal[0], "class", signal && signal.word !== "HOLD" ? undefined : "soft");
    mark(this.cells.signal[1], "title", signal ? `${utc(signal.time)}${signal.why ? `\n${signal.why}` : ""}` : undefined);
    put("restarts", figure(row.restarts ?? 0, 0), row.recovery_ms ? `${figure(row.recovery_ms, 0)} ms` : "");
    put("memory", megabytes(row.memory));
    put("cpu", row.pid ? `${figure(row.cpu ?? 0, 1)} %` : "–");
  }
}

/** What stands below a state: what it waits for, or why it may not trade. */
function reason(row) {
  if (row.why) return row.why;
  if (row.held) return row.held;
  if (row.warm !== undefined) return `warming up, ${percent(row.warm)} of its bars`;
  return "";
}

function acted(signal) {
  const words = { NONE: "", KEEP: " · kept", OPEN: " · opened", CLOSE: " · closed", TURN: " · turned", MISSED: " · missed", REFUSED: " · refused", NO_TRADE: " · no trade" };
  return words[signal.action] ?? ` · ${signal.action.toLowerCase()}`;
}

/** The whole view. */
export class DeskView {
  constructor(actions) {
    // Of no prototype: a strategy may be called "constructor".
    this.rows = Object.create(null);
    this.actions = actions;
    this.inSight = new Set();
    this.sight = new IntersectionObserver((entries) => this.see(entries), { rootMargin: "400px 0px" });
    this.turn = 0;
    window.addEventListener("beforeprint", () => this.drawRows(Object.keys(this.rows)));
    this.sort = JSON.parse(localStorage.getItem("sort") ?? "null") ?? { key: "", down: false };
    this.account = new AccountStrip();
    this.trouble = new TroubleList();
    this.services = new ServiceStrip((name) => actions.restart(name));
    this.counts = el("span", { class: "counts" });
    this.filter = el("input", { type: "search", placeholder: "Filter by name, symbol, state", "aria-label": "Filter strategies" });
    this.filter.addEventListener("input", () => this.arrange());
    this.sorting = el("select", { class: "sorting", "aria-label": "Sort by" },
      el("option", { value: "" }, "as configured"), ...COLUMNS.map(([key, title]) => el("option", { value: key }, title)));
    this.sorting.addEventListener("change", () => this.by(this.sorting.value, true));
    this.heads = Object.fromEntries(COLUMNS.map(([key, title, , number, meaning]) => [
      key, el("th", { scope: "col", class: number ? "num" : undefined },
        el("button", { onclick: () => this.by(key), "data-tip": meaning }, title))]));
    this.body = el("tbody", {});
    this.none = el("p", { class: "none", hidden: true }, "No strategy matches.");
    this.node = el("div", { class: "deskview" });
    fill(this.node, this.trouble.node, this.account.node,
      el("section", { class: "card", "aria-label": "Strategies" },
        el("div", { class: "head" }, el("h2", {}, "Strategies"), this.counts,
          el("span", { class: "tools right" }, this.filter, this.sorting)),
        el("div", { class: "desk", tabindex: "0", role: "region", "aria-label": "Table of strategies" }, el("table", {}, el("thead", {}, el("tr", {}, ...Object.values(this.heads), el("td", { class: "more" }))), this.body), this.none)),
      this.services.node);
  }

  by(key, once = false) {
    const same = this.sort.key === key && !once;
    this.sort = same && this.sort.down ? { key: "", down: false } : { key, down: same || once };
    localStorage.setItem("sort", JSON.stringify(this.sort));
    this.arrange();
  }

  draw(desk, now) {
    this.desk = desk;
    this.account.draw(desk);
    this.trouble.draw(desk);
    this.services.draw(desk);
    const rows = desk.rows ?? {};
    for (const name of Object.keys(this.rows)) {
      if (!Object.hasOwn(rows, name)) this.forget(name);
    }
    for (const name of Object.keys(rows)) {
      if (this.rows[name]) continue;
      this.rows[name] = new RowView(name, this.actions);
      this.sight.observe(this.rows[name].node);
    }
    this.now = now;
    this.drawRows(this.due(Object.keys(rows)));
    this.arrange();
  }

  drawRows(names) {
    for (const name of names) {
      // While another view is shown, one may be gone that is still here.
      if (Object.hasOwn(this.desk.rows, name)) this.rows[name].draw(this.desk.rows[name], this.now);
    }
  }

  /** Which rows are drawn now: those in sight, and of the others the next in turn. */
  due(names) {
    const unseen = names.filter((name) => !this.inSight.has(name));
    const from = this.turn < unseen.length ? this.turn : 0;
    this.turn = from + UNSEEN_AT_ONCE;
    return [...this.inSight, ...unseen.slice(from, this.turn)];
  }

  /** Draw what has come into sight, as it is by now. */
  see(entries) {
    for (const { target, isIntersecting } of entries) {
      const name = target.dataset.name;
      if (this.rows[name]?.node !== target) continue;
      if (!isIntersecting) this.inSight.delete(name);
      else {
        this.inSight.add(name);
        this.drawRows([name]);
      }
    }
  }

  forget(name) {
    this.sight.unobserve(this.rows[name].node);
    this.rows[name].node.remove();
    this.inSight.delete(name);
    delete this.rows[name];
  }

  /** Order and filter: the nodes are moved only where the order is another one. */
  arrange() {
    const rows = this.desk?.rows ?? {};
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (row) => words.every((word) => `${row.name} ${row.symbol} ${row.state} ${stateOf(row)}`.toLowerCase().includes(word));
    const names = (this.desk?.order ?? []).filter((name) => rows[name]);
    const column = COLUMNS.find(([key]) => key === this.sort.key);
    if (column) {
      const value = column[2];
      names.sort((a, b) => compare(value(rows[a]), value(rows[b])) * (this.sort.down ? -1 : 1));
    }
    const shown = names.filter((name) => matches(rows[name]));
    const nodes = shown.map((name) => this.rows[name].node);
    const before = this.body.children;
    if (nodes.length !== before.length || nodes.some((node, at) => before[at] !== node)) this.body.replaceChildren(...nodes);
    for (const [key, head] of Object.entries(this.heads)) {
      mark(head, "aria-sort", key === this.sort.key ? (this.sort.down ? "descending" : "ascending") : undefined);
    }
    if (this.sorting.value !== this.sort.key) this.sorting.value = this.sort.key;
    this.none.hidden = shown.length > 0 || !this.desk;
    const count = (state) => names.filter((name) => rows[name].state === state).length;
    const degraded = count("DEGRADED");
    const held = names.filter((name) => rows[name].held && !rows[name].former).length;
    const configured = names.filter((name) => !rows[name].former).length;
    say(this.counts, `${count("RUNNING") + degraded} of ${configured} running${degraded ? ` · ${degraded} degraded` : ""}${held ? ` · ${held} held back` : ""}${shown.length < names.length ? ` · ${shown.length} shown` : ""}`);
  }
}

function compare(a, b) {
  return typeof a === "string" ? a.localeCompare(b) : a - b;
}
