"use strict";
// What the pictures and the verdict are about, in words: their lines, the setting, and why draws do not decide.

const legend = (() => {
  const PATTERNS = ["a", "b", "c"]; // the dashes of decoys, which start anew where there are more decoys

  /** The theory as the claim writes it, and in the letters of the form alone: (d+n+1)/n for the Gaussian. */
  function theoryFormulas({ claim, lawFormula }) {
    return lawFormula ? [claim.formula, lawFormula] : [claim.formula];
  }

  function theoryTexts(experiment) {
    return theoryFormulas(experiment).map(tokens.printed);
  }

  /** The lines of the pictures: theory, the reader's formula and the decoys; those of one value are one line. */
  function linesOf(experiment) {
    const lines = [];
    const add = (letter, style, name, formula, value) => {
      const same = lines.find((line) => verdict.sameValue(line.value, value, experiment.rounding));
      const text = tokens.printed(formula);
      if (!same) lines.push({ letter, style, name, formulas: [text], value });
      else {
        same.name = `${same.name} = ${name}`;
        if (!same.formulas.includes(text)) same.formulas.push(text);
      }
    };
    lines.push({ letter: "T", style: "theory", name: "theory", formulas: theoryTexts(experiment), value: experiment.theory });
    if (experiment.tested) add("F", "formula", "your formula", experiment.tested, experiment.expected);
    experiment.decoys.forEach((decoy, place) => {
      const letter = String.fromCharCode("a".charCodeAt(0) + place);
      add(letter, `decoy-${PATTERNS[place % PATTERNS.length]}`, `decoy ${letter}`, decoy.formula, decoy.expected);
    });
    return lines;
  }

  /** The verdict on a line: on the theory at the resolution, on the others at their distance from the theory too. */
  function verdictOn(line, { experiment, estimate, result }) {
    const { kind, theory } = experiment;
    let [state, missing] = verdict.decoyStatus(kind, estimate, line.value, theory);
    if (line.style === "theory") [state, missing] = verdict.status(kind, estimate, theory, verdict.targets(experiment)[0]);
    if (line.style === "formula") ({ status: state, missing } = result);
    return missing ? `${state}: ${words.drawCount(missing)} draws are missing` : state;
  }

  /** As many digits as tell the lines from one another. */
  function digitsOf(lines) {
    const gaps = lines.map((line) => Math.abs(line.value - lines[0].value) / Math.abs(line.value)).filter((gap) => gap > 0);
    return Math.min(15, Math.max(6, 2 - Math.floor(Math.log10(Math.min(1, ...gaps)))));
  }

  /** Why a formula near the theory is UNDERPOWERED by draws that make the theory CONSISTENT; empty elsewhere. */
  function whyNoPower(experiment, { result, estimate }) {
    const [coarse, gap] = verdict.targets(experiment);
    if (!experiment.tested || result.status !== "UNDERPOWERED" || !(gap < coarse)) return "";
    const [ofTheory] = verdict.status(experiment.kind, estimate, experiment.theory, coarse);
    if (ofTheory !== "CONSISTENT") return "";
    const apart = words.numberText((100 * gap) / Math.abs(experiment.theory), 2);
    return (
      `These draws were asked to tell F from T, your formula from the theory, which are ${apart} % apart, and that takes ` +
      `more of them. The theory T is CONSISTENT all the same, as it is tested at the resolution, ` +
      `${words.percentText(experiment.resolution)}; at that resolution the draws do not tell F from T.`
    );
  }

  /** What the verdict is about, which stays when the reader changes the form. */
  function settingText({ claim, values, seed }, count) {
    const shownAs = (letter) => (letter === "t" ? words.numberText(values.t) : words.decimals(values[letter], 0));
    const chosen = claim.parameters.map((letter) => `${letter} = ${shownAs(letter)}`);
    const draws = `${words.decimals(count, 0)} draws of seed ${seed}`;
    return `Claim ${claim.id} ${claim.name}, ${values.law}, ${chosen.join(", ")}; ${draws}.`;
  }

  return { theoryFormulas, theoryTexts, linesOf, verdictOn, digitsOf, whyNoPower, settingText };
})();
