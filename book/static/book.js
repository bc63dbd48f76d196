// What a page of the book needs beside its styles: whatever is wider than its place scrolls in a box of its own, and a
// reader who has no mouse reaches that box with the Tab key.
"use strict";

const SCROLLING = ".bd-article :is(pre, mjx-container, .pst-scrollable-table-container, .output, .mezo-wide, .mezo-scroll)";

/** Give a formula in a line of text that is wider than its paragraph a box of its own. */
function boxWideFormulas() {
  for (const formula of document.querySelectorAll('.bd-article mjx-container:not([display="true"])')) {
    const drawn = formula.querySelector("svg");
    formula.classList.remove("mezo-wide");
    const place = formula.parentElement.getBoundingClientRect();
    if (drawn && place.width > 0 && drawn.getBoundingClientRect().width > place.width) {
      formula.classList.add("mezo-wide");
    }
  }
}

/** Let the Tab key reach what scrolls sideways, and nothing that does not. */
function reachScrolling() {
  for (const box of document.querySelectorAll(SCROLLING)) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
    if (scrolls) {
      box.tabIndex = 0;
    } else if (box.tabIndex === 0) {
      box.removeAttribute("tabindex");
    }
  }
}

function fit() {
  boxWideFormulas();
  reachScrolling();
}

window.addEventListener("load", () => {
  const typeset = window.MathJax?.startup?.promise ?? Promise.resolve();
  typeset.then(fit);
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(fit, 200);
  });
  // what was folded has no width until it is opened
  document.addEventListener("toggle", fit, true);
});
