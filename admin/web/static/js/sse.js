// Server-sent events over fetch. EventSource cannot send a token in a header, and a token in
// the address would stand in logs.

/**
 * @typedef {object} Message
 * @property {string} id
 * @property {string} event
 * @property {string} data
 */

/** Makes messages of what arrives, in pieces that begin and end anywhere. */
export class Parser {
  constructor() {
    this.rest = "";
    this.id = "";
    this.event = "";
    /** @type {string[]} */
    this.data = [];
  }

  /** @param {string} text @returns {Message[]} */
  push(text) {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() || "";
    const done = [];
    for (const line of lines) {
      if (line !== "") this.field(line);
      else if (this.data.length) {
        done.push({ id: this.id, event: this.event || "message", data: this.data.join("\n") });
        this.data = [];
        this.event = "";
      }
    }
    return done;
  }

  /** @param {string} line */
  field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: the stream is alive
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.data.push(value);
    else if (name === "id") this.id = value;
    else if (name === "event") this.event = value;
  }
}

/**
 * Reads an answer until it ends.
 * @param {Response} answer
 * @param {(m: Message) => void} each
 */
export async function read(answer, each) {
  const parser = new Parser();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    for (const message of parser.push(value)) each(message);
  }
}
