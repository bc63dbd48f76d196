"use strict";
// The two pictures of a run, as SVG: the histogram of the draws, and the mean closing in on a formula. Each line has a
// letter, a dash and a colour; the table below the pictures says the same in words.

const charts = (() => {
  const BARS = 44; // of a histogram: narrow enough for a shape, wide enough for a phone
  const TAIL = 0.02; // share of the pilot's draws that the last bar collects
  const NEAR_RANGES = 3; // a formula this many ranges of the draws away still widens the histogram; one beyond does not
  const BEYOND_MARK = 0.05; // room behind a formula at the edge of the histogram, as a share of the way to it
  const EVEN = 1e-6; // draws that differ by less than this share of their size are shown as one bar
  const WIDENED = 0.1; // to either side of such a bar, as a share of its value

  // pixels
  const NARROWEST = 240; // a picture of a narrower column is scaled down
  const HEIGHT = 270;
  const TOP = 34; // room for the letters of the lines
  const BOTTOM = 40; // room for the numbers and words of the axis
  const MARGIN = 14; // to the left of the histogram, and around the last number of its axis
  const TAIL_WIDTH = 22; // of the bar for all that lies beyond
  const TAIL_GAP = 8; // before that bar
  const AFTER_TAIL = 12;
  const OVER_BARS = 4; // between the tallest bar and the bends of the lines
  const BAR_GAP = 1;
  const TICK = 4; // length of a tick
  const UNDER_TICK = 15; // from the axis to the line on which its numbers stand
  const FOR_A_TICK = 90; // of an axis, for each number on it
  const LETTER_ACROSS = 13; // between letters that stand side by side
  const LETTER_DOWN = 12; // between letters that stand one above the other
  const LETTER_LINE = 12; // on which the letters of the histogram stand
  const BENT_AT = 6; // above the bars, where the line of a moved letter bends
  const FOR_LETTERS = 40; // to the right of the second picture
  const BEND = 10; // length of the slanting part of a line there
  const DIGIT = 6.6; // width of a digit on an axis
  const DOT = 3.5; // radius of the last mean

  const SPREAD_PASSES = 20; // enough to move a handful of letters apart
  const TICKS_UP = 5; // numbers on the upright axis, about
  const FIRST_DRAWS = 1024; // where the second picture begins: a mean of fewer says little
  const ALARM = library.rule.alarm;

  /** Counts of the draws between the least and the 98 % quantile of the pilot; the last bar holds all beyond. */
  class Histogram {
    constructor(pilot, marks) {
      const sorted = Float64Array.from(pilot).sort();
      const low = sorted[0];
      let high = sorted[Math.floor((1 - TAIL) * (sorted.length - 1))];
      const near = marks.filter((mark) => mark > high && mark - low < NEAR_RANGES * (high - low));
      high = Math.max(high, ...near.map((mark) => mark + BEYOND_MARK * (mark - low)));
      const least = EVEN * Math.max(Math.abs(low), Math.abs(high)) || EVEN;
      const widened = high - low < least ? Math.max(WIDENED * Math.abs(low), EVEN) : 0;
      this.low = low - widened;
      this.high = high + widened;
      this.bars = new Float64Array(BARS);
      this.beyond = 0;
      this.below = 0;
      this.count = 0;
    }

    add(values, size) {
      const scale = BARS / (this.high - this.low);
      for (let i = 0; i < size; i += 1) {
        const place = Math.floor((values[i] - this.low) * scale);
        if (place >= BARS) {
          this.beyond += 1;
          continue;
        }
        if (place < 0) this.below += 1;
        this.bars[Math.max(place, 0)] += 1;
      }
      this.count += size;
    }

    /** What the bars at the ends hold, in a sentence. */
    get ends() {
      const share = (count) => words.percentText(count / Math.max(1, this.count));
      let text = "All draws lie within the bars.";
      if (this.beyond > 0) {
        text = `The last bar holds all draws above ${words.numberText(this.high, 3)}, ${share(this.beyond)} of them.`;
      }
      if (this.below > 0) text += ` The first bar also holds those below ${words.numberText(this.low, 3)}.`;
      return `${text} The mean counts every draw.`;
    }
  }

  /** Round numbers between two others, and how many decimals tell them apart. */
  function ticksBetween(low, high, about) {
    const raw = (high - low) / about;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw * 0.999);
    const ticks = [];
    for (let k = Math.ceil(low / step); k * step <= high; k += 1) ticks.push(k * step);
    return { ticks, step };
  }

  function tickText(tick, step) {
    const size = Math.abs(tick);
    if (size >= 1e6) return words.numberText(tick, Math.max(2, Math.ceil(Math.log10(size / step)) + 1));
    if (step < 1e-7) return words.numberText(tick, 6);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    return words.minus(words.decimals(tick, digits));
  }

  /**
   * The letters of lines, moved apart where they would cover each other.
   * Returns: the marks in order, with `at`, where the line is, and `letterAt`, at least `gap` behind the one before.
   */
  function spread(marks, place, gap) {
    const sorted = [...marks].sort((one, other) => place(one) - place(other));
    const placed = sorted.map((mark) => ({ ...mark, at: place(mark), letterAt: place(mark) }));
    for (let pass = 0; pass < SPREAD_PASSES; pass += 1) {
      for (let i = 1; i < placed.length; i += 1) {
        const close = gap - (placed[i].letterAt - placed[i - 1].letterAt);
        if (close <= 0) continue;
        placed[i].letterAt += close / 2;
        placed[i - 1].letterAt -= close / 2;
      }
    }
    return placed;
  }

  function picture(width, label, inside) {
    return (
      `<svg viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}" role="img" aria-label="${label}">` +
      `${inside.join("")}</svg>`
    );
  }

  /** The histogram. lines: [{letter, style, value}]; mean: of the draws so far. */
  function histogram(width, counts, lines, mean) {
    const left = MARGIN;
    const right = width - TAIL_WIDTH - AFTER_TAIL;
    const bottom = HEIGHT - BOTTOM;
    const x = (value) => left + ((value - counts.low) / (counts.high - counts.low)) * (right - left);
    const most = Math.max(1, counts.beyond, ...counts.bars);
    const height = (count) => (count / most) * (bottom - TOP - OVER_BARS);
    const barWidth = (right - left) / BARS;
    const inside = [];
    counts.bars.forEach((count, place) => {
      const tall = height(count);
      const at = left + place * barWidth;
      inside.push(`<rect class="pg-bar" x="${at}" y="${bottom - tall}" width="${barWidth - BAR_GAP}" height="${tall}"/>`);
    });
    const tall = height(counts.beyond);
    inside.push(
      `<rect class="pg-bar pg-tail" x="${right + TAIL_GAP}" y="${bottom - tall}" width="${TAIL_WIDTH}" height="${tall}"/>`,
      `<text class="pg-tick" x="${right + TAIL_GAP + TAIL_WIDTH / 2}" y="${bottom + UNDER_TICK}" text-anchor="middle">more</text>`,
      `<line class="pg-axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    );
    const { ticks, step } = ticksBetween(counts.low, counts.high, Math.max(2, width / FOR_A_TICK));
    for (const tick of ticks) {
      if (x(tick) > right - MARGIN) continue;
      inside.push(
        `<line class="pg-axis" x1="${x(tick)}" x2="${x(tick)}" y1="${bottom}" y2="${bottom + TICK}"/>`,
        `<text class="pg-tick" x="${x(tick)}" y="${bottom + UNDER_TICK}" text-anchor="middle">${tickText(tick, step)}</text>`,
      );
    }
    inside.push(`<text class="pg-tick" x="${left}" y="${HEIGHT - 6}">value of one draw</text>`);
    const marks = [...lines, { letter: "M", style: "mean", value: mean }];
    const shown = marks.filter((mark) => mark.value >= counts.low && mark.value <= counts.high);
    for (const mark of spread(shown, (each) => x(each.value), LETTER_ACROSS)) {
      const path = `M${mark.letterAt},${LETTER_LINE + 4} L${mark.at},${TOP - BENT_AT} V${bottom}`;
      inside.push(
        `<path class="pg-line pg-${mark.style}" d="${path}"/>`,
        `<text class="pg-letter pg-${mark.style}-ink" x="${mark.letterAt}" y="${LETTER_LINE}" text-anchor="middle">${mark.letter}</text>`,
      );
    }
    return picture(width, `Histogram of ${words.decimals(counts.count, 0)} draws. ${counts.ends}`, inside);
  }

  /** Half the height of the second picture: the gaps between the formulas that can be shown together. */
  function reachOf(lines, centre, target) {
    const gaps = lines.map((line) => Math.abs(line.value - centre)).filter((gap) => gap > 0);
    const nearest = gaps.length === 0 ? 0 : Math.min(...gaps);
    // three resolutions, or one and a half times the way to the nearest formula; others within six times that fit in too
    const least = Math.max(3 * target, 1.5 * nearest);
    return Math.max(least, ...gaps.filter((gap) => gap < 6 * least).map((gap) => 1.3 * gap));
  }

  /**
   * The mean against the number of draws, with 5 standard errors to either side.
   * track: [{count, mean, error}]; centre: the theory's value; half: of the height; count: all draws.
   */
  function closing(width, track, lines, { centre, half, count }) {
    const right = width - FOR_LETTERS;
    const bottom = HEIGHT - BOTTOM;
    const { ticks, step } = ticksBetween(centre - half, centre + half, TICKS_UP);
    const longest = Math.max(...ticks.map((tick) => tickText(tick, step).length), 3);
    const left = 12 + DIGIT * longest;
    const first = Math.log10(Math.min(FIRST_DRAWS, count / 2));
    const x = (draws) => left + ((Math.log10(draws) - first) / (Math.log10(count) - first)) * (right - left);
    const clip = (value) => Math.min(Math.max(value, centre - half), centre + half);
    const y = (value) => TOP + ((centre + half - clip(value)) / (2 * half)) * (bottom - TOP);
    const inside = [];
    const points = track.filter((point) => Number.isFinite(point.error) && x(point.count) >= left - 0.5);
    if (points.length > 0) {
      const above = points.map((point) => `${x(point.count)},${y(point.mean + ALARM * point.error)}`);
      const below = points.map((point) => `${x(point.count)},${y(point.mean - ALARM * point.error)}`).reverse();
      inside.push(`<polygon class="pg-band" points="${above.join(" ")} ${below.join(" ")}"/>`);
      const means = points.map((point) => `${x(point.count)},${y(point.mean)}`);
      inside.push(`<polyline class="pg-line pg-mean" points="${means.join(" ")}"/>`);
      const last = points[points.length - 1];
      inside.push(`<circle class="pg-dot" cx="${x(last.count)}" cy="${y(last.mean)}" r="${DOT}"/>`);
    }
    for (const tick of ticks) {
      inside.push(
        `<line class="pg-axis" x1="${left - TICK}" x2="${left}" y1="${y(tick)}" y2="${y(tick)}"/>`,
        `<text class="pg-tick" x="${left - 7}" y="${y(tick) + 4}" text-anchor="end">${tickText(tick, step)}</text>`,
      );
    }
    for (let power = Math.ceil(first); 10 ** power <= count; power += 1) {
      const text = words.numberText(10 ** power, 3);
      inside.push(
        `<line class="pg-axis" x1="${x(10 ** power)}" x2="${x(10 ** power)}" y1="${bottom}" y2="${bottom + TICK}"/>`,
        `<text class="pg-tick" x="${x(10 ** power)}" y="${bottom + UNDER_TICK}" text-anchor="middle">${text}</text>`,
      );
    }
    inside.push(
      `<line class="pg-axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
      `<line class="pg-axis" x1="${left}" x2="${left}" y1="${TOP}" y2="${bottom}"/>`,
      `<text class="pg-tick" x="${left}" y="${HEIGHT - 6}">draws so far</text>`,
    );
    const shown = lines.filter((line) => Math.abs(line.value - centre) <= half);
    for (const mark of spread(shown, (line) => y(line.value), LETTER_DOWN)) {
      const path = `M${left},${mark.at} H${right} L${right + BEND},${mark.letterAt}`;
      inside.push(
        `<path class="pg-line pg-${mark.style}" d="${path}"/>`,
        `<text class="pg-letter pg-${mark.style}-ink" x="${right + BEND + 3}" y="${mark.letterAt + 4}">${mark.letter}</text>`,
      );
    }
    const label = `The mean of the draws with ${ALARM} standard errors to either side, beside the values of the formulas`;
    return picture(width, label, inside);
  }

  return { NARROWEST, Histogram, histogram, closing, reachOf };
})();
