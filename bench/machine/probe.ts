import { GCProfiler } from "node:v8";

// Runs inside each measured server, and does nothing until it is asked how much the server puts on its heap.

const usedHeap = () => process.memoryUsage().heapUsed;
let profiler = new GCProfiler();
let usedAtStart = 0;

/** V8 has no counter for it, but what is added between two collections is what the heap has grown by. */
function added(): number {
  const { statistics } = profiler.stop() ?? { statistics: [] };
  let used = usedAtStart;
  let sum = 0;
  for (const { beforeGC, afterGC } of statistics) {
    sum += beforeGC.heapStatistics.usedHeapSize - used;
    used = afterGC.heapStatistics.usedHeapSize;
  }
  return sum + usedHeap() - used;
}

process.on("message", (question) => {
  if (question === "count") {
    profiler = new GCProfiler();
    profiler.start();
    usedAtStart = usedHeap();
    process.send?.(0);
  } else if (question === "tell") {
    process.send?.(added());
  }
});
// The channel must not keep a process alive that has nothing else to do; and without the benchmark there is nothing to do.
process.channel?.unref();
process.on("disconnect", () => process.exit(1));
