// A reader's predictions stand again beside the results of the page. They are stored nowhere and sent nowhere.
"use strict";

function showPrediction(box) {
  const answer = box.value.trim();
  const places = document.querySelectorAll(`[data-predicted="${box.dataset.prediction}"]`);
  for (const place of places) {
    if (place.dataset.open === undefined) {
      place.dataset.open = place.textContent;
    }
    place.textContent = answer || place.dataset.open;
    if (answer) {
      const label = document.createElement("b");
      label.textContent = box.closest(".mezo-predictions").dataset.said;
      place.prepend(label);
    }
  }
}

for (const box of document.querySelectorAll("[data-prediction]")) {
  box.addEventListener("input", () => showPrediction(box));
  showPrediction(box);
}
