"use strict";
// Random numbers from a seed, so that a run repeats: words of sfc32 (C. Doty-Humphrey's small fast counter generator),
// normals by Marsaglia's polar method, and χ² by Marsaglia and Tsang (2000).

class Random {
  /** `stream` tells apart what one seed is used for. */
  constructor(seed, stream) {
    this.a = seed >>> 0;
    this.b = Math.floor(seed / 2 ** 32) >>> 0;
    this.c = stream >>> 0;
    this.counter = 1;
    this.spare = NaN;
    this.bits = 0;
    this.bitsLeft = 0;
    for (let i = 0; i < 20; i += 1) this.word(); // until every bit of the seed has reached every word
  }

  /** 32 random bits, as an integer. */
  word() {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number between 0 and 1, neither of which it is. */
  uniform() {
    return (this.word() + 0.5) * 2 ** -32;
  }

  /** A whole number from 0 to `count` − 1, each as likely; count is at most 2³². */
  below(count) {
    const whole = 2 ** 32 - (2 ** 32 % count);
    let word = this.word();
    while (word >= whole) word = this.word();
    return word % count;
  }

  /** +1 or −1, one bit each. */
  sign() {
    if (this.bitsLeft === 0) {
      this.bits = this.word();
      this.bitsLeft = 32;
    }
    const sign = this.bits & 1 ? 1 : -1;
    this.bits >>>= 1;
    this.bitsLeft -= 1;
    return sign;
  }

  normal() {
    if (!Number.isNaN(this.spare)) {
      const kept = this.spare;
      this.spare = NaN;
      return kept;
    }
    let x = 0;
    let y = 0;
    let square = 0;
    do {
      x = 2 * this.uniform() - 1;
      y = 2 * this.uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    this.spare = y * factor;
    return x * factor;
  }

  /** A χ² variable with any whole number of degrees of freedom. */
  chiSquare(freedom) {
    if (freedom === 0) return 0;
    if (freedom === 1) return this.normal() ** 2;
    const centre = freedom / 2 - 1 / 3;
    const width = 1 / Math.sqrt(9 * centre);
    for (;;) {
      const x = this.normal();
      const cube = (1 + width * x) ** 3;
      if (cube > 0 && Math.log(this.uniform()) < (x * x) / 2 + centre * (1 - cube + Math.log(cube))) {
        return 2 * centre * cube;
      }
    }
  }
}
