/** The account, what is wrong, and the services: what is looked at first. */

import { el, fill, mark, say, state, worded } from "./dom.js";
import { figure, megabytes, signed, span, tone } from "./format.js";

/** The account's figures, each with what it means one hover away. */
const FIGURES = [
  ["equity", "Equity", "Balance and floating profit, as the gateway says it.", "main"],
  ["today", "Today", "Net profit of the trades that were closed on the market's day, UTC; what `pnl --by day` says of it."],
  ["floating", "Floating", "Profit of the open positions at their last quotes."],
  ["realised", "Realised", "Profit of all closed deals less commission, with swap: what the account has made."],
  ["drawdown", "Drawdown", "The farthest that the running net of all closed trades ever was below its highest value before; what `pnl` says of it."],
  ["margin", "Margin", "Held by open positions; below it, what is free: equity less margin."],
  ["exposure", "Exposure", "What open positions are worth by currency: volume times contract size in the base currency, and that times the price, the other way, in the quote currency."],
];

/** The strip of figures. */
export class AccountStrip {
  constructor() {
    this.cells = {};
    this.node = el("dl", { class: "card account", "aria-label": "Account" });
    for (const [key, title, meaning, kind] of FIGURES) {
      const value = el("dd", { class: key === "exposure" ? "small" : undefined });
      const under = el("dd", { class: "under" });
      this.cells[key] = { value, under };
      this.node.append(el("div", { class: kind }, el("dt", { "data-tip": meaning, tabindex: "0" }, title), value, under));
    }
  }

  draw(desk) {
    const account = desk.account;
    if (!account) { say(this.cells.equity.value, "–"); return; }
    const put = (key, text, under = "", toned = undefined) => {
      say(this.cells[key].value, text);
      say(this.cells[key].under, under);
      mark(this.cells[key].value, "class", toned ? tone(toned) || undefined : undefined);
    };
    put("equity", figure(account.equity), `${account.currency} · ${account.book}`);
    put("today", signed(account.today ?? 0), account.day ?? "", account.today);
    put("floating", signed(account.floating), "", account.floating);
    put("realised", signed(account.realised), `balance ${figure(account.balance)}`, account.realised);
    put("drawdown", figure(account.drawdown ?? 0), `today ${figure(account.drawdown_today ?? 0)}`);
    put("margin", figure(account.margin), `${figure(account.free_margin)} free`);
    const held = Object.entries(account.exposure ?? {}).filter(([, amount]) => amount);
    const cell = this.cells.exposure.value;
    const text = JSON.stringify(held);
    if (cell.dataset.shown !== text) {
      cell.dataset.shown = text;
      fill(cell, ...held.map(([name, amount]) => el("span", {}, el("b", {}, `${name} `), signed(amount, 0))), held.length ? null : "none");
    }
  }
}

/** What is wrong, in the words of `status`, with the command that mends it. */
export class TroubleList {
  constructor() {
    this.node = el("section", { "aria-label": "What is wrong", "aria-live": "polite" });
    this.shown = null;
  }

  draw(desk) {
    const killed = desk.account?.killed ?? "";
    const found = [...(desk.trouble ?? [])].sort((a, b) => b.wrong - a.wrong);
    const ledger = desk.account?.why ?? "";
    const text = JSON.stringify([killed, found, ledger, desk.stopping]);
    if (text === this.shown) return;
    this.shown = text;
    const lines = found.filter((one) => !(killed && one.text.startsWith("account:") && one.text.includes("kill-switch")));
    const items = [
      killed ? el("li", { class: "killed" }, el("span", {}, "Kill switch is ON: no order of anybody is executed. ", killed)) : null,
      desk.stopping ? el("li", {}, "The system is stopping.") : null,
      ledger ? el("li", {}, ledger) : null,
      ...lines.map((one) => el("li", { class: one.wrong ? undefined : "note" }, el("span", {}, ...worded(one.text)))),
    ].filter(Boolean);
    fill(this.node, items.length ? el("ul", { class: "trouble" }, ...items)
      : el("p", { class: "card allwell" }, "All well: everybody runs, nothing is held back."));
  }
}

/** The services, on one line. */
export class ServiceStrip {
  constructor(restart) {
    this.restart = restart;
    this.list = el("ul", { class: "services" });
    this.node = el("section", { class: "card", "aria-label": "Services" }, el("h2", {}, "Services"), this.list);
    this.items = {};
  }

  draw(desk) {
    const services = desk.services ?? {};
    for (const name of Object.keys(this.items)) {
      if (!services[name]) { this.items[name].node.remove(); delete this.items[name]; }
    }
    for (const [name, row] of Object.entries(services)) {
      if (!this.items[name]) {
        const mood = el("span", {});
        const more = el("span", { class: "second" });
        const button = el("button", { class: "quiet act", onclick: () => this.restart(name), "aria-label": `Restart ${name}` }, "restart");
        const node = el("li", {}, el("strong", {}, name), mood, more, button);
        this.items[name] = { node, mood, more };
        this.list.append(node);
      }
      const item = this.items[name];
      state(item.mood, row.state);
      const restarts = row.restarts ? ` · ${row.restarts} restart${row.restarts > 1 ? "s" : ""}` : "";
      say(item.more, `${megabytes(row.memory)} · ${figure(row.cpu ?? 0, 1)} %${restarts}${row.why ? ` · ${row.why}` : ""}`);
    }
  }
}

/** The one line in the bar: who, since when, and the market's own clock. */
export function pulse(node, desk, now) {
  const market = desk.market_time ? ` · market ${new Date(desk.market_time * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC` : "";
  say(node, `up ${span(now - desk.began)}${market}`);
}
