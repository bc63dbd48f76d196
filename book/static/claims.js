// The filter of the index of claims: a claim is shown while it has every word that is typed.
document.addEventListener("DOMContentLoaded", () => {
  const input = document.getElementById("claim-filter");
  if (!input) {
    return;
  }
  const output = document.querySelector("output[for='claim-filter']");
  const claims = [...document.querySelectorAll(".mezo-claim")];
  // read before the formulas are set: their LaTeX is searched too
  const texts = claims.map((claim) => claim.textContent.toLowerCase());

  function show() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    claims.forEach((claim, place) => {
      const kept = words.every((word) => texts[place].includes(word));
      claim.hidden = !kept;
      shown += kept ? 1 : 0;
    });
    output.textContent = words.length ? `${shown} of ${claims.length} claims` : "";
  }

  input.addEventListener("input", show);
  show();
});
