"""Pages to look things up in, made of the project's files: glossary, bibliography, how to cite, what changed."""

import re
from pathlib import Path
from typing import Any

import yaml
from citations import PAPER, PARTS, entries, label, places, plain
from folders import ROOT
from links import SETTINGS
from terms import Term, read_glossary

from mezo_lab.claims import claim_named

KINDS = {
    "claims": "claims",
    "errata": "errata",
    "notebooks": "notebooks",
    "pages": "pages",
    "library": "in the library's docstrings",
}

_CITE = """# How to cite

Cite this software together with the paper whose method it implements. The [bibliography](bibliography.md) has all
other works.

## The project

{project}

## The paper

{paper}

## A claim

The address of a claim never changes: `claims/A2.html` is A2, in this version and in each later one, and an id is
never given to another claim. Cite it by its id and its version, and give the command that shows it:

> {claim} Shown by `mezo-lab verify norm-factor`.

In a text "mezo_lab, claim A2" is enough where the project is cited. A published sentence of the
[errata](docs/errata.md) has an address of its own as well, such as `docs/errata.html#norm-factor-law`.

## A notebook

> {notebook}

Notebooks and exercises keep their numbers. [What changed](changes.md) tells what changed in them since a release.

## Licence

Code is under the MIT licence. Text and figures, those of the notebooks too, are under
[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/): use them in a course of your own, changed or not, and name
"mezo_lab contributors", the licence, and what you changed. The model and the film reviews that the examples use come
in packages of their own, under their own terms.
"""


def write_reference_pages(staged: Path) -> None:
    """Write the pages into the sources of the book, before their links are rewritten."""
    pages = {
        "glossary.md": glossary_page(),
        "bibliography.md": bibliography_page(),
        "cite.md": citation_page(),
        "changes.md": changes_page(),
    }
    for name, text in pages.items():
        (staged / name).write_text(text, encoding="utf-8")
    cite_errata(staged / "docs" / "errata.md")


def escaped(text: str) -> str:
    """A text in which Markdown sees no marks."""
    return re.sub(r"([\\`*_\[\]<>|$~{}^])", r"\\\1", text)


def glossary_page() -> str:
    """The glossary as definitions of Sphinx: pages link to them, and the search finds them."""
    parts = [
        "# Glossary",
        "Each term with its symbol, its name in Chinese, and one sentence. On the other pages a term is underlined "
        "with dots where a section uses it first: point at it, move to it with the Tab key, or touch it, and this "
        "sentence appears.",
    ]
    for section, terms in read_glossary().items():
        entries_of_section = "\n\n".join(map(_definition, terms))
        parts += [f"## {section}", f":::{{glossary}}\n{entries_of_section}\n:::"]
    return "\n\n".join(parts) + "\n"


def _definition(term: Term) -> str:
    """One term as an entry of a glossary directive: names, indented text."""
    sides = [escaped(side) for side in (term.symbol, term.chinese) if side]
    sentence = escaped(term.sentence[0].upper() + term.sentence[1:])
    return "\n".join([*term.names, f"  {sentence}.\\", f"  [{' · '.join(sides)}]{{.term-sides}}"])


def bibliography_page() -> str:
    """All works, each with the places where it is cited; `{cite}` on any page leads here."""
    parts = [
        "# Bibliography",
        f"The {len(entries())} works that the project cites, and where it cites them. A note says what of a work was "
        "read, or what of an entry could not be checked. All entries: {download}`references.bib <references.bib>`.",
    ]
    for part, title in PARTS.items():
        parts.append(f"## {title}")
        keys = [key for key, entry in entries().items() if entry.fields["keywords"] == part]
        parts += [f"({key})=\n### {label(entries()[key])}\n\n{_entry(key)}" for key in keys]
    return "\n\n".join(parts) + "\n"


def _entry(key: str) -> str:
    """One work: the entry, and where it is cited."""
    entry = f'```{{bibliography}}\n:filter: key == "{key}"\n```'
    cited_in = places()[key]
    lines = []
    for kind, name in KINDS.items():
        links = [f"[{place.name}]({place.target})" for place in cited_in if place.kind == kind]
        if links:
            lines.append(f"{name} {', '.join(links)}")
    if not lines:
        return entry
    return f"{entry}\n\nCited in {'; '.join(lines)}."


