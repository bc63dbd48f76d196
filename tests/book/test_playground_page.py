"""The page of the playground as a reader has it: opened as a file, with a keyboard, on a phone, in the dark."""

import re
from pathlib import Path

import chromium
import pytest
from playground_formulas import LIMITS
from playground_page import SCRIPTS, playground_link

pytestmark = [pytest.mark.repo, pytest.mark.browser]

DONE = "document.documentElement.dataset.playground === 'ready' && !document.getElementById('pg-verdict').hidden"


def opened(page: chromium.Page, **settings: object) -> None:
    """Open the page anew with these settings behind its address."""
    address = page.evaluate("location.href").partition("#")[0]
    page.navigate("about:blank")
    page.navigate(
        address + playground_link(str(settings.pop("claim", "A2")), **settings).removeprefix("playground.html")
    )


def text(page: chromium.Page, name: str) -> str:
    return page.evaluate(f"document.getElementById('pg-{name}').innerText").strip()


def drawn(page: chromium.Page) -> str:
    """Press Draw, and wait for the verdict in words."""
    page.evaluate("document.getElementById('pg-draw').click()")
    page.wait_for(DONE)
    return text(page, "verdict")


def test_the_papers_formula_is_refuted_for_gaussian_probes_and_holds_on_the_sphere(playground):
    opened(playground, law="gaussian", d=50, n=4, formula="(d+n-1)/n")
    assert "REFUTED" in drawn(playground)
    opened(playground, law="sphere", d=50, n=4, formula="(d+n-1)/n")
    assert "CONSISTENT" in drawn(playground)
    rows = text(playground, "rows")
    assert "theory = your formula" in rows  # equal formulas are one line
    assert re.search(r"decoy \w\s+\(d\+n\+1\)/n\s+13\.75\s+−\d+\s+REFUTED", rows)


def test_thirteen_billion_dimensions_are_too_many_to_tell_by_draws_and_the_page_says_how_many(playground):
    opened(playground, law="gaussian", d=13_000_000_000, n=1, formula="(d+n-1)/n")
    words = drawn(playground)
    assert "UNDERPOWERED" in words
    assert re.search(r"\d\.\de\d+ more draws are needed", words)
    assert "13000000002" in text(playground, "rows")
    assert playground.evaluate("document.getElementById('pg-remedy').hidden")  # no browser makes so many


def test_missing_draws_that_can_be_made_are_made_anew_at_a_press(playground):
    opened(playground, law="gaussian", d=20, n=1, draws=5_000)
    assert "UNDERPOWERED" in drawn(playground)
    assert not playground.evaluate("document.getElementById('pg-remedy').hidden")
    playground.evaluate("document.getElementById('pg-again').click()")
    playground.wait_for(DONE)
    assert "CONSISTENT" in text(playground, "verdict")
    assert playground.evaluate("document.querySelector('[name=seed]').value") == "1"


def test_a_seed_repeats_a_run_and_another_does_not(playground):
    found = []
    for seed in (5, 5, 6):
        opened(playground, claim="B3", law="orthogonal", d=100, n=4, r=5, seed=seed)
        drawn(playground)
        found.append(text(playground, "sentence"))
    assert found[0] == found[1] != found[2]


def test_a_formula_is_typed_and_judged_with_the_keyboard_alone(playground):
    opened(playground, law="sphere", d=12, n=3)
    playground.evaluate("document.querySelector('[name=n]').focus()")
    playground.press("Tab")
    assert playground.evaluate("document.activeElement.name") == "formula"
    playground.call("Input.insertText", text="(d+n-1)/n")
    playground.press("Enter")
    playground.wait_for(DONE)
    assert "Your formula (d+n−1)/n: CONSISTENT" in text(playground, "verdict")
    assert "CONSISTENT" in playground.evaluate("document.querySelector('[role=status]').textContent")
    assert playground.evaluate("location.hash") == "#claim=A2&law=sphere&d=12&n=3&formula=(d%2Bn-1)%2Fn"


def test_a_stopped_run_has_no_verdict(playground):
    opened(playground, law="orthogonal", d=100, n=40, draws=1_000_000)
    playground.evaluate("document.getElementById('pg-draw').click()")
    playground.wait_for("!document.getElementById('pg-pictures').hidden")
    playground.press("Escape")
    playground.wait_for("document.documentElement.dataset.playground === 'ready'")
    assert "no verdict" in text(playground, "count")
    assert playground.evaluate("document.getElementById('pg-verdict').hidden")


