// The filter of the index of claims: a claim is shown while it has every word that is typed.

// Words as they are compared: without capitals, spaces, hyphens, minus signs and signs of multiplication.
function plain(text) {
  return text.toLowerCase().replace(/[ \t\u00a0_*·\u2010-\u2015\u2212-]/g, "");
}

// The words of what is typed; a formula with spaces is one word, and so is "E 3".
function typedWords(text) {
  return text
    .toLowerCase()
    .replace(/\s+([+*/^=\u2212-])\s+/g, "$1")
    .replace(/(^|\s)([a-e])[\s-]+(\d{1,2})(?=\s|$)/g, "$1$2$3")
    .split(/\s+/)
    .map(plain)
    .filter(Boolean);
}

document.addEventListener("DOMContentLoaded", () => {
  const input = document.getElementById("claim-filter");
  if (!input) {
    return;
  }
  const output = document.querySelector("output[for='claim-filter']");
  const claims = [...document.querySelectorAll(".mezo-claim")];
  const ids = claims.map((claim) => claim.querySelector("a").textContent.split(" ")[0].toLowerCase());
  const sections = new Set(claims.map((claim) => claim.closest("section")));
  // read before the formulas are set: their LaTeX is searched too
  const texts = claims.map((claim) => {
    const words = claim.querySelector("[data-words]");
    return plain(`${claim.textContent}\n${words ? words.dataset.words : ""}`);
  });

  function has(place, word) {
    return /^[a-e]\d{1,2}$/.test(word) ? ids[place] === word : texts[place].includes(word);
  }

  function show() {
    const words = typedWords(input.value);
    let shown = 0;
    claims.forEach((claim, place) => {
      const kept = words.every((word) => has(place, word));
      claim.hidden = !kept;
      shown += kept ? 1 : 0;
    });
    for (const section of sections) {
      section.hidden = !section.querySelector(".mezo-claim:not([hidden])");
    }
    output.textContent = words.length ? `${shown} of ${claims.length} claims` : "";
  }

  input.addEventListener("input", show);
  show();
});
