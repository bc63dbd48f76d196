// The page of the search: names and formulas first, then what Sphinx finds in the words of the pages.
// search_names.js, written by search_names.py, has the names: claims, the library's, terms, titles, formulas.
"use strict";

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const OF_FORMULAS = /[‖|^=+\\/√∇]|[⁰-⁹ᵀ\u0302\u0370-\u03ff]|[ĝĥ]/u; // a word has none of them
const HAN = /\p{Script=Han}/u;
const TRANSLATED = /(^|\/)zh\/|\.zh$/;
const KINDS = { claim: "claim", API: "API", term: "glossary" };

/** A formula as search_names.py writes it: without spaces, one sign for each meaning. */
function plainFormula(typed) {
  let text = typed.normalize("NFC").replace(/\^\{?(\\top|T)\}?/g, "ᵀ").replace(/\\hat\s*\{?\s*(\w)\s*\}?/g, "$1\u0302");
  text = text.replace(/\\\||\|\|/g, "‖");
  text = text.replace(/\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}/g, (all, above, below) => whole(above) + "/" + whole(below));
  text = text.replace(/\\?([a-zA-Z]{2,})/g, (word, name) => MEZO_NAMES.greek[name] ?? word);
  text = text.replace(/\*\*/g, "^").replace(/−/g, "-").replace(/[\s{}[\]*·×]/g, "");
  text = text.replace(/[⁰¹²³⁴⁵⁶⁷⁸⁹]/g, (sign) => "^" + SUPERSCRIPTS.indexOf(sign));
  return text.normalize("NFC").toLowerCase();
}

/** In brackets where it is a sum or a quotient. */
function whole(part) {
  return /[-+−/]/.test(part) ? `(${part})` : part;
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

/** The score of one entry for a query, 0 if it has nothing to do with it. */
function scoreOf(entry, words, formula, isFormula, isCode) {
  const byName = Math.max(...entry.names.map((name) => likeness(name, words)), 0);
  const rank = { claim: 120, term: 110, API: isCode ? 100 : 60, page: 0 }[entry.kind];
  const byTitle = likeness(entry.title, words);
  let score = byName === 1 ? rank : byName * 60;
  if (entry.kind === "page" && byTitle) {
    score = Math.max(score, byTitle === 1 ? rank + 100 : 40 + 50 * byTitle);
  }
  if (isFormula && formula) {
    const same = [entry.title, ...entry.names].some((name) => plainFormula(name) === formula);
    const held = (entry.formulas ?? []).filter((each) => each.includes(formula)).length;
    const stated = entry.statement?.includes(formula) ? 80 : 0;
    const shown = held ? 20 + Math.min(held, 30) + (entry.kind === "claim" ? 25 : 0) : 0;
    score = Math.max(score, same ? 150 : 0, stated + shown);
  }
  return score;
}

/** Results in the form of Sphinx, the best last. */
function namedResults(query) {
  const words = plainWords(query);
  const formula = plainFormula(query);
  const isFormula = OF_FORMULAS.test(formula) || formula in MEZO_NAMES.greek;
  const isCode = /[_.]|[a-z][A-Z]/.test(query); // as a name of the library is written
  const found = [];
  for (const entry of MEZO_NAMES.entries) {
    const foreign = TRANSLATED.test(entry.page) && !HAN.test(query);
    const score = scoreOf(entry, words, formula, isFormula, isCode) / (foreign ? 10 : 1);
    if (score > 0) {
      const anchor = entry.anchor ? "#" + entry.anchor : "";
      const description = KINDS[entry.kind] ?? null;
      found.push([entry.page, entry.title, anchor, description, score, entry.page, "title"]);
    }
  }
  found.sort((one, other) => one[4] - other[4] || other[1].localeCompare(one[1]));
  return { found, isFormula };
}

const wordsOfPages = Search._performSearch;
Search._performSearch = (query, ...terms) => {
  const { found, isFormula } = namedResults(query);
  if (isFormula && found.length) {
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
