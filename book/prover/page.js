/* The page: two forms, one line that says what goes on, and a button that stops it. */
"use strict";

(() => {
  const prover = window.prover;
  const byId = (id) => document.getElementById(id);
  const laws = JSON.parse(byId("prove-laws").textContent); // claim → the laws for which it is proved
  const compared = Object.fromEntries(prover.claims.map((claim) => [claim.name, claim]));
  let busy = false;
  let clock = null;

  function fill(select, choices) {
    const before = select.value;
    select.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
    if (choices.some(([value]) => value === before)) {
      select.value = before;
    }
  }

  const asChoices = (names) => names.map((name) => [name, name]);
  const setting = () => compared[byId("compare-claim").value].laws[byId("compare-law").value][byId("compare-setting").value];

  function fillProofLaws() {
    fill(byId("prove-law"), asChoices(laws[byId("prove-claim").value]));
  }

  function fillCompareLaws() {
    fill(byId("compare-law"), asChoices(Object.keys(compared[byId("compare-claim").value].laws)));
    fillSettings();
  }

  function fillSettings() {
    const settings = compared[byId("compare-claim").value].laws[byId("compare-law").value];
    const choices = settings.map((each, index) => [String(index), each.label || "the only one"]);
    fill(byId("compare-setting"), choices);
    byId("compare-setting-label").hidden = settings.length === 1;
    fillValues();
  }

  /* The table of names: a number that other names give is not typed. */
  function fillValues() {
    const chosen = setting();
    const given = new Set(["pi", "e", ...chosen.places.map((place) => prover.defined[place])]);
    const rows = Object.entries(chosen.rows[0]).map(([name, value]) => {
      const [sign, meaning] = prover.names[name] || [name, ""];
      const row = document.createElement("tr");
      row.insertCell().textContent = sign === name ? name : `${name}, ${sign}`;
      row.insertCell().textContent = meaning;
      const cell = row.insertCell();
      if (given.has(name)) {
        cell.textContent = name === "pi" || name === "e" ? "a constant" : "follows from the others";
      } else {
        const input = document.createElement("input");
        input.type = "number";
        input.step = "any";
        input.value = Number(value.toPrecision(6));
        input.name = name;
        input.dataset.value = value;
        input.setAttribute("aria-label", `number of ${name}`);
        cell.append(input);
      }
      return row;
    });
    byId("compare-values").replaceChildren(...rows);
  }

  /* The numbers of the table: one that was not changed keeps all its digits. */
  function values() {
    const read = { ...setting().rows[0] };
    for (const input of byId("compare-values").querySelectorAll("input")) {
      const own = Number(input.dataset.value);
      const changed = input.value !== String(Number(own.toPrecision(6)));
      read[input.name] = changed ? input.valueAsNumber : own;
    }
    return read;
  }

  function say(text, share) {
    byId("prover-status").textContent = text;
    const progress = byId("prover-progress");
    progress.hidden = share === undefined || share >= 1;
    progress.value = share || 0;
  }

  function working(now) {
    busy = now;
    byId("prover-stop").setAttribute("aria-disabled", !now);
    byId("prover-seconds").textContent = "";
    document.querySelectorAll(".prover-go").forEach((button) => {
      button.setAttribute("aria-disabled", now); // a button that is disabled would lose the keyboard's focus
    });
    clearInterval(clock);
    if (now) {
      const start = performance.now();
      clock = setInterval(() => {
        byId("prover-seconds").textContent = `${Math.round((performance.now() - start) / 1000)} s`;
      }, 1000);
    }
    if (prover.loaded()) {
      document.querySelectorAll(".prover-cost").forEach((cost) => cost.remove());
    }
  }

  async function typeset(shown) {
    if (!window.MathJax || !window.MathJax.startup) {
      return;
    }
    await window.MathJax.startup.promise;
    await window.MathJax.typesetPromise([shown]);
    reachFormulas();
  }

  /* A formula that is wider than the page scrolls, by keys too; one that is not is no stop of the Tab key. */
  function reachFormulas() {
    document.querySelectorAll(".prover-formula").forEach((box) => {
      if (box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", box.dataset.words);
      } else {
        ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
      }
    });
  }

  /* Ask Python, and show below the form what it answers. */
  async function ask(question, given, place, shown) {
    if (busy) {
      return;
    }
    working(true);
    place.replaceChildren();
    try {
      const answer = await prover.ask(question, given, (text, share) => say(text, share));
      const found = answer.refused ? prover.refusal(answer.refused) : shown(answer);
      place.replaceChildren(found);
      await typeset(place);
      say(answer.refused ? "Refused: the reason stands below the form." : "Done: the answer stands below the form.");
    } catch (error) {
      if (error instanceof prover.Stopped) {
        say("Stopped. The next press starts Python anew; nothing is loaded twice.");
      } else {
        say("It did not work: the reason stands below the form.");
        place.replaceChildren(prover.refusal(error.message));
      }
    }
    working(false);
  }

  function prove(event) {
    event.preventDefault();
    const given = { claim: byId("prove-claim").value, law: byId("prove-law").value };
    ask("proof", given, byId("prove-answer"), prover.proofShown);
  }

  function compare(event) {
    event.preventDefault();
    const claim = compared[byId("compare-claim").value];
    const law = byId("compare-law").value;
    const chosen = setting();
    const text = byId("compare-text").value;
    if (!text.trim()) {
      byId("compare-answer").replaceChildren(prover.refusal("Write a formula first."));
      say("Refused: the reason stands below the form.");
      byId("compare-text").focus();
      return;
    }
    // for the shell; with = below, as a formula may begin with a minus sign
    const quoted = `'${text.replaceAll("'", "'\\''")}'`;
    const label = chosen.label ? `, ${chosen.label}` : "";
    const asked = {
      title: `${claim.id} ${claim.name}, ${law} law${label}`,
      bound: chosen.bound,
      command: `mezo-lab verify ${claim.name} --law ${law}${chosen.options} --expect=${quoted}`,
    };
    const given = { text, theory: chosen.formula, law, values: values(), places: chosen.places, rows: chosen.rows };
    ask("comparison", given, byId("compare-answer"), (found) => prover.comparisonShown(found, asked));
  }

  /* What stands behind the # of the address; a bare + stays a plus, and a percent sign that encodes nothing too. */
  function wantedOf(hash) {
    const wanted = new Map();
    for (const part of hash.replace(/^#/, "").split("&")) {
      const [name, ...rest] = part.split("=");
      try {
        wanted.set(name, decodeURIComponent(rest.join("=")));
      } catch (error) {
        wanted.set(name, rest.join("="));
      }
    }
    return wanted;
  }

  /* prove.html#proof=norm-factor&law=gaussian, or #formula=norm-factor&law=gaussian&expect=(d+n-1)/n */
  function readAddress() {
    const wanted = wantedOf(location.hash);
    const choose = (select, value) => {
      if ([...select.options].some((option) => option.value === value)) {
        select.value = value;
      }
    };
    choose(byId("prove-claim"), wanted.get("proof"));
    fillProofLaws();
    choose(byId("compare-claim"), wanted.get("formula"));
    fillCompareLaws();
    choose(byId("prove-law"), wanted.get("law"));
    choose(byId("compare-law"), wanted.get("law"));
    fillSettings();
    if (wanted.get("expect")) {
      byId("compare-text").value = wanted.get("expect");
    }
    if (wanted.get("proof") || wanted.get("formula")) {
      byId(wanted.get("formula") ? "compare-form" : "prove-form").scrollIntoView();
    }
  }

  byId("prove-claim").addEventListener("change", fillProofLaws);
  byId("compare-claim").addEventListener("change", fillCompareLaws);
  byId("compare-law").addEventListener("change", fillSettings);
  byId("compare-setting").addEventListener("change", fillValues);
  byId("prove-form").addEventListener("submit", prove);
  byId("compare-form").addEventListener("submit", compare);
  byId("prover-stop").addEventListener("click", () => {
    if (busy) {
      prover.stop(); // without a run there is nothing to end, and Python stays loaded
    }
  });
  window.addEventListener("hashchange", readAddress);
  window.addEventListener("resize", reachFormulas);
  byId("prove-claim").value = "norm-factor";
  byId("compare-claim").value = "norm-factor";
  readAddress();
})();
