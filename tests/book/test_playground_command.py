"""What the page offers beside its verdicts: a command for a shell, the theory in short, an early picture."""

import json
import shlex

import chromium
import pytest
from playground_formulas import CLAIMS, claim_data, formulas_js

from mezo_lab.claims import claim_named
from mezo_lab.claims.decision import same_value
from mezo_lab.claims.problems import NEARLY_TRUE
from mezo_lab.cli import parser
from mezo_lab.cli.verify import _expected_formula, _jobs
from mezo_lab.sampling import LAWS
from mezo_lab.theory import Expression

pytestmark = [pytest.mark.repo, pytest.mark.browser]

COMMAND = """(settings) => {
  try {
    return { command: experiments.command(settings) };
  } catch (error) {
    return { error: error.message };
  }
}"""


def called(playground: chromium.Page, function: str, argument: object) -> object:
    """What a JavaScript function makes of a value."""
    return playground.evaluate(f"(async () => ({function})({json.dumps(argument)}))()")


def command(playground: chromium.Page, settings: dict[str, object]) -> dict[str, str]:
    """The command of these settings, or the error."""
    made = called(playground, COMMAND, settings)
    assert isinstance(made, dict)
    return made


@pytest.mark.parametrize(
    "formula",
    [
        'd # "; touch /tmp/x; "',
        "d # $(touch /tmp/x)",
        "d # `touch /tmp/x`",
        "d # '; touch /tmp/x; '",
        "d # \\",
        "d # !! $HOME * ~ & | > < ' \" \\' ''",
        "-d+2*d",
    ],
)
def test_a_command_hands_on_whatever_a_formula_holds_as_one_word(playground, formula):
    settings = {"claim": "A2", "law": "gaussian", "d": 20, "n": 2, "formula": formula}
    made = command(playground, settings)
    assert "error" not in made
    words = shlex.split(made["command"])
    assert words[:-1] == shlex.split("mezo-lab verify norm-factor --law gaussian --dim 20 --probes 2")
    assert words[-1] == f"--expect={formula}"
    options = parser().parse_args(words[1:])
    assert _expected_formula(options.expect, _jobs(options))({"d": 20.0}) == 20


@pytest.mark.parametrize("name", ["seed", "resolution", "draws", "d", "n", "t", "law", "claim"])
@pytest.mark.parametrize("typed", ["1; touch /tmp/x", "$(touch /tmp/x)", "`touch /tmp/x`", "0x10", "1,2", "1e", "NaN"])
def test_what_is_no_number_reaches_no_command(playground, name, typed):
    settings = {"claim": "B2", "law": "gaussian", "d": 20, "n": 2, "t": 1, name: typed}
    made = command(playground, settings)
    assert typed in made["error"] or "laim" in made["error"]


def test_a_command_holds_the_numbers_that_were_read(playground):
    base = {"claim": "A2", "law": "gaussian", "d": "13e9", "n": " 1 "}
    typed = [
        base | {"seed": "1,000", "resolution": "2e-2"},
        base | {"seed": "1e3", "draws": "20 000"},
        {"claim": "E1", "law": "gaussian", "p": 12, "q": 5, "k": 1, "n": 1, "resolution": "$(touch /tmp/x)"},
    ]
    made = [command(playground, settings)["command"].partition("verify ")[2] for settings in typed]
    assert made == [
        "norm-factor --law gaussian --dim 13000000000 --probes 1 --resolution 0.02 --seed 1000",
        "norm-factor --law gaussian --dim 13000000000 --probes 1 --draws 20000 --seed 1000",
        "low-rank-direction --law gaussian --probes 1 --set p=12 --set q=5 --set k=1 --set moment=norm",
    ]
    assert all(parser().parse_args(["verify", *each.split()]) for each in made)


def test_the_theory_has_the_form_of_the_law_in_the_letters_of_the_reader(playground):
    assert claim_data("A2")["lawFormulas"]["gaussian"] == "(d+n+1)/n"
    assert claim_data("A4")["lawFormulas"]["orthogonal"] == "(d-n)/n"
    compared = 0
    for name in CLAIMS:
        for law, formula in claim_data(name)["lawFormulas"].items():
            experiment = claim_named(name).experiment(LAWS[law], dim=20, probes=3)
            assert same_value(Expression(formula)(experiment.symbols), experiment.expected), (name, law)
            settings = {"claim": name, "law": law, "d": 20, "n": 3}
            assert called(playground, "(settings) => experiments.build(settings).lawFormula", settings) == formula
            compared += 1
    assert compared == len(claim_data("A2")["laws"]) + len(claim_data("A4")["laws"])


BEFORE_A_PICTURE = """async (settings) => {
  const experiment = experiments.build(settings);
  let made = 0;
  let stopped = false;
  const draw = (random, out) => {
    made += 1;
    experiment.draw(random, out);
  };
  const take = () => {
    stopped = true;
  };
  await runs.run({ ...experiment, draw }, 0, { planned: () => 0, take, stop: () => stopped });
  return made;
}"""


@pytest.mark.parametrize(("law", "d", "n"), [("orthogonal", 100, 40), ("rademacher", 1024, 64)])
def test_the_first_picture_comes_early_however_dear_a_draw_is(playground, law, d, n):
    settings = {"claim": "A2", "law": law, "d": d, "n": n, "draws": 10_000}
    assert called(playground, BEFORE_A_PICTURE, settings) <= 512


def test_the_generated_file_is_made_of_the_library():
    assert '"gaussian": (d, n) => (d + n + 1)/n' in formulas_js()
    assert claim_data("E1")["far"] == NEARLY_TRUE
