// What a view asks the API for beside the frames: at once, again after a while, and when a
// frame says that there is news; never while nobody looks or the connection is lost.

import { get } from "./api.js";

export class Resource {
  /**
   * @param {import("./app.js").App} app
   * @param {() => string} path
   * @param {number} every milliseconds
   * @param {(answer: any) => void} take
   * @param {(err: any) => void} [failed]
   */
  constructor(app, path, every, take, failed = () => {}) {
    Object.assign(this, { app, path, every, take, failed });
    this.stop = new AbortController();
    this.at = -Infinity;
    this.asking = false;
    this.asked = "";
  }

  /** Asks again if it is time, or if the path is another. A view calls it with each frame. */
  poll() {
    const path = this.path();
    if (this.asking || (path === this.asked && performance.now() - this.at < this.every)) return;
    this.ask(path);
  }

  /** Asks again at once. */
  again() {
    this.at = -Infinity;
    this.poll();
  }

  /** @param {string} path */
  async ask(path) {
    this.asking = true;
    this.at = performance.now();
    this.asked = path;
    let answer = null;
    try {
      answer = await get(path, this.stop.signal);
    } catch (err) {
      if (!this.stop.signal.aborted) this.failed(err);
    } finally {
      this.asking = false;
    }
    if (answer && !this.stop.signal.aborted && path === this.path()) this.take(answer);
  }

  close() {
    this.stop.abort();
  }
}
