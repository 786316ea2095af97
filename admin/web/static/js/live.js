// The connection: one stream of frames while somebody looks, none while nobody does. What is
// shown is either fresh, or says how old it is.

import { get, send, Problem } from "./api.js";
import { read } from "./sse.js";

/** Without a frame for so long, in milliseconds, the stream is dead, whatever TCP says. */
const silence = 5000;
/** From this age on, in milliseconds, what is shown is no longer fresh. */
export const stale = 3500;
const longestWait = 8000;

/**
 * @typedef {"connecting"|"live"|"lost"|"paused"|"hidden"|"denied"} State
 */

export class Live {
  /** @param {(frame: any) => void} onFrame @param {() => void} onState */
  constructor(onFrame, onState) {
    this.onFrame = onFrame;
    this.onState = onState;
    /** @type {State} */
    this.state = "connecting";
    this.why = ""; // the last failure
    this.last = ""; // the id of the last message
    this.receivedAt = 0; // when the last frame came, by performance.now
    this.failures = 0;
    this.paused = false;
    /** @type {AbortController|null} */
    this.abort = null;
    this.watch = 0;
  }

  start() {
    document.addEventListener("visibilitychange", () => this.resume());
    window.addEventListener("online", () => this.resume());
    setInterval(() => this.tick(), 1000);
    this.resume();
  }

  /** How long ago the last frame came, in milliseconds; infinite before the first. */
  get age() {
    return this.receivedAt ? performance.now() - this.receivedAt : Infinity;
  }

  get fresh() {
    return this.state === "live" && this.age < stale;
  }

  /** Holds the page as it is, or lets it go on. @param {boolean} paused */
  pause(paused) {
    this.paused = paused;
    this.resume();
  }

  /** Connects if somebody looks, else ends the stream. */
  resume() {
    clearTimeout(this.watch);
    if (this.abort) this.abort.abort();
    this.abort = null;
    if (document.hidden) return this.become("hidden");
    if (this.paused) return this.become("paused");
    this.failures = 0;
    this.become(this.receivedAt ? "lost" : "connecting");
    this.run();
  }

  /** @param {State} state */
  become(state) {
    this.state = state;
    this.onState();
  }

  tick() {
    if (this.state === "live" && this.age > stale) this.become("lost");
    else if (this.state !== "live" && this.state !== "hidden") this.onState(); // the age is shown
  }

  async run() {
    const mine = (this.abort = new AbortController());
    while (this.abort === mine) {
      try {
        if (!(await this.follow(mine))) this.why = "the server has ended the stream";
      } catch (err) {
        if (this.abort !== mine) return;
        if (!this.failed(err)) return;
      }
      if (this.abort !== mine) return;
      if (this.state === "live" && this.why) this.become("lost");
      await this.wait(mine);
    }
  }

  /** Notes a failure; false ends the attempts. @param {any} err */
  failed(err) {
    if (err instanceof Problem && err.status === 401) {
      this.abort = null;
      this.become("denied");
      return false;
    }
    this.why = err instanceof TypeError || !err.message ? "the server cannot be reached" : err.message; // fetch throws a TypeError
    return true;
  }

  /** @param {AbortController} mine */
  async wait(mine) {
    const ms = Math.min(longestWait, 500 * 2 ** this.failures++) * (0.75 + Math.random() / 2);
    await new Promise((done) => {
      setTimeout(done, ms);
      mine.signal.addEventListener("abort", done, { once: true });
    });
  }

  /** Reads one stream to its end, or one frame where no stream is left. @param {AbortController} mine @returns {Promise<boolean>} whether it was one frame */
  async follow(mine) {
    const one = new AbortController();
    const end = () => one.abort();
    mine.signal.addEventListener("abort", end, { once: true });
    try {
      this.expect(one);
      const headers = this.last ? { "Last-Event-ID": this.last } : {};
      const answer = await send("v1/frames", { signal: one.signal, headers });
      await read(answer, (message) => {
        this.expect(one);
        this.take(message);
      });
      return false;
    } catch (err) {
      if (one.signal.aborted && !mine.signal.aborted) throw new Error("the stream is silent");
      if (err instanceof Problem && err.status === 503) return await this.once();
      throw err;
    } finally {
      clearTimeout(this.watch);
      mine.signal.removeEventListener("abort", end);
      one.abort();
    }
  }

  /** Asks for one frame where there is no stream to be had. */
  async once() {
    this.arrived(await get("v1/frame"));
    this.last = "";
    this.failures = 2; // a frame every two seconds or so
    return true;
  }

  /** @param {AbortController} one */
  expect(one) {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => one.abort(), silence);
  }

  /** @param {import("./sse.js").Message} message */
  take(message) {
    if (message.event === "problem") throw new Problem(503, JSON.parse(message.data));
    if (message.id) this.last = message.id;
    this.arrived(JSON.parse(message.data));
  }

  /** @param {any} frame */
  arrived(frame) {
    this.receivedAt = performance.now();
    this.failures = 0;
    this.why = "";
    this.onFrame(frame);
    if (this.state !== "live") this.become("live");
  }
}
