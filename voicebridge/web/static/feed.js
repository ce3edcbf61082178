/**
 * The stream of events, read with fetch: EventSource cannot carry a token. It comes back by itself, with the number of
 * the last event (Last-Event-ID), and says when it has lost the daemon.
 */

import { authorized, Refused } from "/static/api.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** The daemon sends a heartbeat every 5 s: a stream that is quiet for longer than two of them is dead. */
const SILENCE_MS = 12_000;
/** Bytes of one event; a stream without an end of line is none of ours. */
const LONGEST_EVENT = 1 << 20;

/** Splits a stream of text into events, as the standard of server-sent events tells. */
export class EventParser {
  constructor(deliver) {
    this.deliver = deliver;
    this.lastId = "";
    this.rest = "";
    this.clear();
  }

  clear() {
    this.type = "";
    this.data = [];
  }

  push(text) {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    if (this.rest.length > LONGEST_EVENT) throw new Error("an event without an end");
    lines.forEach((line) => this.line(line));
  }

  line(line) {
    if (line === "") return this.end();
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === "event") this.type = value;
    if (field === "data") this.data.push(value);
    if (field === "id" && !value.includes("\0")) this.lastId = value;
  }

  end() {
    if (this.data.length) this.deliver(this.type || "message", this.data.join("\n"));
    this.clear();
  }
}

export class Feed {
  /** `path` tells the address to read; `on` holds: event(type, data), opened(), lost(error, pauseMs). */
  constructor(path, on) {
    this.path = path;
    this.on = on;
    this.stop = null;
    this.reading = "";
    this.moving = false;
    this.live = false;
    this.lastId = "";
    this.pauseMs = FIRST_PAUSE_MS;
    this.hurry = () => {};
  }

  async run() {
    for (;;) {
      let error = null;
      this.moving = false;
      try {
        await this.read();
      } catch (caught) {
        error = caught;
      }
      if (this.moving) continue;
      this.live = false;
      this.on.lost(error, this.pauseMs);
      await this.pause();
    }
  }

  /** Try again now: the token changed, or the page is seen again. */
  again() {
    this.pauseMs = FIRST_PAUSE_MS;
    this.hurry();
  }

  /** What is to be read has changed: go on there, after the last event, without a word of it. */
  move() {
    if (!this.stop || this.path() === this.reading) return;
    this.moving = true;
    this.stop.abort();
  }

  async pause() {
    await new Promise((resolve) => {
      this.hurry = resolve;
      setTimeout(resolve, this.pauseMs);
    });
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2);
  }

  async read() {
    const stop = new AbortController();
    [this.stop, this.reading] = [stop, this.path()];
    let alarm = setTimeout(() => stop.abort(), SILENCE_MS);
    try {
      const headers = authorized({ Accept: "text/event-stream", ...(this.lastId && { "Last-Event-ID": this.lastId }) });
      const answer = await fetch(this.reading, { headers, cache: "no-store", signal: stop.signal });
      if (!answer.ok) throw new Refused(answer.status, `The daemon answered with status ${answer.status}.`);
      this.pauseMs = FIRST_PAUSE_MS;
      if (!this.live) this.on.opened();
      this.live = true;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser((type, data) => this.take(type, data, parser));
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(alarm);
        alarm = setTimeout(() => stop.abort(), SILENCE_MS);
        parser.push(value);
      }
    } finally {
      clearTimeout(alarm);
      stop.abort();
      this.stop = null;
    }
  }

  take(type, data, parser) {
    this.lastId = parser.lastId || this.lastId;
    let content;
    try {
      content = JSON.parse(data);
    } catch {
      return;
    }
    this.on.event(type === "message" ? content.type : type, content);
  }
}
