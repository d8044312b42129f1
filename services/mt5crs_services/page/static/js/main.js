/** The beginning: who we are, the stream, and which view is shown. */

import { Actions } from "./act.js";
import { DeskView } from "./desk.js";
import { el, fill, mark, say, tips } from "./dom.js";
import { EventsView } from "./events.js";
import { pulse } from "./head.js";
import { HistoryView } from "./history.js";
import { StrategyView } from "./strategy.js";
import { Stream } from "./stream.js";

const view = document.getElementById("view");
const stream = new Stream();
const actions = new Actions(stream);
const views = { desk: new DeskView(actions), strategy: new StrategyView(actions), events: new EventsView(), history: new HistoryView() };
let current = null;

/** Which view an address means: #/, #/strategy/NAME, #/events, #/history. */
function route() {
  const [, name = "", what = ""] = location.hash.split("/");
  return { name: name || "desk", what: decodeURIComponent(what) };
}

function show() {
  const { name, what } = route();
  const next = views[name] ?? views.desk;
  if (current !== next) {
    current?.close?.();
    current = next;
    if (stream.desk) fill(view, next.node);
    // Another view begins at its head, wherever the one before was left.
    window.scrollTo(0, 0);
  }
  next.open?.(what);
  for (const link of document.querySelectorAll("nav a")) mark(link, "aria-current", link.dataset.view === name ? "page" : undefined);
  draw();
}

function draw() {
  const now = Date.now() / 1000;
  const stale = stream.stale(now);
  const banner = document.getElementById("stale");
  banner.hidden = !stale;
  say(banner, stale);
  if (!stream.desk) return;
  if (!view.contains(current.node)) fill(view, current.node);
  const title = stream.desk.installation;
  say(document.getElementById("title"), title);
  const wrong = (stream.desk.trouble ?? []).filter((one) => one.wrong).length;
  document.title = `${stale ? "(stale) " : wrong ? `(${wrong}) ` : ""}${title}`;
  pulse(document.getElementById("pulse"), stream.desk, now);
  actions.draw();
  views.events.take(stream.stories);
  current.draw(stream.desk, now);
}

async function begin() {
  tips(document);
  window.addEventListener("hashchange", show);
  await actions.begin();
  actions.changed = () => stream.open();
  if (!actions.session.may_look) {
    fill(view, el("p", { class: "waiting" }, "This page shows an account: it needs the token."));
    actions.letIn();
  } else stream.open();
  stream.listeners.add(draw);
  show();
  setInterval(draw, 1000);
}

begin();
