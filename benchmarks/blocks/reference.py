"""Reference pages made of the library itself, so that they cannot drift: the claims, and every option of `MeZO`."""

import argparse
import ast
import dataclasses
import inspect
import re
from pathlib import Path

from mezo_lab import optim
from mezo_lab.claims import REGISTRY, SYMBOLS, Claim
from mezo_lab.claims.selection import order
from mezo_lab.cli import parser
from mezo_lab.cli.listing import experiments_of, formulas, names_in
from mezo_lab.optim import MeZO, Rule
from mezo_lab.report.labels import SECTIONS, typographic
from mezo_lab.sampling import LAWS


def claims(root: Path) -> str:
    """Every claim of the registry: statement, source, laws, formula, decoys and proofs, by section."""
    lines: list[str] = []
    section = ""
    for claim in sorted(REGISTRY.values(), key=order):
        if claim.id[0] != section:
            section = claim.id[0]
            lines.append(f"## {section}. {SECTIONS[section]}")
        lines.append(entry(claim))
    return "\n\n".join(lines)


def entry(claim: Claim) -> str:
    """One claim. The decoys are wrong on purpose, and so they are marked as refuted."""
    experiments = experiments_of(claim)
    decoys = dict.fromkeys(decoy.statement for _, _, experiment in experiments for decoy in experiment.decoys)
    details = [
        f"- source: {claim.source}",
        f"- laws: {', '.join(claim.laws)}; parameters: {', '.join(claim.settings['default'][0]) or 'none'}",
        *(f"- formula: {formula}" for formula in formulas(experiments)),
        *(f"- refuted: {typographic(decoy)}" for decoy in decoys),
    ]
    for sentence in claim.published:
        details.append(f"- corrects: {sentence.source}: [{sentence.name}](errata.md#{sentence.name})")
    if proved := proofs_of(claim):
        details.append(f"- proved for: {', '.join(proved)} (`mezo-lab prove {claim.name}`)")
    if claim.real:
        details.append(f"- runs on a real language model: `mezo-lab verify {claim.name}`")
    else:
        details.append(f"- names for `--expect`: {', '.join(names_in(experiments))}")
    escaped = [line.replace("|", r"\|").replace("*", r"\*") for line in details]
    return "\n".join([f"### {claim.id} {claim.name}", "", "```math", claim.statement, "```", "", *escaped])


def proofs_of(claim: Claim) -> list[str]:
    from mezo_lab.proofs import provable

    return [law for name, law in provable() if name == claim.name]


def symbols(root: Path) -> str:
    """The names that a formula of one's own may use."""
    used = {name for claim in REGISTRY.values() for name in names_in(experiments_of(claim))}
    meanings = {name: meaning.replace("|", r"\|") for name, meaning in SYMBOLS.items()}  # a bar ends a cell
    rows = [f"| `{name}` | {meaning} |" for name, meaning in meanings.items() if name in used]
    return "\n".join(["| name | meaning |", "|---|---|", *rows])


def arguments(root: Path) -> str:
    """Every argument of `MeZO` with its default, as its docstring explains it."""
    meanings = documented(MeZO)
    lines = []
    for name, parameter in inspect.signature(MeZO).parameters.items():
        default = "required" if parameter.default is inspect.Parameter.empty else f"`{parameter.default!r}`"
        lines.append(f"- **`{name}`** ({default}): {meanings.get(name, '')}".rstrip())
    return "\n".join(lines)


def documented(function: type) -> dict[str, str]:
    """What the section "Args:" of a docstring says of each argument."""
    names = list(inspect.signature(function).parameters)
    text = inspect.getdoc(function) or ""
    section = re.search(r"^Args:\n(.*?)(?:\n\n|\Z)", text, re.DOTALL | re.MULTILINE)
    if section is None:
        return {}
    words = " ".join(section[1].split())
    # an argument begins a line of the docstring, or follows the full stop of the one before
    starts = [match for match in re.finditer(r"(?:^|(?<=[.;)] ))(\w+): ", words) if match[1] in names]
    ends = [match.start() for match in starts[1:]] + [len(words)]
    return {match[1]: words[match.end() : end].strip() for match, end in zip(starts, ends, strict=True)}


def laws(root: Path) -> str:
    """The laws of z with the constant that decides the norm factor, for a symbolic d."""
    from sympy import Symbol, simplify

    dim = Symbol("d")
    rows = [f"| `{name}` | {simplify(law.fourth_moment(dim))} |" for name, law in LAWS.items()]
    return "\n".join(["| law | c in E[‖z‖² z zᵀ] = c·I |", "|---|---|", *rows])


def rules(root: Path) -> str:
    """The update rules, each with its fields and what its docstring says first."""
    lines = []
    for rule in (getattr(optim, name) for name in optim.__all__):
        if not (isinstance(rule, type) and issubclass(rule, Rule)) or rule is Rule:
            continue
        fields = ", ".join(f"{field.name}={field.default!r}" for field in dataclasses.fields(rule))
        paragraph = (inspect.getdoc(rule) or "").split("\n\n")[0]
        lines.append(f"- **`{rule.__name__}({fields})`**: {' '.join(paragraph.split())}")
    return "\n".join(lines)


def rooms(root: Path) -> str:
    """The rooms of the package from the lowest up, each with the first sentence of its docstring; no import needed."""
    lines = ["| floor | room | what it is for |", "|--:|---|---|"]
    for name, floor in sorted(floors(root).items(), key=lambda item: item[1]):
        if name.startswith("__"):
            continue
        path = root / "mezo_lab" / name
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        lines.append(f"| {floor} | `mezo_lab/{name}` | {first_sentence(file)} |")
        for inner in sorted(path.glob("*/__init__.py")):
            lines.append(f"| | · `{inner.parent.name}` | {first_sentence(inner)} |")
    return "\n".join(lines)


def floors(root: Path) -> dict[str, int]:
    """Which room stands on which floor, as the test that enforces it has them."""
    for node in ast.parse((root / "tests/test_floors.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "FLOORS":
            return ast.literal_eval(node.value)
    raise ValueError("tests/test_floors.py must assign FLOORS, and does not: write it as a literal.")


def first_sentence(file: Path) -> str:
    """What a module says of itself first.

    Raises: ValueError for a module without a docstring.
    """
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    if not text:
        raise ValueError(f"{file} must have a docstring, got none: write what the room is for.")
    sentence = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[^.][.])\s", sentence)[0]


def commands(root: Path) -> str:
    """Every command with its arguments and options, as `mezo-lab COMMAND --help` explains them."""
    (choices,) = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    summaries = {action.dest: action.help for action in choices._choices_actions}
    parts = []
    for name, command in choices.choices.items():
        actions = [action for action in command._actions if action.dest not in ("help", "debug")]
        lines = [option(action, command.prog) for action in actions if action.help is not argparse.SUPPRESS]
        summary = summaries[name] or ""
        parts.append("\n".join([f"## {name}", "", f"{summary[:1].upper()}{summary[1:]}.", "", *lines]).rstrip())
    return "\n\n".join(parts)


def option(action: argparse.Action, prog: str) -> str:
    """One option as a line of a list."""
    value = "" if action.nargs == 0 else f" {metavar(action)}"
    names = ", ".join(f"`{name}{value}`" for name in action.option_strings) or f"`{metavar(action)}`"
    text = (action.help or "") % (vars(action) | {"prog": prog})
    return f"- {names}: {text}".replace("<", r"\<").replace("*", r"\*")


def metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices:
        return "|".join(map(str, action.choices))
    return action.dest.upper()