def cite_errata(page: Path) -> None:
    """Each address of the errata is followed by a link to its entry in the bibliography."""
    addresses = {entry.fields["url"]: key for key, entry in entries().items() if "url" in entry.fields}
    addresses |= {
        f"https://arxiv.org/abs/{entry.fields['eprint']}": key
        for key, entry in entries().items()
        if "eprint" in entry.fields
    }

    def cite(match: re.Match[str]) -> str:
        keys = [key for address, key in addresses.items() if match[1].startswith(address)]
        if not keys:
            return match[0]
        return f"{match[0]} {{cite}}`{max(keys, key=len)}`"

    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^- where: \[.*\]\((\S+)\)", cite, text, flags=re.MULTILINE)
    page.write_text(text.replace("# Errata\n", "# Errata of the literature\n", 1), encoding="utf-8")


def changes_page() -> str:
    """The changelog, and before it what changed for lecturers."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    course = (ROOT / "notebooks" / "CHANGES.md").read_text(encoding="utf-8")
    _, _, releases = changelog.partition("\n## ")
    _, _, lines = course.partition("\n")
    lines = re.sub(r"^## ", "### ", lines, flags=re.MULTILINE)
    lines = re.sub(r"\]\((?![a-z]+:|#|\.\./)", "](notebooks/", lines).replace("](../", "](")
    return (
        "# What changed\n\n"
        "[Of the course](#of-the-course), notebook by notebook, and [of the library](#of-the-library), release by "
        "release.\n\n"
        "## Of the course\n\nSince release 0.2.0."
        + lines
        + "\n## Of the library\n\n"
        + re.sub(r"^(##+) ", r"#\1 ", "## " + releases, flags=re.MULTILINE)
    )


def citation_page() -> str:
    """How to cite the project, the paper, a claim, a notebook; and the licences. Made of CITATION.cff."""
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    authors_named = [each["name"] for each in cff["authors"] if "name" in each]
    if len(authors_named) != 1 or len(cff["authors"]) != 1:
        raise ValueError(
            f"`authors` of CITATION.cff must hold one `name`, that of the group, and holds {cff['authors']}: "
            "name the group, or let citation_page write several authors."
        )
    author = authors_named[0]
    title = cff["title"]
    version = cff["version"]
    date = cff["date-released"]
    address = SETTINGS["repository"]
    where = f" {address}" if address else ""
    fields = {
        "author": f"{{{author}}}",
        "title": f"{{{title}}}",
        "version": version,
        "year": date.year,
        "month": date.month,
        "license": cff["license"],
    }
    if address:
        fields["url"] = address
    project = _forms(
        _bibtex("software", "mezo_lab", fields),
        f"{author}. ({date.year}). *{title}* (Version {version}) [Computer software].{where}",
        f"{author}, {title}, version {version}, {date:%B} {date.day}, {date.year}.{where}",
    )
    paper = entries()[PAPER]
    short = [f"{last}, {' '.join(f'{name[0]}.' for name in given)}" for last, given in paper.authors]
    whole = [f"{' '.join(given)} {last}" for last, given in paper.authors]
    work = plain(paper.fields["title"])
    venue = paper.fields["booktitle"]
    year = paper.fields["year"]
    volume = paper.fields["volume"]
    page_range = paper.fields["pages"].replace("--", "–")
    preprint = f"https://arxiv.org/abs/{paper.fields['eprint']}"
    published = ("title", "booktitle", "volume", "pages", "year", "eprint", "eprinttype")
    authors = " and ".join(f"{last}, {' '.join(given)}" for last, given in paper.authors)
    the_paper = _forms(
        _bibtex("inproceedings", PAPER, {"author": authors} | {name: plain(paper.fields[name]) for name in published}),
        f"{', '.join(short[:-1])}, & {short[-1]} ({year}). {work}. *{venue}*, *{volume}*, {page_range}. {preprint}",
        f"{', '.join(whole[:-1])} and {whole[-1]}, “{work}”, {venue} {volume}, pages {page_range}, {year}. {preprint}",
    )
    book = f"In *mezo_lab*, version {version}"
    claim = claim_named("A2")
    return _CITE.format(
        project=project,
        paper=the_paper,
        claim=f"{author} ({date.year}). Claim {claim.id} ({claim.name}). {book}, claims/{claim.id}.html.",
        notebook=f"{author} ({date.year}). Notebook 3: The (d+n±1)/n dispute. {book}.",
    )


def _bibtex(kind: str, key: str, fields: dict[str, Any]) -> str:
    """An entry of BibTeX."""
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _forms(bibtex: str, apa: str, words: str) -> str:
    """The same citation in three forms, one behind each tab."""
    forms = (("BibTeX", f"```bibtex\n{bibtex}\n```"), ("APA", apa), ("Plain text", f"```text\n{words}\n```"))
    tabs = "\n\n".join(f":::{{tab-item}} {name}\n{text}\n:::" for name, text in forms)
    return f"::::{{tab-set}}\n{tabs}\n::::"
