/* Answers of Python as parts of the page: a proof, and a comparison of two formulas. */
"use strict";

(() => {
  const prover = window.prover;

  /* An element: its tag, its class, and what it holds. Text is text, never HTML. */
  function element(tag, kind, ...content) {
    const made = document.createElement(tag);
    if (kind) {
      made.className = kind;
    }
    made.append(...content);
    return made;
  }

  /* A formula that MathJax will set; its words serve a screen reader where it is a box that scrolls. */
  function formula({ latex, text }) {
    const made = element("div", "prover-formula math notranslate", `\\[${latex}\\]`);
    made.dataset.words = text;
    return made;
  }

  /* Text as a terminal has it, and a button that copies it. */
  function copied(text) {
    const code = element("pre", "", text);
    code.tabIndex = 0;
    const button = element("button", "prover-copy", "Copy");
    button.type = "button";
    button.addEventListener("click", async () => {
      let done = true;
      try {
        await navigator.clipboard.writeText(text);
      } catch (error) {
        getSelection().selectAllChildren(code); // the browser forbids it: the keys of the reader copy what is marked
        done = document.execCommand("copy");
      }
      button.textContent = done ? "Copied" : "Marked: press Ctrl+C";
    });
    return element("div", "prover-copied", code, button);
  }

  const named = (count, one, many) => (count === 1 ? `1 ${one}` : `${count} ${many}`);

  prover.refusal = (sentence) => element("p", "prover-error", sentence);

  prover.proofShown = (proof) => {
    const steps = proof.steps.map((step) => element("li", "", element("p", "", step.sentence), formula(step)));
    const ends = proof.conclusions.map((each) =>
      element("li", "", element("b", "", each.name), `: derived − theory = ${each.difference}`),
    );
    const verdict = element("p", proof.proved ? "prover-verdict prover-good" : "prover-verdict prover-bad");
    verdict.append(element("b", "", proof.proved ? "Proved. " : "Not proved. "), proof.verdict);
    const shown = element("section", "prover-answer", element("h3", "", proof.title), element("ol", "", ...steps));
    shown.append(verdict);
    if (ends.length > 1) {
      shown.append(element("p", "", `It ends in ${named(ends.length, "equality", "equalities")}:`), element("ul", "", ...ends));
    }
    shown.append(element("details", "", element("summary", "", "As the terminal prints it"), copied(proof.printed)));
    return shown;
  };

  function heading(scope, ...content) {
    const made = element("th", "", ...content);
    made.scope = scope;
    return made;
  }

  function row(name, shown) {
    const value = element("td", "prover-value", shown.value);
    return element("tr", "", heading("row", name), element("td", "", shown.typed), value);
  }

  function example(found) {
    return element(
      "p",
      "",
      `The smallest example: at ${found.at} your formula gives ${found.yours}, and the theory gives ${found.theory}.`,
    );
  }

  const SENTENCES = {
    equal: "Equal. sympy finds that your formula minus the theory is 0.",
    different: "Different. sympy finds that your formula minus the theory is not 0.",
    undecided:
      "Not decided. The formulas give the same number in each setting of this claim, and sympy does not find that they are equal.",
  };

  function reasons(found) {
    const said = [];
    if (found.verdict === "different" && found.same_here) {
      said.push("At the numbers of the table the two agree: elsewhere they do not.");
    }
    if (found.verdict === "undecided" && found.dependent.length) {
      said.push(`Some of the names ${found.dependent.join(", ")} may depend on others of this claim; the formula of the theory shows how it is written.`);
    }
    return said.map((sentence) => element("p", "", sentence));
  }

  prover.comparisonShown = (found, asked) => {
    const kind = { equal: "prover-good", different: "prover-bad", undecided: "prover-open" }[found.verdict];
    const head = element("p", `prover-verdict ${kind}`, SENTENCES[found.verdict]);
    const shown = element("section", "prover-answer", element("h3", "", asked.title), head);
    if (asked.bound) {
      shown.append(element("p", "", "The claim is a bound: its mean is at most the theory's value."));
    }
    const columns = element("tr", "", heading("col", "whose"), heading("col", "formula"), heading("col", "value"));
    const rows = element("tbody", "", row("yours", found.yours), row("theory", found.theory));
    const table = element("table", "", element("caption", "", "The two formulas, at the numbers below"), element("thead", "", columns), rows);
    shown.append(table, element("p", "", found.at ? `The numbers: ${found.at}.` : "Neither formula has names."));
    shown.append(element("p", "", "The formula of the theory, for this law:"), formula(found.theory));
    if (found.verdict !== "equal") {
      shown.append(element("p", "", "Yours minus the theory:"), formula(found.difference), ...reasons(found));
    }
    if (found.example) {
      shown.append(example(found.example));
    }
    shown.append(element("p", "", "To put it to random draws:"), copied(asked.command));
    return shown;
  };
})();
