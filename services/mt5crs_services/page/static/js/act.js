/** Acting: a dialog says what will happen, and then what has, in the words of the command line. */

import { el, fill, say } from "./dom.js";

/** A cookie goes to every port of the host; what is kept here stays with this one, and both are needed. */
const PROOF = "forgery";

/** What this script proves itself with. */
function own() {
  const proof = localStorage.getItem(PROOF);
  return proof ? { "x-mt5crs": proof } : {};
}

/** Who may act, and the dialogs. */
export class Actions {
  constructor(stream) {
    this.stream = stream;
    this.session = { may_act: false, may_look: true, installation: "" };
    this.dialog = document.getElementById("dialog");
    this.bar = document.getElementById("actions");
    this.changed = () => {};
  }

  /** Ask who we are; a token in the address is shown once, and taken out of it. */
  async begin() {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (token) history.replaceState(null, "", `${location.pathname}#/`);
    this.session = await this.asked();
    if (token) await this.show(token);
    this.draw();
  }

  /** What we may do; asked until somebody answers: the page's process may just be coming back. */
  async asked() {
    for (;;) {
      const answer = await fetch("/api/session", { headers: own() }).catch(() => null);
      if (answer?.ok) return answer.json();
      await new Promise((later) => setTimeout(later, 3000));
    }
  }

