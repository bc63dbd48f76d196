"""The page of the playground as a reader has it: opened as a file, with a keyboard, on a phone, in the dark."""

import json
import re
from pathlib import Path

import chromium
import pytest
from playground_formulas import LIMITS
from playground_page import SCRIPTS, playground_link

pytestmark = [pytest.mark.repo, pytest.mark.browser]

DONE = "document.documentElement.dataset.playground === 'ready' && !document.getElementById('pg-verdict').hidden"


ADDRESS = "document.getElementById('pg-address')"


def opened(page: chromium.Page, **settings: object) -> None:
    """Open the page anew with these settings behind its address."""
    address = page.evaluate("location.href").partition("#")[0]
    page.navigate("about:blank")
    page.navigate(
        address + playground_link(str(settings.pop("claim", "A2")), **settings).removeprefix("playground.html")
    )


def text(page: chromium.Page, name: str) -> str:
    return page.evaluate(f"document.getElementById('pg-{name}').innerText").strip()


def typed(page: chromium.Page, name: str, value: str) -> None:
    """Put a text into a field, as its last key would."""
    page.evaluate(
        f"""(() => {{
          const field = document.querySelector('[name={name}]');
          field.value = {json.dumps(value)};
          field.dispatchEvent(new Event('input', {{ bubbles: true }}));
        }})()"""
    )


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
    assert "(c + (n−1)·cross)/n = (d+n−1)/n" in rows
    assert playground.evaluate("document.getElementById('pg-why').hidden")
    assert re.search(r"decoy \w\s+\(d\+n\+1\)/n\s+13\.75\s+−\d+\s+REFUTED", rows)


def test_thirteen_billion_dimensions_are_too_many_to_tell_by_draws_and_the_page_says_how_many(playground):
    opened(playground, law="gaussian", d=13_000_000_000, n=1, formula="(d+n-1)/n")
    words = drawn(playground)
    assert "UNDERPOWERED" in words
    assert re.search(r"\d\.\de\d+ more draws are needed", words)
    assert "13000000002" in text(playground, "rows")
    assert "asked to tell F from T" in words
    assert "1.5e−8 % apart" in words
    assert "The theory T is CONSISTENT" in words
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
    assert "CONSISTENT" in playground.evaluate("document.getElementById('pg-live').textContent")
    assert playground.evaluate("location.hash") == "#claim=A2&law=sphere&d=12&n=3&formula=(d%2Bn-1)%2Fn"


def test_a_stopped_run_has_no_verdict(playground):
    opened(playground, law="orthogonal", d=100, n=40, draws=100_000)
    assert text(playground, "error") == ""
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
        ({"resolution": "0,02"}, "resolution", "must be a number between"),
        ({"seed": "many"}, "seed", "must be a whole number"),
        ({"n": "1,2"}, "n", "must be a whole number"),
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
    assert "Claim Z9 has no playground" in text(playground, "address")
    assert "The page shows A2 instead." in text(playground, "address")
    assert playground.evaluate("document.querySelector('[name=claim]').value") == "A2"
    opened(playground, claim="B3", law="coordinate")
    assert "Law coordinate is none of this claim’s here" in text(playground, "address")
    assert "The page shows gaussian instead." in text(playground, "address")
    typed(playground, "n", "3")
    assert not playground.evaluate(f"{ADDRESS}.hidden")  # it stays, as the law is still another
    playground.evaluate("document.querySelector('[name=law]').dispatchEvent(new Event('input', { bubbles: true }))")
    assert playground.evaluate(f"{ADDRESS}.hidden")


def test_an_unknown_claim_and_law_of_a_link_are_both_named(playground):
    address = playground.evaluate("location.href").partition("#")[0]
    playground.navigate("about:blank")
    playground.navigate(f"{address}#claim=Z9&law=nonsense")
    assert "The page shows A2 instead." in text(playground, "address")
    assert "Law nonsense is none of this claim’s here" in text(playground, "address")
    opened(playground, law="sphere")
    assert playground.evaluate(f"{ADDRESS}.hidden")


