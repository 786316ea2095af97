// The page: which view is shown, what it is shown of, and what stands above every view.

import { here } from "./address.js";
import { get, whenDenied } from "./api.js";
import { Alerts } from "./alerts.js";
import { Config } from "./config.js";
import { Detail } from "./detail.js";
import { h, replace, setAttr, setText } from "./dom.js";
import { Events } from "./events.js";
import { Health } from "./health.js";
import { keyboard } from "./keys.js";
import { linkBar } from "./linkbar.js";
import { Live } from "./live.js";
import { Memory } from "./memory.js";
import { Model } from "./model.js";
import { Overrides } from "./overrides.js";
import { Overview } from "./overview.js";
import { askToken } from "./token.js";
import { Verdict } from "./verdict.js";
import { kinds } from "./words.js";

/** The views that have a link of their own. */
const views = [
  ["", "Overview", Overview], ["memory", "Memory", Memory], ["health", "Health", Health], ["alerts", "Alerts", Alerts],
  ["events", "Events", Events], ["config", "Configuration", Config], ["overrides", "Overrides", Overrides],
];

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

export class App {
  constructor() {
    this.model = new Model();
    this.me = { actor: "", write: false, guarded: false };
    this.main = byId("main");
    this.verdict = null;
    /** @type {any} */
    this.view = null;
    this.frames = { count: 0, spent: 0, most: 0 }; // what the frames have cost, in milliseconds of script
    this.due = false;
    this.live = new Live((frame) => this.take(frame), () => this.linked());
    this.link = linkBar(byId("link"), byId("lost"), this);
  }

  start() {
    replace(byId("nav"), views.map(([path, title]) => h("a", { href: `#/${path}`, "data-view": path }, title)));
    byId("skip").addEventListener("click", (event) => {
      event.preventDefault(); // the hash is the view's
      this.main.focus();
    });
    whenDenied(() => askToken(this));
    window.addEventListener("hashchange", () => this.go());
    keyboard(this);
    this.live.start();
    this.knowMe();
  }

  /** Asks who the page is used by: whoever may only look sees no buttons. */
  async knowMe() {
    try {
      this.me = await get("v1/me");
      this.link.show();
      if (this.view) this.view.show(this.model);
    } catch {
      // the stream says what is wrong
    }
  }

  /** A token was given, or another one. */
  async signedIn() {
    this.live.last = "";
    this.live.resume();
    await this.knowMe();
  }

  /** Takes a frame over, and shows it with the next picture. @param {any} frame */
  take(frame) {
    const begun = performance.now();
    this.model.apply(frame);
    this.spend(begun);
    if (!this.model.read) this.readPast();
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.show();
    });
  }

  show() {
    const begun = performance.now();
    if (!this.view) this.go(false);
    const f = this.model.frame;
    setText(byId("where"), [f.namespace, f.instance].filter(Boolean).join(" · "));
    const title = `${f.verdict === "ok" ? "" : f.findings.length ? `(${f.findings.length}) ` : ""}${f.namespace || "Foundation"}`;
    if (document.title !== title) document.title = title;
    this.verdict.show(this.model);
    this.view.show(this.model);
    this.frames.count++;
    this.spend(begun);
  }

  /** @param {number} begun */
  spend(begun) {
    const took = performance.now() - begun;
    this.frames.spent += took;
    this.frames.most = Math.max(this.frames.most, took);
  }

  async readPast() {
    this.model.read = true;
    try {
      this.model.remember(await get("v1/sparklines"));
    } catch {
      // the small plots begin now
    }
  }

  /** Shows the view of the address. @param {boolean} [focus] */
  go(focus = true) {
    if (!this.model.known) return;
    if (!this.verdict) this.verdict = new Verdict(byId("verdict"), (text) => setText(byId("said"), text));
    if (this.view && this.view.close) this.view.close();
    const place = here();
    const View = kinds[place.view] && place.name ? Detail : (views.find(([path]) => path === place.view) || views[0])[2];
    this.view = new View(place, this);
    for (const a of byId("nav").children) setAttr(a, "aria-current", a.dataset.view === place.view ? "page" : null);
    document.body.dataset.view = place.view;
    replace(this.main, this.view.el);
    this.view.show(this.model);
    if (focus) {
      this.main.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }

  /** The connection has another state. */
  linked() {
    document.body.classList.toggle("stale", !this.live.fresh && this.model.known && this.live.state !== "hidden");
    this.link.show();
    if (this.live.state === "denied") askToken(this);
  }

  /** Says what was done, to people and to screen readers. @param {string} text */
  said(text) {
    setText(byId("said"), text);
    this.link.note(text);
  }
}

const app = new App();
app.start();
Object.defineProperty(window, "foundation", { value: app }); // for tests, and for the curious
