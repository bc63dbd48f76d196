"use strict";
// Numbers in words: the twin of mezo_lab/claims/wording and of how an `Estimate` is printed.

const words = (() => {
  /** A number as Python's format "g" writes it. */
  function general(x, digits) {
    if (Number.isNaN(x)) return "nan";
    if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
    if (x === 0) return "0";
    const [mantissa, power] = x.toExponential(digits - 1).split("e");
    const exponent = Number(power);
    if (exponent >= -4 && exponent < digits) return shortened(x.toFixed(digits - 1 - exponent));
    const sign = exponent < 0 ? "-" : "+";
    return `${shortened(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }

  function shortened(decimal) {
    return decimal.includes(".") ? decimal.replace(/\.?0+$/, "") : decimal;
  }

  /** With a true minus sign. */
  function minus(text) {
    return String(text).replaceAll("-", "−");
  }

  /** A number with so many decimals, groups of three, and no sign on a zero. */
  function decimals(x, digits) {
    const text = Math.abs(x).toFixed(digits);
    const [whole, part] = text.split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    const sign = x < 0 && Number(text) !== 0 ? "-" : "";
    return sign + (part ? `${grouped}.${part}` : grouped);
  }

  function plain(x, digits) {
    return decimals(x, digits).replaceAll(",", "");
  }

  /** A number with six digits at most and a true minus sign; with fewer digits, whole numbers stay whole. */
  function numberText(x, digits = 6) {
    if (digits < 6 && Math.abs(x) >= 1000 && Math.abs(x) < 1e6) return minus(decimals(x, 0));
    return general(x, digits).replace(/e\+?(-?)0*/, "e$1").replaceAll("-", "−");
  }

  /** Two digits, and no more than a reader can use. */
  function percentText(share) {
    if (!Number.isFinite(share)) return "any amount";
    if (share < 1e-4) return "under 0.01 %";
    if (share > 10) return "over 1,000 %";
    const digits = Math.max(0, 1 - Math.floor(Math.log10(100 * share) + 1e-9));
    return `${decimals(100 * share, digits)} %`;
  }

  /** A number of standard errors: a decimal where it matters, an order of magnitude where it does not. */
  function distanceText(errors) {
    if (!Number.isFinite(errors)) return errors > 0 ? "+∞" : "−∞";
    const signed = (text) => minus(text.startsWith("-") ? text : "+" + text);
    if (Math.abs(errors) < 9.95) return signed(decimals(errors, 1));
    if (Math.abs(errors) < 1e5) return signed(plain(errors, 0));
    return signed(errors.toExponential(0).replace("e+", "e"));
  }

  /** A number of standard errors in words. */
  function distanceInWords(errors) {
    const side = errors < 0 ? "below" : "above";
    if (Math.abs(errors) >= 1e5) return `more than 1e5 standard errors ${side}`;
    return `${decimals(Math.abs(errors), Math.abs(errors) < 9.95 ? 1 : 0)} standard errors ${side}`;
  }

  /** A number of draws, rounded where nobody could make as many. */
  function drawCount(draws) {
    return draws < 1e15 ? decimals(draws, 0) : numberText(draws, 2);
  }

  /** A mean with its standard error: two digits of the error decide how many of the mean are worth printing. */
  function estimateText({ mean, error }) {
    if (!(error > 1e-7 && error < Infinity)) return minus(`${general(mean, 6)} ± ${general(error, 2)}`);
    if (error >= 1e5) {
      const power = Math.floor(Math.log10(Math.max(Math.abs(mean), error)));
      return `(${estimateText({ mean: mean / 10 ** power, error: error / 10 ** power })})e${power}`;
    }
    const digits = Math.max(0, 1 - Math.floor(Math.log10(error)));
    return minus(`${plain(mean, digits)} ± ${plain(error, digits)}`);
  }

  /** One word of a shell, whatever it holds: nothing has a meaning between single quotes but their end. */
  function shellQuoted(text) {
    return `'${text.replaceAll("'", "'\\''")}'`;
  }

  return {
    general,
    minus,
    decimals,
    numberText,
    percentText,
    distanceText,
    distanceInWords,
    drawCount,
    estimateText,
    shellQuoted,
  };
})();
