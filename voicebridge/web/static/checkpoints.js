/** What is read from a checkpoint, and the charts of it. The one place that knows the names of its fields. */

import { Chart } from "/static/chart.js";
import { bytes, lasting, percent } from "/static/times.js";

const MS = 1 / 1000;
const MEGABYTE = 1e6;

/** What the charts need of a record, as /api/checkpoints takes it; `at` comes unasked. */
export const CHARTED = ["delay_interval_ms.p50", "delay_interval_ms.p95", "backlog_seconds", "cpu.share",
  "memory.rss_bytes", "memory.uss_bytes", "disk.free_bytes"];

/** A field by its path ("memory.rss_bytes"), as a number, or undefined where the daemon could not tell. */
function number(path) {
  return (row) => {
    const value = path.split(".").reduce((found, name) => found?.[name], row);
    return typeof value === "number" ? value : undefined;
  };
}

const scaled = (read, factor) => (row) => {
  const value = read(row);
  return value === undefined ? undefined : value * factor;
};

const delayP50 = scaled(number("delay_interval_ms.p50"), MS);
const delayP95 = scaled(number("delay_interval_ms.p95"), MS);
const rss = number("memory.rss_bytes");
const anyUss = number("memory.uss_bytes");
/** USS is a part of RSS, but was measured up to one record before it: where it is above, it is not of that moment. */
const uss = (row) => (anyUss(row) > rss(row) ? undefined : anyUss(row));
const ussNote = (rows) => (rows.some((row) => anyUss(row) > rss(row)) ? "Where USS was measured before RSS fell, it is left out." : "");

/** The charts, in the order in which they stand. */
export function makeCharts() {
  return [
    new Chart("Delay to text", [{ name: "p50", value: delayP50 }, { name: "p95", value: delayP95 }], lasting, { top: 1 }),
    new Chart("Backlog", [{ name: "audio that waits", value: number("backlog_seconds") }], lasting, { top: 10 }),
    new Chart("Processor", [{ name: "process", value: scaled(number("cpu.share"), 100) }], percent, { top: 10 }),
    new Chart("Memory", [{ name: "RSS", value: rss }, { name: "USS", value: uss }], bytes, { top: MEGABYTE, note: ussNote }),
    new Chart("Free disk", [{ name: "free", value: number("disk.free_bytes") }], bytes, { top: MEGABYTE }),
  ];
}
