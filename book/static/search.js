// The page of the search: names and formulas first, then what Sphinx finds in the words of the pages.
// search_names.js, written by search_names.py, has the names: claims, the library's, terms, titles, formulas.
"use strict";

const OF_FORMULAS = /[‖|^=+\\/√∇≤≥ℓ]|[⁰-⁹ᵀ\u0302\u0370-\u03ff]|[ĝĥ]/u; // a word has none of them
const SURE = /[(‖^√∇≤≥ℓ\u0370-\u03ff]/u; // what has one of them is no option and no path
const HAN = /\p{Script=Han}/u;
const TRANSLATED = /(^|\/)zh\/|\.zh$/;
const KINDS = { claim: "claim", API: "API", term: "glossary" };

const RULES = {};
for (const [part, rules] of Object.entries(MEZO_NAMES.rules)) {
  RULES[part] = rules.map(([pattern, by]) => [new RegExp(pattern, "gu"), by]);
}

function replaced(text, part) {
  return RULES[part].reduce((formula, [pattern, by]) => formula.replace(pattern, by), text);
}

/** A formula as search_names.py writes it, by the same rules: without spaces, one sign for each meaning. */
function plainFormula(typed) {
  let text = replaced(typed.normalize("NFC"), "first");
  let before = "";
  while (before !== text) {
    before = text;
    text = replaced(text, "until nothing changes");
  }
  return replaced(text, "last").normalize("NFC").toLowerCase();
}

/** Whether there are words beside the formula: "(d+n-1)/n dispute". */
function hasWords(query) {
  const text = replaced(query, "first").replace(/\\[a-zA-Z]+/g, " ");
  return /\p{Letter}{4,}/u.test(text.replace(/sqrt/g, " ")) || HAN.test(query);
}

/** Words without the marks between them, so that norm-factor, norm_factor and "norm factor" are one name. */
function plainWords(text) {
  return text.toLowerCase().replace(/[^\p{Letter}\p{Number}]+/gu, " ").trim();
}

/** How well a name fits what was typed: 1 if they are the same, less if it only contains the words, else 0. */
function likeness(name, typed) {
  const words = plainWords(name);
  if (words === typed) {
    return 1;
  }
  const all = words.split(" ");
  const fits = (each, word) => (HAN.test(word) ? each.includes(word) : each.startsWith(word));
  const held = typed.split(" ").every((word) => all.some((each) => fits(each, word)));
  return typed && held ? (0.6 * typed.length) / words.length : 0;
}

/** A title without its number, its article, and what it adds after a comma or a colon. */
function bareTitle(title) {
  return title.replace(/^\d+\. /, "").replace(/^(The|A|An|Which) /, "").split(/[:,]/)[0];
}

/** Pages, claims and terms stand above the library's names, but for a class or a function that is typed as it is written. */
function scoreOfName(entry, typed, words, isCode) {
  const known = /^mezo_lab\./.test(typed) ? "" : /^mezo_lab\./; // every name of the library begins with it
  const byName = Math.max(...entry.names.map((name) => likeness(name.replace(known, ""), words)), 0);
  if (entry.kind !== "API") {
    const rank = { claim: 120, term: 110, page: 130 }[entry.kind];
    return byName === 1 ? rank : byName * 60;
  }
  if (entry.names.includes(typed) && (isCode || ["class", "function", "exception"].includes(entry.type))) {
    return /^[a-z]+$/.test(typed) ? 105 : 140;
  }
  return byName === 1 ? 38 : byName * 38;
}

/** The score of a page by its title, or by its heading that fits best: [score, that heading]. */
function scoreOfTitle(entry, words) {
  const byTitle = Math.max(likeness(entry.title, words), likeness(bareTitle(entry.title), words));
  let score = byTitle ? 40 + 50 * byTitle : 0;
  if (byTitle === 1) {
    score = 130;
  } else if (entry.page.startsWith("api/")) {
    score = 38 * byTitle;
  }
  let heading = null;
  for (const each of entry.headings ?? []) {
    const like = likeness(bareTitle(each[0]), words);
    const ofHeading = like === 1 ? 100 : 38 + like;
    if (like >= 0.3 && ofHeading > score) {
      score = ofHeading;
      heading = each;
    }
  }
  return [score, heading];
}

/** The score of an entry whose formulas have what was typed. */
function scoreOfFormula(entry, formula) {
  if ([entry.title, ...entry.names].some((name) => plainFormula(name) === formula)) {
    return 200;
  }
  const held = (entry.formulas ?? []).filter((each) => each.includes(formula)).length;
  const stated = entry.statement?.includes(formula) ? 80 : 0;
  const shown = held ? 20 + Math.min(held, 30) + (entry.kind === "claim" ? 25 : 0) : 0;
  return stated + shown;
}

/** Results in the form of Sphinx, the best last. */
function namedResults(query) {
  const typed = query.trim();
  const words = plainWords(query);
  const formula = plainFormula(query);
  const isFormula = OF_FORMULAS.test(formula) && !hasWords(query);
  const isCode = /[_.]|[a-z][A-Z]/.test(query); // as a name of the library is written
  const found = [];
  for (const entry of MEZO_NAMES.entries) {
    const foreign = TRANSLATED.test(entry.page) && !HAN.test(query);
    const byFormula = isFormula && formula ? scoreOfFormula(entry, formula) : 0;
    const [byTitle, heading] = entry.kind === "page" ? scoreOfTitle(entry, words) : [0, null];
    const byName = Math.max(scoreOfName(entry, typed, words, isCode), byFormula);
    const score = Math.max(byName, byTitle) / (foreign ? 10 : 1);
    if (score > 0) {
      const [section, id] = byTitle > byName && heading ? heading : ["", entry.anchor];
      const title = section ? `${entry.title}: ${section}` : entry.title;
      const description = KINDS[entry.kind] ?? null;
      found.push([entry.page, title, id ? "#" + id : "", description, score, entry.page, "title"]);
    }
  }
  found.sort((one, other) => one[4] - other[4] || other[1].localeCompare(one[1]));
  return { found, isFormula };
}

const wordsOfPages = Search._performSearch;
Search._performSearch = (query, ...terms) => {
  const { found, isFormula } = namedResults(query);
  if (isFormula && (found.length || SURE.test(query))) {
    return found; // the words of a formula are letters, which every page has
  }
  const places = new Set(found.map((result) => result[0] + result[2]));
  let others = wordsOfPages(query, ...terms).filter((result) => !places.has(result[0] + result[2]));
  if (!HAN.test(query)) {
    const foreign = others.filter((result) => TRANSLATED.test(result[0]));
    others = [...foreign, ...others.filter((result) => !TRANSLATED.test(result[0]))];
  }
  return [...others, ...found];
};

// the page that is opened marks the words that were sought, but no single letters
const parsed = Search._parseQuery;
Search._parseQuery = (query) => {
  const parts = parsed(query);
  const marked = [...parts[3]].filter((word) => word.length > 2);
  parts[3] = new Set(marked);
  localStorage.setItem("sphinx_highlight_terms", marked.join(" "));
  return parts;
};

// the words around a place that was found are not those that a notebook folds away: hints and solutions
const textOfPage = Search.htmlToText;
Search.htmlToText = (html, anchor) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const fold of page.querySelectorAll("details.mezo-fold")) {
    fold.remove();
  }
  return textOfPage(page.documentElement.outerHTML, anchor);
};
