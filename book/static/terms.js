// The sentence of a term, shown while its word is pointed at, has the focus, or was touched. Without this script the word
// is a link to the glossary, which it stays: a click leads there, and so does a second touch.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const words = document.querySelectorAll("a.term");
  if (words.length === 0) {
    return;
  }
  const box = document.createElement("div");
  box.className = "term-definition";
  box.id = "term-definition";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.body.append(box);
  let shown = null; // the word whose sentence is in the box
  let hiding = 0; // the timer that will empty it
  let touched = false; // whether the last pointer was a finger

  function place(word) {
    const margin = 16;
    const line = word.getClientRects()[0]; // the first line, where a word is broken over two
    const widest = document.documentElement.clientWidth - margin - box.offsetWidth;
    const left = Math.max(margin, Math.min(line.left, widest));
    const fitsBelow = line.bottom + box.offsetHeight + margin < window.innerHeight;
    const top = fitsBelow ? line.bottom + 4 : line.top - box.offsetHeight - 4;
    box.style.left = `${left + window.scrollX}px`;
    box.style.top = `${top + window.scrollY}px`;
  }

  function show(word) {
    clearTimeout(hiding);
    if (shown === word) {
      return;
    }
    hide();
    shown = word;
    box.textContent = word.dataset.definition;
    box.hidden = false;
    word.setAttribute("aria-describedby", box.id);
    place(word);
  }

  function hide() {
    clearTimeout(hiding);
    if (shown !== null) {
      shown.removeAttribute("aria-describedby");
    }
    shown = null;
    box.hidden = true;
  }

  function hideSoon() {
    clearTimeout(hiding);
    hiding = setTimeout(hide, 200); // time to move the pointer from the word to the box
  }

  for (const word of words) {
    word.addEventListener("pointerdown", (event) => {
      touched = event.pointerType === "touch";
    });
    word.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "touch") {
        show(word);
      }
    });
    word.addEventListener("pointerleave", hideSoon);
    word.addEventListener("focus", () => {
      if (!touched) {
        show(word);
      }
    });
    word.addEventListener("blur", hide);
    word.addEventListener("click", (event) => {
      if (touched && shown !== word) {
        event.preventDefault();
        show(word);
      }
    });
  }
  box.addEventListener("pointerenter", () => clearTimeout(hiding));
  box.addEventListener("pointerleave", hideSoon);
  document.addEventListener("keydown", (event) => {
    touched = false; // who has both a keyboard and a screen to touch may go on with the other
    if (event.key === "Escape") {
      hide();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (shown !== null && !shown.contains(event.target) && !box.contains(event.target)) {
      hide();
    }
  });
});