  async show(token) {
    const answer = await fetch("/api/session", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token }),
    });
    const said = await answer.json();
    if (!answer.ok) return said.error;
    localStorage.setItem(PROOF, said.forgery);
    Object.assign(this.session, { may_act: said.may_act, may_look: true });
    this.draw();
    this.changed();
    return "";
  }

  draw() {
    const killed = Boolean(this.stream.desk?.account?.killed);
    const kind = `${this.session.may_act}${killed}`;
    document.documentElement.toggleAttribute("data-acts", this.session.may_act);
    if (this.drawn === kind) return;
    this.drawn = kind;
    if (!this.session.may_act) {
      fill(this.bar, el("button", { onclick: () => this.letIn() }, "Unlock actions"));
      return;
    }
    fill(this.bar,
      el("button", { onclick: () => this.reload() }, "Reload"),
      killed ? el("button", { class: "danger", onclick: () => this.killOff() }, "Kill switch off")
        : el("button", { class: "danger", onclick: () => this.killOn() }, "Kill switch"));
  }

  /** A token by hand, for who has opened the plain address. */
  letIn(reason = "") {
    const token = el("input", { type: "password", autocomplete: "off", required: true });
    const told = el("p", { class: "bad", role: "alert" }, reason);
    this.open("Unlock actions", [
      el("p", {}, "Looking is free on this machine; acting needs the token. ", el("code", {}, "mt5crs-supervisor page"), " prints it, with the address."),
      el("label", {}, "Token", token), told,
    ], "Unlock", async () => {
      const problem = await this.show(token.value);
      if (problem) { say(told, problem); token.select(); return false; }
      return true;
    });
  }

  /** What can be done with one strategy. */
  menu(name) {
    this.open(name, [el("p", {}, "Each of these says first what will happen."), el("p", { class: "choices" }, ...this.choices(name))], "", null);
  }

  /** A button for each of them. */
  choices(name) {
    const row = this.stream.desk?.rows?.[name];
    const button = (word, act, kind) => el("button", { type: "button", class: kind, onclick: act }, word);
    return [
      this.wayOut(row?.remedy ?? "", button) ?? button("Pause", () => this.pause(name)),
      row?.former ? null : button("Restart", () => this.restart(name)),
      button("Flatten", () => this.flatten(name), "danger"),
    ].filter(Boolean);
  }

  /** What takes off that which holds a strategy back; for the kill switch, the button at the top. */
  wayOut(remedy, button) {
    const [verb, scope] = remedy.split(" ");
    const name = scope === "--all" ? "" : scope;
    if (verb === "unlock") return button("Unlock", () => this.unlock(name));
    return verb === "resume" ? button("Resume", () => this.resume(name)) : null;
  }

  restart(name) {
    this.confirm(`Restart ${name}?`, [`${name} gets a fresh process and a clean record; an open position stays open meanwhile, guarded by its stop and target.`],
      "Restart", () => ({ verb: "restart", name }));
  }

  pause(name) {
    this.confirm(`Pause ${name}?`, [`${name} opens no position any more until it is resumed; it may close what it has.`],
      "Pause", (why) => ({ verb: "pause", name, why }), true);
  }

  resume(name) {
    const whom = name || "every strategy";
    this.confirm(`Resume ${whom}?`, [`${whom} may open positions again, unless something else holds it back.`], "Resume", () => ({ verb: "resume", name }));
  }

  unlock(name) {
    const whom = name || "every strategy";
    this.confirm(`Unlock ${whom}?`, [`What a risk rule has locked is taken off: ${whom} may trade again, unless something else holds it back.`,
      "Where the rule is broken still, the next order locks again: then it is the limit, in global.risk of the configuration, that has to be changed, and reloaded."], "Unlock", () => ({ verb: "unlock", name }));
  }

  flatten(name) {
    const held = this.stream.desk?.rows?.[name]?.position;
    const what = held ? `${held.side} ${held.lots} is closed now, at the market.` : "It holds nothing just now.";
    this.confirm(`Flatten ${name}?`, [what, "It goes on, and may open again; pause it to keep it flat."], "Close the position", () => ({ verb: "flatten", name }), false, true);
  }

  killOn() {
    const rows = Object.values(this.stream.desk?.rows ?? {});
    const open = rows.filter((row) => row.position).length;
    this.confirm("Turn the kill switch on?", [
      `Every order of all ${rows.filter((row) => !row.former).length} strategies is refused, whatever is restarted, until it is turned off.`,
      open ? `${open} open position${open > 1 ? "s stay" : " stays"} open, guarded by stop and target; no strategy can close ${open > 1 ? "them" : "it"}. Flatten does.` : "Nothing is open.",
    ], "Turn it on", (why) => ({ verb: "kill-switch", on: true, why }), true, true);
  }

  killOff() {
    const name = this.session.installation;
    const typed = el("input", { autocomplete: "off", required: true });
    this.open("Turn the kill switch off?", [
      el("p", {}, "Every strategy may trade again, unless something else holds it back."),
      el("label", {}, `Type the installation's name: ${name}`, typed),
    ], "Turn it off", () => this.carryOut({ verb: "kill-switch", on: false, confirmed: typed.value }), true);
  }

  /** First what would change, then, if it is wished, the change. */
  async reload() {
    this.open("Reload the configuration?", [el("p", {}, "Comparing the file with what runs …")], "", null);
    const outcome = await this.post({ verb: "reload", dry_run: true });
    const lines = el("pre", { tabindex: "0" }, outcome.lines.join("\n"));
    if (outcome.failed || outcome.lines[0]?.startsWith("Nothing differs")) {
      this.open(outcome.failed ? "The file cannot be taken up" : "Nothing to reload", [lines], "", null);
      return;
    }
    const keep = el("input", { type: "checkbox" });
    this.open("Reload the configuration?", [
      el("p", {}, "This is what changes; strategies that are untouched keep their process and miss no tick."), lines,
      el("label", {}, el("span", {}, keep, " strategies that leave may leave their position open, guarded by the gateway")),
    ], "Reload", () => this.carryOut({ verb: "reload", keep: keep.checked }));
  }

  confirm(title, sentences, button, wanted, asksWhy = false, grave = false) {
    if (!this.session.may_act) { this.letIn(); return; }
    const why = el("input", { maxlength: 200, autocomplete: "off" });
    this.open(title, [...sentences.map((one) => el("p", {}, one)), asksWhy ? el("label", {}, "Why (for whoever asks later)", why) : null],
      button, () => this.carryOut(wanted(why.value.trim())), grave);
  }

  /** A dialog with one thing that can be done, and a way out. */
  open(title, parts, button, act, grave = false) {
    const cancel = el("button", { type: "button", onclick: () => this.dialog.close() }, act ? "Cancel" : "Close");
    const go = act ? el("button", { type: "submit", class: grave ? "danger primary" : "primary" }, button) : null;
    const form = el("form", { method: "dialog" }, el("h2", { id: "dialog-title" }, title), ...parts.filter(Boolean), el("p", { class: "buttons" }, cancel, go));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!go || go.disabled) return;
      go.disabled = true;
      const done = await act();
      go.disabled = false;
      if (done) this.dialog.close();
    });
    fill(this.dialog, form);
    if (!this.dialog.open) this.dialog.showModal();
    (form.querySelector("input:not([type=checkbox])") ?? go ?? cancel).focus();
  }

  /** Do it, and show what came of it. */
  async carryOut(wanted) {
    this.open("Under way …", [el("p", { role: "status" }, "The command runs; what it says is shown here.")], "", null);
    const outcome = await this.post(wanted);
    this.open(outcome.failed ? "Not done" : "Done", [el("pre", { class: "outcome", tabindex: "0" }, outcome.lines.join("\n") || "It said nothing.")], "", null);
    return false;
  }

  async post(wanted) {
    try {
      const answer = await fetch("/api/act", {
        method: "POST", body: JSON.stringify(wanted),
        headers: { "content-type": "application/json", ...own() },
      });
      const said = await answer.json();
      return answer.ok ? said : { failed: true, lines: [said.error] };
    } catch (error) {
      return { failed: true, lines: [`The page's server does not answer: ${error.message}. It may have been done all the same.`] };
    }
  }
}
