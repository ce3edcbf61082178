/** What was measured and what happened, for a stretch of time that moves on: all of it once, then only what is new. */

import { get, rows } from "/static/api.js";

const MOST_POINTS = 500;
/** After so many points more, the whole is asked for again. */
const MOST_ADDED = 250;
/** What is older than this is asked for again as a whole: the viewer was away, or a clock was set. */
const STALE_SECONDS = 600;
/** What happened is asked for again when there is news, and otherwise this often. */
const HAPPENED_SECONDS = 300;
/** Points may stand this much closer than usual; records are not written at the exact moment. */
const CLOSEST = 0.9;

/** Checkpoints, oldest first, in `rows`; `every` says which part of the records that is: one in so many. */
export class Measured {
  constructor(fields) {
    Object.assign(this, { fields, rows: [], every: 1, step: 0, added: 0, seconds: 0, loadedAt: -Infinity, asked: 0 });
  }

  /** Bring the last `seconds` before `until` up to date. */
  async load(seconds, until) {
    const mine = ++this.asked;
    const newest = this.rows.at(-1)?.at;
    const whole = newest === undefined || seconds !== this.seconds || this.added >= MOST_ADDED
      || until - this.loadedAt > STALE_SECONDS;
    const answer = await get("/api/checkpoints", { since: (until - seconds).toFixed(3), until: (until + 1).toFixed(3),
      after: whole ? "" : newest, limit: MOST_POINTS, fields: this.fields.join() });
    // An answer to what was asked before is thrown away.
    if (mine !== this.asked) return;
    if (whole) this.replace(rows(answer), answer.total);
    else this.add(rows(answer), until - seconds);
    Object.assign(this, { seconds, loadedAt: until });
  }

  replace(found, total = found.length) {
    const steps = found.slice(1).map((row, n) => row.at - found[n].at).sort((a, b) => a - b);
    Object.assign(this, { rows: found, added: 0, step: steps[steps.length >> 1] ?? 0 });
    this.every = found.length ? Math.max(1, Math.round(total / found.length)) : 1;
  }

  /** Add newer ones, spread as those that are there; the newest of all is always among them. */
  add(newer, from) {
    for (const row of newer) {
      const fixed = this.rows.at(-2);
      if (this.every > 1 && fixed && row.at - fixed.at < CLOSEST * this.step) this.rows.pop();
      else this.added += 1;
      this.rows.push(row);
    }
    this.rows = this.rows.filter((row) => row.at >= from);
  }
}

/** Gaps, sessions and events, in `answer`. */
export class Happened {
  constructor() {
    Object.assign(this, { answer: { gaps: [], sessions: [], events: [] }, seconds: 0, loadedAt: -Infinity, asked: 0 });
  }

  /** There is news: what is there does not hold any more. */
  outdate() {
    this.loadedAt = -Infinity;
  }

  /** Bring the last `seconds` before `until` up to date, where that is needed. */
  async load(seconds, until) {
    if (seconds === this.seconds && until - this.loadedAt < HAPPENED_SECONDS) return;
    const mine = ++this.asked;
    const answer = await get("/api/timeline", { since: (until - seconds).toFixed(3), until: (until + 1).toFixed(3) });
    if (mine === this.asked) Object.assign(this, { answer, seconds, loadedAt: until });
  }
}
