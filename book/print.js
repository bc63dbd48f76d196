// What the printed book needs before it is printed. print_pdf.py calls these functions in Chromium.

window.MathJax = {
  options: {
    enableMenu: false,
    ignoreHtmlClass: "book",
    processHtmlClass: "math",
  },
  svg: { fontCache: "global" },
};

// Formulas, letters and pictures are there, and nothing is wider than the column.
async function ready() {
  await MathJax.startup.promise;
  document.querySelectorAll("mjx-assistive-mml").forEach((twin) => twin.remove());
  for (const formula of MathJax.startup.document.math) {
    const drawing = formula.typesetRoot.firstElementChild;
    drawing.removeAttribute("aria-hidden");
    drawing.setAttribute("aria-label", formula.math); // the words of a drawn formula, for a reader that speaks
  }
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode()));
  document.querySelectorAll("table").forEach(fitTable);
  document.querySelectorAll("mjx-container").forEach(fitFormula);
}

// Make the letters of a wide table smaller, down to seven tenths; where that is not enough, its lines break.
function fitTable(table) {
  const room = table.parentElement.clientWidth;
  for (const share of [1, 0.92, 0.84, 0.76, 0.7]) {
    table.style.setProperty("--share", share);
    if (table.offsetWidth <= room) {
      return;
    }
  }
  table.classList.add("wrapped");
}

function fitFormula(formula) {
  const block = formula.closest("div, p, li, td, th, dd, blockquote, h1, h2, h3");
  const share = block.clientWidth / formula.firstElementChild.getBoundingClientRect().width;
  if (share < 1) {
    formula.style.fontSize = `${Math.floor(99 * share)}%`;
  }
}

// What is wrong with the book: what reaches out of its column, figures without words, formulas that are still TeX.
function faults() {
  const found = [];
  const judge = (box, parent, text) => {
    const column = parent.closest("article, nav, section, body").getBoundingClientRect();
    if (box.width && (box.right > column.right + 1 || box.left < column.left - 1)) {
      found.push(`too wide: ${text.trim().slice(0, 60)}`);
    }
  };
  for (const element of document.querySelectorAll("img, mjx-container > svg, table, pre")) {
    judge(element.getBoundingClientRect(), element, `${element.tagName} ${element.textContent}`);
  }
  for (const image of document.images) {
    if (!image.alt.includes(" ")) {
      found.push(`no words: ${image.src.slice(-20)}`);
    }
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (texts.nextNode()) {
    const text = texts.currentNode;
    const parent = text.parentElement;
    range.selectNodeContents(text);
    judge(range.getBoundingClientRect(), parent, text.data);
    if (/\$|\\[a-zA-Z(]/.test(text.data) && !parent.closest("pre, code, script, svg")) {
      found.push(`TeX: ${text.data.trim().slice(0, 60)}`);
    }
  }
  return found;
}

// Forget the last print: Chromium would begin with its layout, and may then part a heading from its text.
function layOutAnew() {
  document.body.style.display = "none";
  document.body.getBoundingClientRect();
  document.body.style.display = "";
}

// Write the numbers of the pages. Args: pages: id → number.
function fillPages(pages) {
  for (const link of document.querySelectorAll("a.page")) {
    link.textContent = pages[decodeURIComponent(link.hash.slice(1))];
  }
}
