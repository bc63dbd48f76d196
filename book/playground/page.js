"use strict";
// The page: the form, a run, and what is shown of it.

(() => {
  const byId = (id) => document.getElementById(id);
  const form = byId("playground");
  const AT_LEAST = 120; // milliseconds between two pictures
  const SPOKEN = 5000; // milliseconds between two sentences to a screen reader
  const PAUSE = 600; // milliseconds without a key, after which a formula counts as typed and may be called wrong
  let stopped = true;
  let running = false;
  let held = null; // an error that is not said yet
  let waiting = 0; // the timer that will say it
  let shown = null; // what the pictures show, to draw them again at another width

  /** The claim that is chosen, and its parameters. */
  function chosenClaim() {
    return experiments.claimNamed(form.elements.claim.value);
  }

  /** Fill the list of laws, and show the parameters that the claim has. */
  function showClaim(law) {
    const claim = chosenClaim();
    const list = form.elements.law;
    list.replaceChildren(...claim.laws.map((name) => new Option(name, name)));
    list.value = claim.laws.includes(law) ? law : claim.laws[0];
    for (const label of form.querySelectorAll("[data-parameter]")) {
      label.hidden = !claim.parameters.includes(label.dataset.parameter);
    }
    byId("pg-claim").href = `claims/${claim.id}.html`;
    byId("pg-claim").textContent = `Claim ${claim.id}, ${claim.name}`;
  }

  /** What the page can do with the law, and why not more. */
  function lawNote(claim, law) {
    const { bruteDim, probes, columns } = library.limits;
    if (claim.id === "E1") {
      return `Drawn through the Gram matrices of U and V, whatever p and q; n times k up to ${columns}. ` +
        `A run takes ${words.decimals(claim.drawsPerColumn, 0)}/(n·k) draws, as the claim has it, for a resolution of ` +
        `${words.percentText(claim.resolution)}. With signs in U and V there is no such short cut: use the command.`;
    }
    if (library.invariant.includes(law)) {
      return `Drawn through a handful of scalars, so that any d takes the same time (13e9 is 13 billion); n up to ${probes}.`;
    }
    const most = words.decimals(bruteDim, 0);
    return `A rotation changes this law, so z is drawn coordinate by coordinate: d up to ${most} here, more by the command.`;
  }

  /**
   * Show everything that follows from the settings before a draw is made. Returns: the experiment, or null.
   * typing: whether the reader may be in the midst of a word, which is not called wrong before a pause.
   */
  function showSettings(typing = false) {
    const chosen = settings.read(form);
    const claim = chosenClaim();
    byId("pg-law-note").textContent = lawNote(claim, chosen.law);
    const fixed = claim.resolution !== undefined;
    form.elements.resolution.disabled = fixed;
    const hash = settings.toHash(chosen, claim.parameters);
    byId("pg-link").href = hash;
    clearTimeout(waiting);
    held = null;
    let experiment = null;
    try {
      experiment = experiments.build(chosen);
      byId("pg-command").textContent = experiments.command(chosen);
      clearError();
    } catch (error) {
      held = error;
      if (typing) waiting = setTimeout(showHeld, PAUSE);
      else showHeld();
      byId("pg-command").textContent = "";
    }
    byId("pg-copy").disabled = experiment === null;
    byId("pg-draw").disabled = experiment === null;
    try {
      showNames(experiments.build({ ...chosen, formula: "", draws: "", seed: "", resolution: "" }));
    } catch (error) {
      byId("pg-theory").textContent = chosenClaim().formula;
      byId("pg-symbols").replaceChildren();
      byId("pg-tries").replaceChildren();
    }
    return experiment;
  }

  /** The names that a formula may use here, and formulas to try. */
  function showNames(plain) {
    const rows = Object.entries(plain.symbols).map(([name, value]) => {
      const printed = tokens.printed(name);
      const called = printed === name ? name : `${name}, ${printed}`;
      return row([called, words.numberText(value), library.symbols[name] || ""], "th");
    });
    byId("pg-symbols").replaceChildren(...rows);
    byId("pg-theory").textContent = legend.theoryTexts(plain).join(" = ");
    const formulas = [...legend.theoryFormulas(plain), ...plain.decoys.map((decoy) => decoy.formula)];
    const buttons = formulas.map((formula) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = tokens.printed(formula);
      button.addEventListener("click", () => {
        form.elements.formula.value = formula;
        showSettings();
        form.elements.formula.focus();
      });
      return button;
    });
    byId("pg-tries").replaceChildren(...buttons);
  }

  function row(cells, first = "td") {
    const line = document.createElement("tr");
    cells.forEach((content, place) => {
      const cell = document.createElement(place === 0 ? first : "td");
      if (first === "th" && place === 0) cell.scope = "row";
      cell.append(content);
      line.append(cell);
    });
    return line;
  }

  /** Say what is wrong, if anything is and was not said. */
  function showHeld() {
    const error = held;
    held = null;
    if (error !== null) showError(error);
  }

  function showError(error) {
    const field = error instanceof FormulaError ? "formula" : error.field;
    if (!field) throw error;
    clearMarks();
    byId("pg-verdict").hidden = true; // it was on other settings
    // a screen reader says an alert again whenever it is written
    if (byId("pg-error").textContent !== error.message) byId("pg-error").textContent = error.message;
    const input = form.elements[field];
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-errormessage", "pg-error");
    const hidden = input.closest("details");
    if (hidden) hidden.open = true;
  }

  function clearError() {
    byId("pg-error").textContent = "";
    clearMarks();
  }

  function clearMarks() {
    for (const name of settings.NAMES) form.elements[name].removeAttribute("aria-invalid");
  }

  function swatch(line) {
    const picture = document.createElement("span");
    picture.className = "pg-swatch";
    picture.innerHTML =
      `<svg width="34" height="12" aria-hidden="true"><line class="pg-line pg-${line.style}" x1="0" x2="34" y1="6" y2="6"/></svg>` +
      `<b class="pg-${line.style}-ink">${line.letter}</b>`;
    return picture;
  }

  /** The table of the lines, which says in words what the pictures show. */
  function showKey({ experiment, lines, estimate, half, result }) {
    const digits = legend.digitsOf(lines);
    const rows = lines.map((line) => {
      const gap = line.value - experiment.theory;
      const off = Math.abs(gap) > half ? `, beyond the ${gap > 0 ? "upper" : "lower"} edge of the second picture` : "";
      const distance = verdict.distance(experiment.kind, estimate, line.value);
      return row([
        swatch(line),
        line.name,
        line.formulas.join(" = "),
        words.numberText(line.value, digits) + off,
        words.distanceText(distance),
        result ? legend.verdictOn(line, shown) : "",
      ]);
    });
    const mean = { style: "mean", letter: "M" };
    rows.push(row([swatch(mean), "mean of the draws", "", words.estimateText(estimate), "", ""]));
    byId("pg-rows").replaceChildren(...rows);
  }

  function showPictures() {
    const { counts, lines, track, scale, estimate } = shown;
    const width = Math.max(charts.NARROWEST, byId("pg-histogram").clientWidth);
    byId("pg-histogram").innerHTML = charts.histogram(width, counts, lines, estimate.mean);
    byId("pg-closing").innerHTML = charts.closing(width, track, lines, scale);
    byId("pg-ends").textContent = counts.ends;
    showKey(shown);
  }

  /** The hooks of a run, which keep the pictures up to date. */
  function hooksOf(experiment) {
    const lines = legend.linesOf(experiment);
    let drawnAt = 0;
    let spokenAt = 0;

    function planned(count, pilot, moments) {
      const counts = new charts.Histogram(pilot, lines.map((line) => line.value));
      const target = experiment.resolution * Math.abs(experiment.theory);
      const half = charts.reachOf(lines, experiment.theory, target);
      shown = { experiment, lines, counts, track: [], half, estimate: moments.estimate(), result: null };
      shown.scale = { centre: experiment.theory, half, count };
      byId("pg-pictures").hidden = false;
      byId("pg-key").hidden = false;
      spokenAt = performance.now();
      say(`${words.decimals(count, 0)} draws are planned.`);
    }

    function take(values, size, moments) {
      shown.counts.add(values, size);
      const { track, scale } = shown;
      const last = track.length === 0 ? 0 : track[track.length - 1].count;
      if (moments.count > 1.03 * last || moments.count === scale.count) track.push(moments.estimate());
      const now = performance.now();
      if (now - drawnAt < AT_LEAST && moments.count < scale.count) return;
      drawnAt = now;
      shown.estimate = moments.estimate();
      byId("pg-progress").value = moments.count / scale.count;
      const made = `${words.decimals(moments.count, 0)} of ${words.decimals(scale.count, 0)} draws`;
      byId("pg-count").textContent = made;
      showPictures();
      if (now - spokenAt > SPOKEN && moments.count < scale.count) {
        spokenAt = now;
        say(`${made}: mean ${words.estimateText(shown.estimate)}.`);
      }
    }

    return { planned, take, stop: () => stopped };
  }

  function say(text) {
    byId("pg-live").textContent = text;
  }

  /** Show the verdict, and what to do about one without power. */
  function showVerdict(experiment, outcome) {
    const { result, count } = outcome;
    const box = byId("pg-verdict");
    const subject = experiment.tested ? `Your formula ${tokens.printed(experiment.tested)}` : "The theory";
    box.hidden = false;
    box.dataset.status = result.status;
    byId("pg-word").textContent = `${subject}: ${result.status}.`;
    byId("pg-advice").textContent = `${capital(library.status[result.status])}.`;
    byId("pg-sentence").textContent = `${capital(result.sentence)}.`;
    const why = legend.whyNoPower(experiment, outcome);
    byId("pg-why").textContent = why;
    byId("pg-why").hidden = why === "";
    byId("pg-setting").textContent = legend.settingText(experiment, count);
    const total = count + result.missing;
    const numbers = total * experiment.numbersPerDraw;
    byId("pg-remedy").hidden = !result.missing || numbers > library.limits.numbers;
    byId("pg-again").textContent = `Take ${words.drawCount(total)} new draws`;
    byId("pg-again").dataset.draws = String(total);
    byId("pg-again").dataset.seed = String(experiment.seed < Number.MAX_SAFE_INTEGER ? experiment.seed + 1 : 0);
    say(`${subject}: ${result.status}. ${result.sentence}. ${why}`.trim());
  }

  function capital(text) {
    return text[0].toUpperCase() + text.slice(1);
  }

  async function start() {
    const experiment = showSettings();
    if (experiment === null || running) return;
    history.replaceState(null, "", byId("pg-link").href);
    stopped = false;
    setRunning(true);
    byId("pg-verdict").hidden = true;
    byId("pg-count").textContent = "Pilot: draws that set the size of the run, and are thrown away";
    byId("pg-progress").value = 0;
    let outcome;
    try {
      outcome = await runs.run(experiment, experiment.seed, hooksOf(experiment));
    } catch (error) {
      const broken = `The run broke off, without a verdict, at an error of this page: ${error.message}`;
      byId("pg-count").textContent = broken;
      say(broken);
      throw error;
    } finally {
      setRunning(false);
    }
    if (outcome === null) {
      byId("pg-count").textContent += ". Stopped: no verdict, as the number of draws is fixed before the first counts";
      say("Stopped: no verdict.");
      return;
    }
    shown.result = outcome.result;
    shown.estimate = outcome.estimate;
    showPictures();
    showVerdict(experiment, outcome);
  }

  function setRunning(now) {
    running = now;
    document.documentElement.dataset.playground = now ? "running" : "ready";
    byId("pg-stop").disabled = !now;
    byId("pg-draw").setAttribute("aria-disabled", String(now));
  }

  /** Copy the command, also where the browser keeps its clipboard from pages that are files. */
  async function copyCommand() {
    const code = byId("pg-command");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch (error) {
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    byId("pg-copy").textContent = "Copied";
    setTimeout(() => {
      byId("pg-copy").textContent = "Copy";
    }, 1500);
  }

  function open() {
    const chosen = settings.fromHash(location.hash);
    const replaced = [];
    try {
      chosen.claim = experiments.claimNamed(chosen.claim).id;
    } catch (error) {
      chosen.claim = settings.DEFAULTS.claim;
      replaced.push(`${error.message} The page shows ${chosen.claim} instead.`);
    }
    const { laws } = experiments.claimNamed(chosen.claim);
    if (!laws.includes(chosen.law)) {
      replaced.push(
        `Law ${chosen.law} is none of this claim’s here: it has ${laws.join(", ")}. The page shows ${laws[0]} instead.`,
      );
    }
    if (location.hash === "") chosen.formula = library.firstFormula;
    form.elements.claim.value = chosen.claim;
    showClaim(chosen.law);
    settings.write(form, { ...chosen, law: form.elements.law.value });
    showSettings();
    showReplaced(replaced);
  }

  /** What the address asked for and the page does not have, which stays until the reader chooses a claim or law. */
  function showReplaced(sentences) {
    byId("pg-address").hidden = sentences.length === 0;
    byId("pg-address").textContent = sentences.join(" ");
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  form.addEventListener("input", (event) => {
    if (event.target.name === "claim") showClaim(form.elements.law.value);
    if (["claim", "law"].includes(event.target.name)) showReplaced([]);
    showSettings(event.target.tagName === "INPUT");
  });
  form.addEventListener("change", showHeld); // a field is left
  byId("pg-stop").addEventListener("click", () => {
    stopped = true;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") stopped = true;
  });
  byId("pg-again").addEventListener("click", () => {
    form.elements.draws.value = byId("pg-again").dataset.draws;
    form.elements.seed.value = byId("pg-again").dataset.seed;
    start();
  });
  byId("pg-copy").addEventListener("click", copyCommand);
  window.addEventListener("hashchange", open);
  window.addEventListener("resize", () => {
    if (shown !== null) showPictures();
  });
  open();
  setRunning(false);
})();
