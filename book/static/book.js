// What a page of the book needs beside its styles: whatever is wider than its place scrolls in a box of its own, a reader
// who has no mouse reaches that box with the Tab key, and what the theme leaves without a name has one.
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

/** Say to a screen reader what the theme's marks say to the eye. */
function nameParts() {
  for (const opener of document.querySelectorAll(".bd-links details > summary")) {
    const chapter = opener.closest("li").querySelector("a").textContent.trim();
    opener.setAttribute("aria-label", `Pages of ${chapter}`);
  }
  for (const entry of document.querySelectorAll('[role="list"] > [role="doc-biblioentry"]')) {
    entry.setAttribute("role", "listitem"); // a list has items
  }
}

function fit() {
  boxWideFormulas();
  reachScrolling();
}

nameParts();
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

// paper is white
let chosen = "";
window.addEventListener("beforeprint", () => {
  chosen = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
window.addEventListener("afterprint", () => {
  document.documentElement.dataset.theme = chosen;
});
