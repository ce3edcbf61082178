/** When the daemon ran, what was lost, and what happened: as bands over time, and as a list that says the same. */

import { draw, make, visible } from "/static/dom.js";
import { timeElement } from "/static/state.js";
import { timeMarks } from "/static/chart.js";
import { axisTime, lasting, now, shortTime } from "/static/times.js";

const HEIGHT = 84;
const LEFT = 52;
const RIGHT = 10;
const LISTED = 12;
/** Narrower ones could not be seen. */
const NARROWEST = 2.5;

const LOST = {
  overflow: "The sound system dropped audio",
  overrun: "The listener fell behind",
  device_lost: "The microphone was away",
  stalled: "The stream stood still",
  device_moved: "The sound server led to another source",
  suspend: "The machine slept",
  backlog: "The store could not take more",
};

export class Timeline {
  constructor(parent) {
    this.svg = draw("svg", { class: "timeline", role: "img" });
    this.list = make("ol", { class: "happenings" });
    this.summary = make("p", { class: "dim small" });
    this.shown = { gaps: [], sessions: [], events: [] };
    this.span = [0, 1];
    parent.append(this.svg, this.summary, this.list);
    new ResizeObserver(() => this.redraw()).observe(this.svg);
  }

  /** Show an answer of /api/timeline; `deafSince` begins an outage that goes on and is no gap yet. */
  show(answer, from, until, deafSince) {
    const going = deafSince ? [{ started_at: deafSince, seconds: until - deafSince, reason: "now", goes_on: true }] : [];
    this.shown = { ...answer, gaps: [...(answer.gaps ?? []), ...going] };
    this.span = [from, until];
    this.redraw();
    this.describe();
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
    const { gaps, sessions = [], events = [] } = this.shown;
    this.svg.replaceChildren(
      ...["Running", "Lost", "Events"].map((name, n) => draw("text", { class: "axis", x: 0, y: 15 + 22 * n }, name)),
      draw("rect", { class: "track", x: LEFT, y: 4, width: this.width - LEFT - RIGHT, height: 14 }),
      draw("rect", { class: "track", x: LEFT, y: 26, width: this.width - LEFT - RIGHT, height: 14 }),
      ...sessions.map((one) => this.bar("ran", 4, one.started_at, one.ended_at ?? this.span[1], sessionTitle(one))),
      ...gaps.map((gap) => this.bar("gap", 26, gap.started_at, gap.started_at + gap.seconds, gapTitle(gap))),
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
      draw("title", {}, `${shortTime(one.at)}: ${visible(one.detail || one.kind)}`));
  }

  describe() {
    const { gaps, sessions = [], events = [] } = this.shown;
    const lost = gaps.reduce((sum, gap) => sum + gap.seconds, 0);
    const crashes = sessions.filter((one) => one.ending && one.ending !== "clean").length;
    const text = [
      gaps.length ? `${gaps.length} ${gaps.length === 1 ? "gap" : "gaps"}, ${lasting(lost)} lost.` : "Nothing was lost.",
      `${sessions.length} ${sessions.length === 1 ? "session" : "sessions"}${crashes ? `, ${crashes} ended badly` : ""}.`,
    ].join(" ");
    this.summary.textContent = text;
    this.svg.setAttribute("aria-label", `Gaps and outages. ${text}`);
    const told = [
      ...gaps.map((gap) => ({ at: gap.started_at, kind: "gap", text: gapTitle(gap) })),
      ...sessions.filter((one) => one.ended_at).map((one) => ({ at: one.ended_at, kind: "end", text: endTitle(one) })),
      ...events.map((one) => ({ at: one.at, kind: "event", text: visible(one.detail || one.kind) })),
    ].sort((a, b) => b.at - a.at);
    this.list.replaceChildren(...told.slice(0, LISTED).map(({ at, kind, text: what }) =>
      make("li", { class: kind }, timeElement(at), make("span", { dir: "auto" }, what))));
  }
}

function gapTitle(gap) {
  if (gap.goes_on) return `Nothing has been heard for ${lasting(now() - gap.started_at)}`;
  return `${LOST[gap.reason] ?? visible(gap.reason)}: ${lasting(gap.seconds)} lost`;
}

const sessionTitle = (one) => `Session ${one.id}: ${shortTime(one.started_at)} to ${one.ended_at ? shortTime(one.ended_at) : "now"}`;
const endTitle = (one) => `Session ${one.id} ended: ${visible(one.ending ?? "unknown")}`;
