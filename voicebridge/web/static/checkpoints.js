/** What is read from a checkpoint, and the charts of it. The one place that knows the names of its fields. */

import { Chart } from "/static/chart.js";
import { bytes, lasting, percent } from "/static/times.js";

const MS = 1 / 1000;

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

export const momentOf = number("at");
const delayP50 = scaled(number("delay_interval_ms.p50"), MS);
const delayP95 = scaled(number("delay_interval_ms.p95"), MS);

/** The charts, in the order in which they stand. */
export function makeCharts() {
  return [
    new Chart("Delay to text", [{ name: "p50", value: delayP50 }, { name: "p95", value: delayP95 }], lasting, 1),
    new Chart("Backlog", [{ name: "audio that waits", value: number("backlog_seconds") }], lasting, 10),
    new Chart("Processor", [{ name: "process", value: scaled(number("cpu.share"), 100) }], percent, 10),
    new Chart("Memory", [{ name: "RSS", value: number("memory.rss_bytes") }, { name: "USS", value: number("memory.uss_bytes") }], bytes, 1 << 20),
    new Chart("Free disk", [{ name: "free", value: number("disk.free_bytes") }], bytes, 1 << 20),
  ];
}
