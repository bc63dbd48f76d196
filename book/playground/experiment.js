"use strict";
// The six experiments of the page: the settings that a reader chose, made into what the library calls an `Experiment`.
// The closed forms come from `library.theory`, which sympy printed.

class SettingError extends Error {
  /** `field`: the name of the setting that is wrong. */
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

const experiments = (() => {
  const { limits, rule, theory } = library;
  const USUAL = "0.01"; // the resolution where none is typed

  /** A claim by id or name. Throws: SettingError. */
  function claimNamed(name) {
    const id = Object.keys(library.claims).find(
      (key) => key.toLowerCase() === String(name).toLowerCase() || library.claims[key].name === name,
    );
    if (id) return { id, ...library.claims[id] };
    const known = Object.keys(library.claims).join(", ");
    throw new SettingError("claim", `Claim ${name} has no playground: choose one of ${known}.`);
  }

  const GROUPS = /^[0-9]{1,3}([_,\s])[0-9]{3}(\1[0-9]{3})*$/; // 13,000,000,000, but not 1,2
  const DECIMAL = /^([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i;

  /** A whole number as a reader types it: 13e9 and 13,000,000,000 too. Throws: SettingError. */
  function whole(field, text, least, most) {
    const typed = String(text).trim();
    const digits = GROUPS.test(typed) ? typed.replace(/[_,\s]/g, "") : typed;
    const number = DECIMAL.test(digits) ? Number(digits) : NaN;
    if (!Number.isInteger(number)) {
      throw new SettingError(field, `${field} must be a whole number, such as 1000 or 1e3; got “${typed}”.`);
    }
    if (number < least) throw new SettingError(field, `${field} must be at least ${least}, got ${typed}: raise it.`);
    if (number > most) {
      throw new SettingError(field, `${field} must be at most ${words.decimals(most, 0)} here, got ${typed}: lower it.`);
    }
    return number;
  }

  /** A number between two others. Throws: SettingError. */
  function between(field, text, least, most, example) {
    const typed = String(text).trim();
    const number = DECIMAL.test(typed) ? Number(typed) : NaN;
    if (!(number >= least && number <= most)) {
      const range = `between ${words.numberText(least)} and ${words.numberText(most)}`;
      throw new SettingError(field, `${field} must be a number ${range}, such as ${example}; got “${typed}”.`);
    }
    return number;
  }

  /** The numbers in the settings, checked one by one and against each other. Throws: SettingError. */
  function checked(settings) {
    const claim = claimNamed(settings.claim);
    if (!claim.laws.includes(settings.law)) {
      const known = claim.laws.join(", ");
      throw new SettingError("law", `${claim.id} holds here for ${known}; got “${settings.law}”: choose one of them.`);
    }
    const values = { law: settings.law };
    for (const letter of claim.parameters) {
      if (letter === "t") values.t = between("t", settings.t, 0.01, limits.t, "1");
      else values[letter] = whole(letter, settings[letter], 1, letter === "n" ? limits.probes : limits.dim);
    }
    if (claim.id === "E1") {
      values.d = values.p * values.q;
      checkMatrix(values);
    } else {
      checkDirections(values);
    }
    return { claim, values };
  }

  function checkMatrix({ p, q, k, n, d }) {
    if (d === 1) throw new SettingError("p", "p times q must be at least 2: all directions of a single weight are one.");
    if (d > limits.dim) throw new SettingError("p", `p times q must be at most ${words.decimals(limits.dim, 0)}: lower one.`);
    if (n * k > limits.columns) {
      throw new SettingError("k", `n times k must be at most ${limits.columns} here, got ${n * k}: lower one of them.`);
    }
  }

  function checkDirections({ law, d, n, r = d }) {
    if (r > d) throw new SettingError("r", `r must be at most d, got ${r} > ${d}: raise d to ${r} or more.`);
    if (law === "orthogonal" && n > d) {
      throw new SettingError("n", `n must be at most d for the orthogonal law, got ${n} > ${d}: only ${d} fit; lower n.`);
    }
    if (library.invariant.includes(law)) return;
    const remedy = "lower it, or choose gaussian, sphere or orthogonal, which are drawn by the reduced sampler at any d.";
    if (d > limits.bruteDim) {
      const most = words.decimals(limits.bruteDim, 0);
      throw new SettingError("d", `d must be at most ${most} for ${law}, whose z is drawn coordinate by coordinate: ${remedy}`);
    }
    if (d * n > limits.bruteNumbers) {
      const most = words.decimals(limits.bruteNumbers, 0);
      throw new SettingError("n", `d times n must be at most ${most} for ${law}, got ${words.decimals(d * n, 0)}: ${remedy}`);
    }
  }

  /** The numbers that a formula may name, in the library's order. */
  function symbolsOf(law, d, n, more) {
    const symbols = { d, n, c: theory.fourth[law](d), cross: theory.cross[law](d) };
    if (law in library.kurtosis) symbols.kappa = library.kurtosis[law];
    return { ...symbols, ...more, ...library.constants };
  }

  /** Whether ĝ = g in every draw, on the r coordinates that count. */
  function fixedEstimate({ law, d, n, r }) {
    if (law === "orthogonal" && n === d) return true;
    if (d === 1) return verdict.sameValue(theory.fourth[law](1), 1);
    return r === 1 && library.kurtosis[law] === 1;
  }

  /** Whether each step at the edge of stability is a mirror image, which leaves the loss as it is in every draw. */
  function mirrors({ law, d, n, r }, step) {
    const oneLength = law === "coordinate" || library.kurtosis[law] === 1;
    const whole = r === d && law === "sphere";
    const turnedBack = law === "orthogonal" && r === d;
    if (!turnedBack && !(n === 1 && (oneLength || whole))) return false;
    return verdict.sameValue(step * theory.rank[law](d, n, r), 2);
  }

  /** The parts of an experiment on ‖ĝ‖² or ‖ĝ − g‖². */
  function ofLength({ law, d, n }, minusGradient) {
    return {
      theory: (minusGradient ? theory.variance : theory.norm)[law](d, n),
      symbols: symbolsOf(law, d, n, {}),
      kind: !minusGradient && fixedEstimate({ law, d, n }) ? "constant" : "mean",
      value: minusGradient ? (out) => out.length - 2 * out.overlap + 1 : (out) => out.length,
      draw: sampler.of({ law, d, n, rank: d }),
    };
  }

  /** The parts of an experiment on L(θ⁺)/L(θ) for one step of s = ηℓ on H = ℓP_r. */
  function ofStep({ law, d, n, r }, step, more) {
    const constant = fixedEstimate({ law, d, n, r }) || mirrors({ law, d, n, r }, step);
    return {
      theory: theory.contraction(step, theory.rank[law](d, n, r)),
      symbols: symbolsOf(law, d, n, more),
      kind: constant ? "constant" : "mean",
      value: (out) => 1 - 2 * step * out.overlap + step * step * out.length,
      draw: sampler.of({ law, d, n, rank: r }),
    };
  }

  const PARTS = {
    A2: (values) => ofLength(values, false),
    A4: (values) => ofLength(values, true),
    B2: (values) => {
      const s = values.t / theory.norm[values.law](values.d, values.n);
      return ofStep({ ...values, r: values.d }, s, { t: values.t, s });
    },
    B3: (values, claim) => {
      const gamma = theory.rank[values.law](values.d, values.n, values.r);
      return ofStep(values, claim.step, { r: values.r, s: claim.step, gamma });
    },
    B6: (values) => {
      const gamma = theory.rank[values.law](values.d, values.n, values.r);
      return ofStep(values, values.t / gamma, { r: values.r, t: values.t, gamma });
    },
    E1: ({ law, p, q, k, n, d }) => {
      const c = theory.lowRankFourth(p, q, k);
      return {
        theory: theory.lowRankNorm(n, c),
        symbols: symbolsOf(law, d, n, { p, q, k, c }),
        kind: "mean",
        value: (out) => out.length,
        draw: sampler.lowRank({ p, q, k, n }),
      };
    },
  };

  /**
   * The experiment of these settings. Throws: SettingError, FormulaError.
   * settings: {claim, law, d, n, r, t, p, q, k, formula, resolution, draws, seed}, as typed.
   */
  function build(settings) {
    const { claim, values } = checked(settings);
    const parts = PARTS[claim.id](values, claim);
    if (Math.abs(parts.theory) < rule.exact) {
      throw new SettingError(
        claim.parameters[0],
        "The expected value is 0 at these settings, where ĝ = g exactly: no relative error of it can be promised. " +
          "Choose fewer probes, a larger d, or another t.",
      );
    }
    const reduced = claim.id === "E1" || library.invariant.includes(values.law);
    let expected = parts.theory;
    let rounding = 0;
    const text = (settings.formula || "").trim();
    if (text) [expected, rounding] = grammar.rounded(text, parts.symbols);
    const cost = numbersPerDraw(claim.id, values, reduced);
    return {
      ...parts,
      claim,
      values,
      lawFormula: lawFormulaOf(claim, values.law, parts),
      expected,
      rounding,
      resolution: resolutionOf(claim, settings),
      tested: text,
      numbersPerDraw: cost,
      draws: drawsOf(claim, values, settings, cost),
      seed: seedOf(settings),
      decoys: decoysOf(claim, values, parts),
    };
  }

  function numbersPerDraw(id, { d, n, k }, reduced) {
    if (id === "E1") return 5 * (n * k) ** 2;
    return reduced ? 5 * n * (n + 3) : d * n;
  }

  /** What was typed for a setting that has a default; empty where nothing was. */
  function typedFor(settings, name) {
    const value = settings[name];
    return value === undefined || value === null ? "" : String(value).trim();
  }

  /** The number of draws that the reader or the claim fixed; 0 where a pilot plans it. */
  function drawsOf(claim, { n, k }, settings, cost) {
    const typed = typedFor(settings, "draws");
    if (typed) return whole("draws", typed, 2, Math.floor(limits.numbers / cost));
    return claim.drawsPerColumn ? Math.floor(claim.drawsPerColumn / (k * n)) : 0;
  }

  /** The claim's own resolution, or the reader's. */
  function resolutionOf(claim, settings) {
    return claim.resolution || between("resolution", typedFor(settings, "resolution") || USUAL, rule.finest, 0.99, USUAL);
  }

  function seedOf(settings) {
    return whole("seed", typedFor(settings, "seed") || "0", 0, Number.MAX_SAFE_INTEGER);
  }

  /** The theory in the letters that a reader chooses, (d+n+1)/n for the Gaussian; empty where it has no such form. */
  function lawFormulaOf(claim, law, parts) {
    const formula = (claim.lawFormulas || {})[law] || "";
    if (!formula) return "";
    const [value, rounding] = grammar.rounded(formula, parts.symbols);
    return verdict.sameValue(value, parts.theory, rounding) ? formula : "";
  }

  /** The wrong formulas of the registry that are wrong here, with their values. */
  function decoysOf(claim, { d }, parts) {
    const found = [];
    for (const { formula, until } of claim.decoys) {
      const [expected, rounding] = grammar.rounded(formula, parts.symbols);
      const near = claim.far && Math.abs(expected - parts.theory) <= claim.far * Math.abs(parts.theory);
      const offered = until === null || d <= until;
      if (offered && !near && !verdict.sameValue(parts.theory, expected, rounding)) found.push({ formula, expected });
    }
    return found;
  }

  /** The command that does the same on the reader's machine: of numbers that were read, and of words that are quoted. */
  function command(settings) {
    const made = build(settings);
    const { claim, values } = made;
    const parts = [`mezo-lab verify ${claim.name} --law ${values.law}`];
    if (claim.parameters.includes("d")) parts.push(`--dim ${values.d}`);
    parts.push(`--probes ${values.n}`);
    const chosen = { rank: values.r, t: values.t, p: values.p, q: values.q, k: values.k };
    for (const [name, value] of Object.entries(chosen)) {
      if (value !== undefined) parts.push(`--set ${name}=${value}`);
    }
    if (claim.id === "E1") parts.push("--set moment=norm");
    if (typedFor(settings, "draws")) parts.push(`--draws ${made.draws}`);
    if (!claim.resolution && made.resolution !== Number(USUAL)) parts.push(`--resolution ${made.resolution}`);
    if (made.seed) parts.push(`--seed ${made.seed}`);
    if (made.tested) parts.push(`--expect=${words.shellQuoted(made.tested)}`); // = as a formula may begin with a minus sign
    return parts.join(" ");
  }

  return { build, claimNamed, command };
})();