def test_a_run_that_breaks_off_says_so_and_the_next_one_runs(playground):
    opened(playground, d=20, n=2)
    playground.evaluate("var judge = verdict.judge; verdict.judge = () => { throw new Error('broken'); }; 0")
    playground.evaluate("document.getElementById('pg-draw').click()")
    playground.wait_for("document.getElementById('pg-count').textContent.includes('broke off')")
    assert playground.evaluate("document.documentElement.dataset.playground") == "ready"
    assert playground.evaluate("document.getElementById('pg-stop').disabled")
    playground.evaluate("verdict.judge = judge; 0")
    assert "CONSISTENT" in drawn(playground)
    assert any("broken" in line for line in playground.console)
    playground.console.clear()


def test_a_half_typed_formula_is_called_wrong_on_a_pause_and_once(playground):
    opened(playground, d=20, n=2)
    playground.evaluate(
        """var alerts = []; new MutationObserver(() => alerts.push(document.getElementById('pg-error').textContent))
          .observe(document.getElementById('pg-error'), { childList: true }); 0"""
    )
    playground.evaluate(
        """(() => {
          const field = document.querySelector('[name=formula]');
          for (const text of ['(', '(d', '(d+', '(d+n']) {
            field.value = text;
            field.dispatchEvent(new Event('input', { bubbles: true }));
          }
        })()"""
    )
    assert text(playground, "error") == ""
    assert playground.evaluate("document.getElementById('pg-draw').disabled")
    playground.wait_for("document.getElementById('pg-error').textContent")
    assert "(d+n" in text(playground, "error")
    typed(playground, "formula", "(d+n)")
    assert text(playground, "error") == ""
    typed(playground, "formula", "(d+n)/x")
    playground.evaluate(
        "document.querySelector('[name=formula]').dispatchEvent(new Event('change', { bubbles: true }))"
    )
    assert "Unknown name 'x'" in text(playground, "error")  # at once, as the field was left
    assert len([each for each in playground.evaluate("alerts") if each]) == 2


def test_at_any_width_no_bar_has_a_negative_width(playground):
    opened(playground, d=20, n=2)
    drawn(playground)
    for width in (40, 90, 320):
        playground.emulate(width, 700)
        playground.evaluate("window.dispatchEvent(new Event('resize')); 0")
        least = (
            "Math.min(...[...document.querySelectorAll('#pg-pictures rect')].map((bar) => bar.getAttribute('width')))"
        )
        assert playground.evaluate(least) > 0
    assert playground.console == []


def test_more_decoys_than_dashes_have_letters_of_their_own(playground):
    opened(playground, d=20, n=2)
    playground.evaluate(
        "library.claims.A2.decoys.push(...['d', '2*d', '3*d', '4*d'].map((formula) => ({ formula, until: null }))); 0"
    )
    drawn(playground)
    rows = text(playground, "rows")
    assert "undefined" not in rows
    assert all(f"decoy {letter}" in rows for letter in "abcde")


def test_the_setting_of_a_verdict_has_the_digits_that_were_typed(playground):
    opened(playground, claim="B2", law="gaussian", d=20, n=2, t=0.015, draws=2_000)
    drawn(playground)
    assert "t = 0.015;" in text(playground, "setting")


def test_new_draws_take_the_next_seed_however_the_first_was_typed(playground):
    opened(playground, law="gaussian", d=20, n=1, draws=5_000, seed="1,000")
    assert "seed 1000." in drawn(playground)
    playground.evaluate("document.getElementById('pg-again').click()")
    playground.wait_for(DONE)
    assert "seed 1001." in text(playground, "verdict")


def test_the_theory_stands_beside_the_field_in_both_its_forms(playground):
    opened(playground, law="gaussian", d=20, n=2)
    assert text(playground, "theory") == "(c + (n−1)·cross)/n = (d+n+1)/n"
    opened(playground, claim="B3", law="gaussian", d=20, n=2, r=5)
    assert "=" not in text(playground, "theory")


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
