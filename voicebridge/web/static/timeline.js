/** When the daemon ran, what was lost, and what happened: as bands over time, and as a list that says the same. */

import { draw, make } from "/static/dom.js";
import { endTitle, eventInWords, gapTitle, lostInWords, pausesOf, pauseTitle, sessionsInWords, sessionTitle } from "/static/happenings.js";
import { timeElement } from "/static/state.js";
import { timeMarks } from "/static/chart.js";
import { axisTime, shortTime } from "/static/times.js";

const HEIGHT = 84;
const LEFT = 52;
const RIGHT = 10;
const LISTED = 12;
/** Narrower ones could not be seen. */
const NARROWEST = 2.5;

export class Timeline {
  constructor(parent) {
    this.svg = draw("svg", { class: "timeline", role: "img" });
    this.list = make("ol", { class: "happenings" });
    this.summary = make("p", { class: "dim small" });
    this.shown = { gaps: [], sessions: [], events: [] };
    this.pauses = [];
    this.deafSince = null;
    this.span = [0, 1];
    parent.append(this.svg, this.summary, this.list);
    new ResizeObserver(() => this.redraw()).observe(this.svg);
  }

  /** Show an answer of /api/timeline; `deafSince` begins an outage that goes on and is no gap yet. */
  show(answer, from, until, deafSince) {
    const { sessions, totals } = answer;
    this.shown = answer;
    this.pauses = pausesOf(sessions, from, sessions.length === (totals?.sessions ?? sessions.length));
    this.deafSince = deafSince;
    this.span = [from, until];
    this.redraw();
    this.describe();
  }

  /** The gaps, and the outage that goes on. */
  lost() {
    const { gaps } = this.shown;
    if (!this.deafSince) return gaps;
    return [...gaps, { started_at: this.deafSince, seconds: this.span[1] - this.deafSince, goes_on: true }];
  }

  x(at) {
    const [from, until] = this.span;
    const share = Math.max(0, Math.min(1, (at - from) / (until - from)));
    return LEFT + share * (this.width - LEFT - RIGHT);
  }

  redraw() {
    this.width = this.svg.clientWidth;
    if (!this.width) return;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    const { sessions, events } = this.shown;
    this.svg.replaceChildren(
      ...["Running", "Lost", "Events"].map((name, n) => draw("text", { class: "axis", x: 0, y: 15 + 22 * n }, name)),
      draw("rect", { class: "track", x: LEFT, y: 4, width: this.width - LEFT - RIGHT, height: 14 }),
      draw("rect", { class: "track", x: LEFT, y: 26, width: this.width - LEFT - RIGHT, height: 14 }),
      ...sessions.map((one) => this.bar("ran", 4, one.started_at, one.ended_at ?? this.span[1], sessionTitle(one))),
      ...this.pauses.map((one) => this.bar("pause", 26, one.started_at, one.started_at + one.seconds, pauseTitle(one))),
      ...this.lost().map((gap) => this.bar("gap", 26, gap.started_at, gap.started_at + gap.seconds, gapTitle(gap))),
      ...events.map((one) => this.mark(one)),
      ...timeMarks(...this.span, this.width < 420 ? 3 : 7).map((at) => draw("text",
        { class: "axis", x: this.x(at), y: HEIGHT - 4, "text-anchor": "middle" },
        axisTime(at, this.span[1] - this.span[0]))));
  }

  bar(kind, y, from, until, title) {
    const width = Math.max(NARROWEST, this.x(until) - this.x(from));
    return draw("rect", { class: kind, x: this.x(from), y, width, height: 14 }, draw("title", {}, title));
  }

  mark(one) {
    const x = this.x(one.at);
    return draw("path", { class: "event", d: `M${x} 49l4.500 6-4.500 6-4.500-6Z` },
      draw("title", {}, `${shortTime(one.at)}: ${eventInWords(one).filter(Boolean).join(": ")}`));
  }

  describe() {
    const { sessions, events } = this.shown;
    const text = `${lostInWords(this.shown, this.pauses, this.deafSince)} ${sessionsInWords(this.shown)}`;
    this.summary.textContent = text;
    this.svg.setAttribute("aria-label", `Gaps and outages. ${text}`);
    const told = [
      ...this.lost().map((gap) => ({ at: gap.started_at, kind: "gap", text: [gapTitle(gap)] })),
      ...this.pauses.map((pause) => ({ at: pause.started_at, kind: "pause", text: [pauseTitle(pause)] })),
      ...sessions.filter((one) => one.ended_at).map((one) => ({ at: one.ended_at, kind: "end", text: [endTitle(one)] })),
      ...events.map((one) => ({ at: one.at, kind: "event", text: eventInWords(one) })),
    ].sort((a, b) => b.at - a.at);
    this.list.replaceChildren(...told.slice(0, LISTED).map(listed));
  }
}

function listed({ at, kind, text: [what, detail] }) {
  const told = make("span", { dir: "auto" }, detail ? make("b", {}, what) : what, detail ? ` ${detail}` : null);
  return make("li", { class: kind }, timeElement(at), told);
}