@pytest.mark.parametrize(
    ("settings", "field", "message"),
    [
        ({"formula": "(d+n-1"}, "formula", "is not arithmetic"),
        ({"formula": "x+1"}, "formula", "Unknown name 'x'"),
        ({"d": "many"}, "d", "must be a whole number"),
        ({"n": 65}, "n", "at most 64"),
        ({"law": "rademacher", "d": 5000}, "d", "lower it, or choose gaussian, sphere or orthogonal"),
        ({"law": "orthogonal", "d": 3, "n": 4}, "n", "only 3 fit"),
        ({"claim": "B3", "d": 4, "r": 5}, "r", "r must be at most d"),
        ({"claim": "A4", "law": "orthogonal", "d": 4, "n": 4}, "d", "expected value is 0"),
        ({"resolution": 2}, "resolution", "must be a number between"),
        ({"draws": 1}, "draws", "at least 2"),
        ({"n": 64, "draws": "1e7"}, "draws", f"at most {LIMITS['numbers'] // (5 * 64 * 67):,} here"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(playground, settings, field, message):
    opened(playground, **settings)
    assert message in text(playground, "error")
    assert playground.evaluate("document.querySelector('[aria-invalid=true]').name") == field
    assert playground.evaluate("document.getElementById('pg-draw').disabled")


def test_an_unknown_claim_of_a_link_is_named_and_the_page_opens_all_the_same(playground):
    address = playground.evaluate("location.href").partition("#")[0]
    playground.navigate("about:blank")
    playground.navigate(f"{address}#claim=Z9&d=%ZZ&nonsense")
    assert "Claim Z9 has no playground" in text(playground, "error")
    assert playground.evaluate("document.querySelector('[name=claim]').value") == "A2"
    opened(playground, claim="B3", law="coordinate")
    assert "Law coordinate is none of this claim’s here" in text(playground, "error")


def test_a_bare_plus_of_a_link_is_a_plus(playground):
    address = playground.evaluate("location.href").partition("#")[0]
    playground.navigate("about:blank")
    playground.navigate(f"{address}#claim=norm-factor&formula=(d+n-1)/n")
    assert playground.evaluate("document.querySelector('[name=formula]').value") == "(d+n-1)/n"


def test_the_histogram_counts_every_draw_and_says_what_the_last_bar_holds(playground):
    opened(playground, law="gaussian", d=3, n=1, draws=100_000)
    drawn(playground)
    label = playground.evaluate("document.querySelector('#pg-histogram svg').getAttribute('aria-label')")
    assert re.match(
        r"Histogram of [\d,]+ draws\. The last bar holds all draws above [\d.]+, (2\.\d|1\.9) % of them\.", label
    )
    counted = playground.evaluate(
        """(() => {
          const counts = new charts.Histogram(Float64Array.from({ length: 100 }, (_, i) => i), [50, 1e9]);
          const values = Float64Array.from([-5, 0, 50, 96, 98, 1e12]);
          counts.add(values, values.length);
          const inside = counts.bars.reduce((sum, count) => sum + count, 0);
          return [inside, counts.beyond, counts.below, counts.count];
        })()"""
    )
    assert counted == [4, 2, 1, 6]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(playground, dark):
    playground.emulate(420, 900, dark=dark)
    opened(playground, claim="B3", law="gaussian", d=20, n=2, r=5)
    drawn(playground)
    assert playground.evaluate("document.documentElement.scrollWidth") <= 420


def test_the_book_holds_the_page_and_its_files(site: Path, browser: chromium.Chromium):
    page = browser.open((site / "playground.html").as_uri() + "#claim=A2&law=rademacher&d=20&n=4&formula=(d%2Bn)%2Fn")
    page.wait_for("document.documentElement.dataset.playground === 'ready'")
    assert "REFUTED" in drawn(page)
    page.close()
    assert {path.name for path in (site / "_static" / "playground").iterdir()} == {
        *(f"{name}.js" for name in ("formulas", *SCRIPTS)),
        "playground.css",
    }
