"""How the report looks: system fonts, light and dark, from a phone to paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f5f6f8; --line: #d9dce1; --ink: #1b1d21; --muted: #5c626b; --link: #0b5cad;
  --good: #1a7340; --bad: #b3261e; --unsure: #8a5a00; --good-panel: #e7f4ec; --bad-panel: #fdeceb;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --panel: #1d2026; --line: #383d46; --ink: #e8eaed; --muted: #a3a9b3; --link: #8ab8f0;
    --good: #6fcf97; --bad: #ff8a80; --unsure: #f0c060; --good-panel: #15301f; --bad-panel: #3a1816;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", sans-serif;
}
a { color: var(--link); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px;
}
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: var(--paper); }
.outcome { margin: 0; padding: .55rem 1.25rem; font-weight: 650; background: var(--good-panel); color: var(--good); }
.outcome.fail { background: var(--bad-panel); color: var(--bad); } .outcome a { color: inherit; }
.page { max-width: 78rem; margin: 0 auto; padding: 0 1.25rem 4rem; }
h1 { margin: 1.6rem 0 .4rem; font-size: 1.8rem; line-height: 1.2; letter-spacing: -.01em; }
h2 { margin: 2.8rem 0 .6rem; font-size: 1.3rem; }
h3 { margin: 0; font-size: 1.12rem; }
h3 .id { color: var(--muted); font-weight: 500; margin-right: .35em; }
.lead { max-width: 46rem; margin: .4rem 0; }
.facts, .source { color: var(--muted); font-size: .875rem; }
.facts { margin: .4rem 0 0; display: flex; flex-wrap: wrap; gap: 0 1.4em; padding: 0; list-style: none; }
.CONSISTENT { color: var(--good); } .REFUTED { color: var(--bad); } .UNDERPOWERED { color: var(--unsure); }
.badge { font-size: .875rem; font-weight: 600; white-space: nowrap; }
nav h2 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
nav ol { margin: 0 0 .9rem; padding: 0; list-style: none; font-size: .9rem; }
nav li a {
  display: flex; gap: .5em; padding: .16rem .4rem; border-radius: .3rem; text-decoration: none; color: var(--ink);
}
nav li a:hover { background: var(--panel); text-decoration: underline; }
nav .id { min-width: 2.1em; color: var(--muted); }
nav .badge { margin-left: auto; font-size: .82rem; font-weight: 500; }
nav .part { margin: .2rem .4rem; color: var(--muted); font-size: .82rem; }
article {
  border: 1px solid var(--line); border-radius: .6rem; padding: 1.1rem 1.25rem; margin: 0 0 1.2rem;
  scroll-margin: .8rem;
}
article > header {
  display: flex; flex-wrap: wrap; gap: .2rem 1rem; align-items: baseline; justify-content: space-between;
}
.statement { margin: .9rem 0 .5rem; padding: .2rem 0; overflow-x: auto; font-size: 1.2rem; }
.source { margin: 0 0 .9rem; }
figure { margin: 0 0 .9rem; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 21rem; max-width: 34rem; height: auto; }
figure svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
figure svg * { stroke-linejoin: round; stroke-linecap: butt; }
.verdicts { margin: 0 0 .6rem; padding: 0; list-style: none; font-size: .925rem; }
.verdicts li { position: relative; padding: .16rem 0 .16rem 1.5rem; max-width: 52rem; }
.verdicts .mark { position: absolute; left: 0; font-weight: 700; }
.failure { color: var(--bad); }
details { border-top: 1px solid var(--line); }
summary { cursor: pointer; padding: .4rem 0; font-size: .925rem; }
details ol { margin: .2rem 0 1rem; padding-left: 1.6rem; }
details li { margin: .5rem 0; max-width: 52rem; }
.step { margin: .3rem 0; font-size: 1.08rem; overflow-x: auto; overflow-y: hidden; padding: .15rem 0; }
.formula { overflow: visible; }
.explained dt { font-weight: 600; } .explained dd { margin: 0 0 .4rem; max-width: 52rem; }
footer { color: var(--muted); font-size: .875rem; margin-top: 2rem; }
.glyphs { position: absolute; width: 0; height: 0; }
@media (min-width: 66rem) {
  .columns { display: grid; grid-template-columns: 17rem minmax(0, 1fr); gap: 2.5rem; align-items: start; }
  nav { position: sticky; top: 0; max-height: 100vh; overflow-y: auto; padding-bottom: 1rem; }
  main > section:first-child h2 { margin-top: 1.2rem; }
}
@media (max-width: 65.99rem) { nav ol { columns: 15rem; } }
@media (max-width: 36rem) {
  .page { padding: 0 .75rem 3rem; }
  .outcome { padding-inline: .75rem; }
  article { padding: .9rem .8rem; }
  .statement { font-size: 1.05rem; }
  details ol { padding-left: 1.3rem; }
}
@media print {
  :root { color-scheme: light; }
  body { font-size: 10pt; }
  nav, .skip { display: none; }
  article { border: 0; border-top: 1px solid #999; border-radius: 0; padding: .8rem 0; }
  figure, .step, li { break-inside: avoid; }
  h2, h3, .statement { break-after: avoid; }
  details::details-content { content-visibility: visible; display: block; }
}
"""
