/** What the server tells: everything once, then what differs; and whether it has gone silent. */

const SILENT_AFTER = 4;
/** Seconds until a stream that was refused is asked for again. */
const AGAIN = 3;

/** Apply a JSON merge patch (RFC 7386) in place; says which keys of the first level it touched. */
export function merge(target, patch) {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete target[key];
    else if (typeof value === "object" && !Array.isArray(value) && typeof target[key] === "object"
             && target[key] !== null && !Array.isArray(target[key])) merge(target[key], value);
    else target[key] = value;
  }
  return target;
}

/** The state of the desk, kept up to date; listeners hear of each change. */
export class Stream {
  constructor() {
    this.desk = null;
    this.stories = [];
    this.listeners = new Set();
    this.heard = 0;
    this.silence = null;
    this.source = null;
  }

  /** Open it; also again, after a session has begun. */
  open() {
    this.source?.close();
    const source = new EventSource("/api/stream");
    this.source = source;
    // A browser comes back by itself after a cut, but not after a refusal: "too many", or a proxy's
    // word that nobody is there while the page's process comes back.
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => { if (this.source === source) this.open(); }, AGAIN * 1000);
    });
    this.on("desk", (data) => { this.desk = data.rows || data.order ? data : null; this.alive(); });
    this.on("change", (patch) => { this.desk = merge(this.desk ?? {}, patch); this.alive(); });
    this.on("stories", (lines) => { this.stories = lines; });
    this.on("story", (lines) => { this.stories = [...this.stories, ...lines].slice(-1000); });
    this.on("silence", (said) => { this.silence = said; });
  }

  on(name, take) {
    this.source.addEventListener(name, (event) => {
      this.heard = Date.now() / 1000;
      take(JSON.parse(event.data));
      for (const listener of this.listeners) listener(name);
    });
  }

  alive() {
    this.silence = null;
  }

  /** Why what is shown is old, in words; empty: it is not. Unix seconds. */
  stale(now) {
    if (this.silence) {
      const since = this.silence.since ? ` for ${Math.round(now - this.silence.since)} s` : " yet";
      return `No word from the supervisor${since}: ${this.silence.why}. What is shown is as it was then.`;
    }
    if (this.heard && now - this.heard > SILENT_AFTER) {
      return `No word from the page's server for ${Math.round(now - this.heard)} s. What is shown is as it was then.`;
    }
    return "";
  }
}
