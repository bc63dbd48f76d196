"use strict";
// A run: a pilot that sets the number of draws and is thrown away, then exactly so many draws, in slices of a few
// milliseconds, so that the page stays alive. A Web Worker cannot be loaded by a page that was opened as a file.

const runs = (() => {
  const { rule, limits } = library;
  const CHUNK = 1024; // draws that are merged at a time: the result depends on the seed alone, and not on the clock
  const DEAR = 4096; // random numbers of a draw, from which on chunks are small, so that the first picture comes soon
  const DEAR_CHUNK = 128;
  const PREVIEW = 256; // draws that say where a histogram begins and ends, at least
  const SLICE = 12; // milliseconds
  const MAIN_STREAM = 1;
  const PILOT_STREAM = 2;

  /** Wait for the browser to do what else it has to do; a timer would wait for longer. */
  function breath() {
    return new Promise((resolve) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        channel.port1.close();
        resolve();
      };
      channel.port2.postMessage(0);
    });
  }

  /**
   * Make `count` draws and hand each chunk to `take(values, size, moments)`, which may be async.
   * `stop()`: whether the reader wants no more. Returns: the moments; fewer draws where it was stopped.
   */
  async function sample(experiment, count, seed, stream, take, stop) {
    const dear = experiment.numbersPerDraw > DEAR;
    const chunk = dear ? DEAR_CHUNK : CHUNK;
    const random = new Random(seed, stream);
    const moments = new verdict.RunningMoments();
    const values = new Float64Array(chunk);
    const out = { length: 0, overlap: 0 };
    let began = performance.now();
    while (moments.count < count && !stop()) {
      const size = Math.min(chunk, count - moments.count);
      for (let i = 0; i < size; i += 1) {
        experiment.draw(random, out);
        values[i] = experiment.value(out);
        // of dear draws a slice holds fewer than a chunk
        if (dear && performance.now() - began > SLICE) {
          await breath();
          began = performance.now();
        }
      }
      moments.add(values, size);
      take(values, size, moments);
      if (performance.now() - began > SLICE) {
        await breath();
        began = performance.now();
      }
    }
    return moments;
  }

  /** How many draws a pilot takes: fewer where each is dear, and fewer still where only a histogram is fitted to it. */
  function pilotCount(experiment) {
    const affordable = Math.floor(rule.pilotNumbers / 8 / experiment.numbersPerDraw); // a browser's share: about a second
    if (experiment.draws > 0) return Math.max(PREVIEW, Math.min(rule.pilot, Math.floor(affordable / 16)));
    return Math.max(rule.fewest, Math.min(rule.pilot, affordable));
  }

  /**
   * Run an experiment to its verdict. hooks: {planned(count, values of the pilot, its moments), take(values, size,
   * moments), stop()}.
   * Returns: {estimate, result, count}, or null where the reader stopped it.
   */
  async function run(experiment, seed, hooks) {
    const seen = new Float64Array(pilotCount(experiment));
    const keep = (values, size, moments) => seen.set(values.subarray(0, size), moments.count - size);
    const pilot = await sample(experiment, seen.length, seed, PILOT_STREAM, keep, hooks.stop);
    if (hooks.stop()) return null;
    let plan = { count: experiment.draws, notes: [] };
    if (experiment.draws === 0) plan = verdict.plan(experiment, pilot, limits.numbers);
    hooks.planned(plan.count, seen, pilot);
    const moments = await sample(experiment, plan.count, seed, MAIN_STREAM, hooks.take, hooks.stop);
    if (moments.count < plan.count) return null;
    const estimate = moments.estimate();
    return { estimate, count: plan.count, result: verdict.judge(experiment, estimate, plan.notes) };
  }

  return { run, sample };
})();
