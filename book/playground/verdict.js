"use strict";
// How draws decide: the twin of mezo_lab/claims/decision, with the constants of it, and the words of a verdict.

const verdict = (() => {
  const rule = library.rule;

  /** Mean and sum of squared deviations of all values so far, merged chunk by chunk: no cancellation. */
  class RunningMoments {
    constructor() {
      this.count = 0;
      this.mean = 0;
      this.squares = 0;
      this.lowest = 0;
      this.highest = 0;
    }

    /** Take in the first `count` values of a chunk. */
    add(values, count) {
      let sum = 0;
      let lowest = Infinity;
      let highest = -Infinity;
      for (let i = 0; i < count; i += 1) {
        sum += values[i];
        lowest = Math.min(lowest, values[i]);
        highest = Math.max(highest, values[i]);
      }
      const mean = sum / count;
      let squares = 0;
      for (let i = 0; i < count; i += 1) squares += (values[i] - mean) * (values[i] - mean);
      this.lowest = this.count === 0 ? lowest : Math.min(this.lowest, lowest);
      this.highest = this.count === 0 ? highest : Math.max(this.highest, highest);
      const total = this.count + count;
      const shift = mean - this.mean;
      this.squares += squares + (shift * shift * this.count * count) / total;
      this.mean += (shift * count) / total;
      this.count = total;
    }

    get deviation() {
      return this.count < 2 ? Infinity : Math.sqrt(this.squares / (this.count - 1));
    }

    /** The share of `squares` that the farthest draw holds, negative where it lies below the mean. */
    get farthest() {
      if (this.squares <= 0) return 0;
      const below = this.mean - this.lowest;
      const above = this.highest - this.mean;
      return above >= below ? (above * above) / this.squares : (-below * below) / this.squares;
    }

    estimate() {
      const error = this.deviation / Math.sqrt(this.count);
      return { mean: this.mean, error, count: this.count, farthest: this.farthest };
    }
  }

  /** Whether two values of right formulas may differ by rounding alone. */
  function sameValue(one, other, rounding = 0) {
    const scale = Math.max(Math.abs(one), Math.abs(other));
    return Math.abs(one - other) <= rule.sameUnits * scale + rule.sameCancelled * Math.min(scale, 1) + rounding;
  }

  /** Whether the draws differ from one another by more than rounding. */
  function scattered(estimate) {
    return estimate.error * Math.sqrt(estimate.count) > rule.rounding * Math.abs(estimate.mean);
  }

  /** Standard errors from the value to the mean. `kind`: "mean", or "constant" for what the theory says not to vary. */
  function distance(kind, estimate, expected) {
    if (kind === "constant" && !scattered(estimate)) {
      if (sameValue(estimate.mean, expected)) return 0;
      return estimate.mean > expected ? Infinity : -Infinity;
    }
    const size = Math.max(Math.abs(expected), Math.abs(estimate.mean));
    const error = Math.max(estimate.error, rule.rounding * size);
    return error === 0 ? 0 : (estimate.mean - expected) / error;
  }

  /** Whether the draws contradict the value. */
  function refuted(kind, estimate, expected) {
    if (kind === "mean" && !scattered(estimate)) return false;
    const z = distance(kind, estimate, expected);
    let alarm = rule.alarm;
    if (z * estimate.farthest < 0 && estimate.count >= rule.many) {
      // rare large draws, of which several may have been missed, would bring the mean back
      alarm += rule.missed * Math.sqrt(Math.abs(estimate.farthest));
    }
    return Math.abs(z) >= alarm;
  }

  /** Whether the mean lies far off the value, which does or does not refute it. */
  function suspects(kind, estimate, expected) {
    return scattered(estimate) && Math.abs(distance(kind, estimate, expected)) >= rule.alarm;
  }

  /** The smallest discrepancy that these draws would show; infinite where they show none. */
  function reach(kind, estimate, expected) {
    if (scattered(estimate)) return rule.detectable * estimate.error;
    if (kind === "mean") return Infinity;
    return rule.rounding * Math.max(Math.abs(expected), Math.abs(estimate.mean));
  }

  /** Draws still needed to see a discrepancy of `target`; 0 where none are, or nobody can say how many. */
  function missing(kind, estimate, expected, target) {
    const seen = reach(kind, estimate, expected);
    if (seen <= target || !Number.isFinite(seen) || target <= 0) return 0;
    const needed = estimate.count * rule.margin * (seen / target) * (seen / target);
    return Math.ceil(Math.min(needed, 1e300)) - estimate.count;
  }

  /** [status, draws that are missing to see a discrepancy of `target`]. */
  function status(kind, estimate, expected, target) {
    if (refuted(kind, estimate, expected)) return ["REFUTED", 0];
    if (suspects(kind, estimate, expected)) return ["UNDERPOWERED", 0];
    if (reach(kind, estimate, expected) <= target) return ["CONSISTENT", 0];
    return ["UNDERPOWERED", missing(kind, estimate, expected, target)];
  }

  /** The status of a wrong formula, which should be REFUTED, held against the draws and the true value. */
  function decoyStatus(kind, estimate, expected, truth) {
    if (refuted(kind, estimate, expected)) return ["REFUTED", 0];
    const gap = Math.abs(expected - truth);
    if (gap === 0 || reach(kind, estimate, expected) <= gap) return ["CONSISTENT", 0];
    return ["UNDERPOWERED", missing(kind, estimate, expected, gap)];
  }

  /** How many draws of this deviation put a discrepancy 10 standard errors away, with a margin. */
  function drawsToSee(gap, deviation) {
    if (gap === 0) return deviation ? Infinity : 0;
    const ratio = (rule.detectable * deviation) / gap;
    return rule.margin * ratio * ratio;
  }

  /** To two significant digits, upwards. */
  function roundedUp(count) {
    const unit = 10 ** Math.max(0, Math.floor(Math.log10(count)) - 1);
    return Math.ceil(count / unit) * unit;
  }

  /** Discrepancies that a run must see: that of the resolution, and the gap between the formula and the theory. */
  function targets(experiment) {
    const found = [experiment.resolution * Math.abs(experiment.theory)];
    if (!sameValue(experiment.expected, experiment.theory, experiment.rounding)) {
      found.push(Math.abs(experiment.expected - experiment.theory));
    }
    return found;
  }

  /** {count, notes}: the draws that put every target and decoy 10 standard errors away, from the pilot's moments. */
  function plan(experiment, pilot, mostNumbers) {
    const least = pilot.count;
    const deviation = pilot.deviation;
    const aims = targets(experiment);
    const wrong = experiment.tested ? [] : experiment.decoys;
    const gaps = [...aims, ...wrong.map((decoy) => Math.abs(experiment.expected - decoy.expected))];
    const counts = gaps.map((gap) => drawsToSee(gap, deviation));
    const most = Math.max(least, Math.floor(mostNumbers / experiment.numbersPerDraw));
    const needed = Math.max(least, ...counts.filter((count) => count <= most));
    const notes = counts[0] > most ? [outOfReach(experiment, aims[0], counts[0], deviation, most)] : [];
    return { count: roundedUp(needed), notes };
  }

  function outOfReach(experiment, target, count, deviation, most) {
    const scale = Math.abs(experiment.theory) || 1;
    const least = (rule.detectable * deviation * Math.sqrt(rule.margin / most)) / scale;
    const reachable = Number((1.05 * least).toPrecision(2));
    let within = `${words.percentText(reachable)} is within reach: choose a resolution of ${words.general(reachable, 2)}`;
    if (reachable >= 1) within = "none is within reach; you may fix a number of draws";
    return (
      `a resolution of ${words.percentText(target / scale)} would take about ${words.general(count, 1)} draws, and a ` +
      `run takes at most ${words.decimals(most, 0)}: ${within}`
    );
  }

  /** What the draws themselves say against their error bar. */
  function doubts(kind, estimate, expected, state) {
    const { count, farthest } = estimate;
    if (kind !== "mean") return [];
    if (!scattered(estimate)) {
      const rare = words.decimals(Math.max(1, Math.floor(count / 3)), 0);
      return [
        `all ${words.decimals(count, 0)} draws are equal, and that is no certainty: what happens less than once in ` +
          `${rare} draws would not have shown`,
      ];
    }
    if (count >= rule.many && Math.abs(farthest) > rule.dominant) {
      return [`one draw holds ${words.percentText(Math.abs(farthest))} of the variance: do not trust the error bar`];
    }
    if (state === "UNDERPOWERED" && suspects(kind, estimate, expected)) {
      return ["the mean lies far off, on the side where rare large draws may be missing: take more draws"];
    }
    return [];
  }

  /** The verdict on an experiment. `estimate`: {mean, error, count, farthest}; `notes`: of the plan. */
  function judge(experiment, estimate, notes = []) {
    const { kind, expected, theory } = experiment;
    const target = Math.min(...targets(experiment));
    const [state, needed] = status(kind, estimate, expected, target);
    const decoys = experiment.decoys.map((decoy) => {
      const [itsState, itsMissing] = decoyStatus(kind, estimate, decoy.expected, theory);
      const z = distance(kind, estimate, decoy.expected);
      return { ...decoy, status: itsState, missing: itsMissing, distance: z };
    });
    const result = {
      status: state,
      missing: needed,
      distance: distance(kind, estimate, expected),
      detectable: reach(kind, estimate, expected) / Math.abs(theory),
      resolution: target / Math.abs(theory),
      decoys,
      notes: [...notes, ...doubts(kind, estimate, expected, state)],
    };
    result.sentence = sentence(experiment, estimate, result);
    return result;
  }

  /** The line that `mezo-lab verify` prints, from the expected value on. */
  function sentence({ kind, expected }, estimate, result) {
    const doesNotVary = kind === "constant" && result.status !== "UNDERPOWERED";
    const mean = words.numberText(estimate.mean, 3);
    let comparison = `expected ${words.numberText(expected)}, found `;
    if (doesNotVary) {
      comparison += `${mean} in every draw`;
    } else {
      comparison += words.estimateText(estimate);
      if (Number.isFinite(result.distance)) comparison += `, ${words.distanceInWords(result.distance)}`;
    }
    const power = doesNotVary ? "" : powerText(result);
    return [`${comparison}: ${result.status}${power ? ` (${power})` : ""}`, ...result.notes].join("; ");
  }

  /** The discrepancy that the draws would have shown, and how many are missing; else empty. */
  function powerText(result) {
    if (result.status === "REFUTED") return "";
    if (!Number.isFinite(result.detectable)) return "the draws do not tell how far off they may be";
    let power = `a discrepancy of ${words.percentText(result.detectable)} would have shown`;
    if (result.missing && result.status !== "CONSISTENT") {
      power += `, ${words.percentText(result.resolution)} was asked for: ${words.drawCount(result.missing)} more draws are needed`;
    }
    return power;
  }

  return { RunningMoments, sameValue, targets, distance, status, decoyStatus, plan, judge };
})();
