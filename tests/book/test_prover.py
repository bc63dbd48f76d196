"""The page of proofs: what it proves and compares in the browser is what the library proves and compares."""

import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from html import unescape

import prover_page
import pytest
from prover import in_browser, names
from vendor import vendored

from mezo_lab.claims import REGISTRY
from mezo_lab.claims.claim import SYMBOLS
from mezo_lab.claims.selection import jobs
from mezo_lab.proofs import provable, prove
from mezo_lab.theory import Expression, ExpressionError

pytestmark = pytest.mark.repo

CLAIMS = {claim["name"]: claim for claim in prover_page.compared_claims()}
SHOWN = [("notes", "gaussian"), ("norm-factor", "orthogonal"), ("low-rank", "sphere"), ("self-normalised", "gaussian")]
IDLE = "document.querySelector('.prover-go').ariaDisabled !== 'true'"
SECONDS = 400  # for Python to start in the browser, on a machine that does much else


def comparison(text, claim="norm-factor", law="gaussian", setting=0, **changed):
    """What the page shows for a formula at the numbers of a claim's setting."""
    chosen = CLAIMS[claim]["laws"][law][setting]
    given = {"text": text, "theory": chosen["formula"], "law": law, "places": chosen["places"]}
    given |= {"values": chosen["rows"][0] | changed, "rows": chosen["rows"]}
    return json.loads(in_browser.answer("comparison", json.dumps(given)))


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_formula_of_a_claim_is_equal_to_itself_and_no_other_is(claim):
    for law, settings in CLAIMS[claim]["laws"].items():
        for place, setting in enumerate(settings):
            assert comparison(setting["formula"], claim, law, place)["verdict"] == "equal"
            wrong = comparison(f"1.001*({setting['formula']})", claim, law, place)
            assert wrong["verdict"] == "different"
            assert wrong["example"]["yours"] != wrong["example"]["theory"]


@pytest.mark.parametrize(
    ("text", "claim", "law", "setting"),
    [
        ("(d+n+1)/n", "norm-factor", "gaussian", 0),
        ("1 + (d−1/5)/n", "norm-factor", "uniform", 0),
        ("(d+n-1)/n", "norm-factor", "sphere", 0),
        ("d/n", "norm-factor", "orthogonal", 0),
        ("1 - 2s + s²·(n+r+1)/n", "low-rank", "gaussian", 0),
        ("1 - t*(2-t)*n/(d+n+1)", "dimension-tax", "gaussian", 0),
        ("½η²·ℓ·‖g‖²·(d+n+1)/n − η·‖g‖²", "descent-lemma", "gaussian", 0),
        ("log((n+r+1)/(r+1))/n", "probes-are-a-wash", "gaussian", 0),
        ("-log(1-1/gamma)/n", "orthogonal-probes", "orthogonal", 0),
        ("σ²·tr(H)/2 − σ·√(2/π)·‖g‖", "random-search", "gaussian", 0),
        ("sqrt(2*g2/pi)", "norm-probe", "gaussian", 1),
        ("1 + (p*q + 1 + 2*(p+q+1)/k)/n", "low-rank-direction", "gaussian", 0),
        ("exp(-u²/(16*d))", "tail", "gaussian", 0),
        ("sqrt((ulp/eps)**2/24 + (T*eps²)**2)", "rounding", "gaussian", 0),
    ],
)
def test_a_formula_that_is_written_in_another_way_is_equal(text, claim, law, setting):
    found = comparison(text, claim, law, setting)
    assert (found["verdict"], found["difference"]["text"], found["same_here"]) == ("equal", "0", True)


def test_a_difference_is_simplified_and_shown_at_small_numbers():
    found = comparison("(d+n-1)/n", n=4)
    assert found["verdict"] == "different"
    assert found["difference"]["text"] == "−2/n"
    assert found["example"] == {"at": "d = 2, n = 1", "yours": "2", "theory": "4"}
    assert (found["yours"]["value"], found["theory"]["value"]) == ("5.75", "6.25")
    assert found["at"] == "d = 20, n = 4, c = 22, cross = 1"


def test_formulas_that_agree_at_the_numbers_of_a_claim_alone_are_different():
    found = comparison("(d+n-1)/n", law="orthogonal")
    assert (found["verdict"], found["same_here"]) == ("different", True)
    assert found["example"] == {"at": "d = 2, n = 2", "yours": "3/2", "theory": "1"}


def test_two_numbers_are_shown_in_as_many_digits_as_tell_them_apart():
    assert comparison("(d+n+1)/n + 1/10000000")["yours"]["value"] == "22.0000001"


def test_names_that_depend_on_others_leave_a_comparison_undecided():
    found = comparison("(1-ρ²)*((d+n+1)/n*(g2+S/B) - g2)", "control-variate")
    assert (found["verdict"], found["same_here"]) == ("undecided", True)
    assert "V" in found["dependent"]


@pytest.mark.parametrize(
    "text",
    ["", "__import__('os')", "d.n", "foo/n", "1/(d-d)", "d**99", "(d+n", "1e999", "sqrt(-d)", "d ; n", "§", "d" * 201],
)
def test_what_is_no_formula_is_refused_in_the_words_of_the_library(text):
    with pytest.raises(ExpressionError) as refusal:
        Expression(text)(CLAIMS["norm-factor"]["laws"]["gaussian"][0]["rows"][0])
    assert comparison(text) == {"refused": str(refusal.value)}


def test_names_that_may_be_negative_or_chosen_freely_are_names_of_formulas_and_of_the_registry():
    settings = [job.experiment.symbols for job in jobs() if job.experiment.formula]
    offered = {name for setting in settings for name in setting}
    assert in_browser.SIGNED <= SYMBOLS.keys() & offered
    assert in_browser.FREE <= SYMBOLS.keys() & offered
    negative = {name for setting in settings for name, value in setting.items() if value < -1e-9}
    products = {name for name in offered if re.match(r"\w+ᵀ|Σ |first coordinate|correlation", SYMBOLS[name])}
    norms = {name for name in offered if re.match(r"E?[‖|]|tr .*²|tr Σ", SYMBOLS[name])}
    assert negative <= in_browser.SIGNED
    assert products <= in_browser.SIGNED
    assert not norms & in_browser.SIGNED
    assert not in_browser.FREE & in_browser.SIGNED
    assert in_browser.FREE & {name for name, _ in names.DEFINITIONS} == {"d"}  # p·q where a claim has p and q


def test_a_number_that_is_missing_is_refused():
    assert comparison("d/n", d=None)["refused"] == "`d` must be a number, got None: type one, such as 4 or 0.01."


def test_a_name_is_defined_by_others_only_where_that_gives_the_registrys_numbers():
    rows = [job.experiment.symbols for job in jobs(["norm-factor"], law="gaussian")]
    told = {names.DEFINITIONS[place][0] for place in names.holding("gaussian", rows)}
    assert told == {"kappa", "c", "cross"}
    assert {names.DEFINITIONS[place][0] for place in names.holding("sphere", rows)} == {"cross"}


def test_every_claim_whose_theory_is_a_formula_in_names_is_offered():
    plain = {job.claim.name for job in jobs() if job.experiment.formula and Expression(job.experiment.formula).names}
    assert CLAIMS.keys() == plain
    assert len(plain) > len(REGISTRY) / 2


@pytest.fixture(scope="module")
def packed(tmp_path_factory, vendored_files):
    """The page of proofs as Sphinx gets it."""
    staged = tmp_path_factory.mktemp("staged")
    prover_page.write_prover(staged)
    return staged


def test_the_archive_is_small_and_says_its_size(packed):
    files = list((packed / "static" / "prover").iterdir())
    assert sum(file.stat().st_size for file in files) < 40e6
    assert max(file.stat().st_size for file in files) < 1.2e6
    page = (packed / "prove.md").read_text()
    loaded = sum(file.stat().st_size for file in files if file.suffixes[-2:-1] and file.suffixes[-2][1:].isdigit())
    assert f"loads {loaded / 1e6:.1f} MB" in page
    assert "@" not in page


def test_the_page_offers_the_proofs_of_the_library(packed):
    page = (packed / "prove.md").read_text()
    laws = json.loads(page.split('id="prove-laws">')[1].split("</script>")[0])
    assert [(claim, law) for claim in laws for law in laws[claim]] == list(provable())
    offered = page.split('id="prove-claim">')[1].split("</select>")[0]
    assert all(f'value="{claim}"' in unescape(offered) for claim in laws)


def test_the_archive_alone_proves_what_the_page_offers_without_torch_or_numpy(packed, tmp_path):
    archive = tmp_path / "library.zip"
    archive.write_bytes(prover_page.library(prover_page.BOOK.parent / "mezo_lab"))
    script = (
        f"import sys; sys.path.insert(0, {str(archive)!r})\n"
        "from prover import in_browser\n"
        "for claim, law in dict(in_browser.proofs()).items(): print(in_browser.proof(claim, law)['printed'])\n"
        "assert not {'torch', 'numpy', 'matplotlib'} & sys.modules.keys()\n"
        "assert all('library.zip' in sys.modules[name].__file__ for name in ('sympy', 'mpmath', 'mezo_lab'))"
    )
    found = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True)
    assert found.stderr == ""
    expected = [str(prove(claim, law)) for claim, law in dict(provable()).items()]
    assert found.stdout == "\n".join(expected) + "\n"


# in the browser


@pytest.fixture(scope="module")
def page(site, browser):
    """The page, opened as a file, with Python started."""
    opened = browser.open((site / "prove.html").as_uri())
    assert asked(opened, "proofs", {}) == [list(pair) for pair in provable()]
    yield opened
    opened.close()


def asked(page, question, given):
    """What Python answers in the browser."""
    return awaited(page, f"prover.ask({json.dumps(question)}, {json.dumps(given)}, () => 0)")


def awaited(page, promise):
    """The value of a promise that may take minutes."""
    page.evaluate(f"void (window.found = null, {promise}.then((value) => (window.found = {{ value }}),"
                  " (error) => (window.found = { error: error.message })))")  # fmt: skip
    found = page.wait_for("window.found", SECONDS)
    assert "error" not in found, found["error"]
    return found.get("value")


def press(page, form):
    """Press the button of a form, and wait for what it shows."""
    page.evaluate(f"document.querySelector('#{form}-form .prover-go').click()")
    page.wait_for(IDLE, SECONDS)
    return page.evaluate(f"document.querySelector('#{form}-answer').textContent")


def choose(page, field, value):
    chosen = f"document.getElementById('{field}')"
    page.evaluate(f"{chosen}.value = {json.dumps(value)}; {chosen}.dispatchEvent(new Event('change'))")


def status(page):
    return page.evaluate("document.getElementById('prover-status').textContent")


@pytest.mark.browser
@pytest.mark.parametrize(("claim", "law"), SHOWN)
def test_the_browser_proves_what_python_proves_line_by_line(claim, law, page):
    assert asked(page, "proof", {"claim": claim, "law": law}) == in_browser.proof(claim, law)


@pytest.mark.browser
def test_the_form_shows_a_proof_with_its_formulas_set(page):
    choose(page, "prove-claim", "variance")
    choose(page, "prove-law", "coordinate")
    shown = press(page, "prove")
    proof = prove("variance", "coordinate")
    assert "Proved. derived − theory = 0" in shown
    assert page.evaluate("document.querySelector('#prove-answer pre').textContent") == str(proof)
    assert page.evaluate("document.querySelectorAll('#prove-answer mjx-container').length") == len(proof.steps)
    assert status(page) == "Done: the answer stands below the form."


@pytest.mark.browser
def test_the_keyboard_alone_proves_and_keeps_its_place(page):
    page.evaluate("document.querySelector('#prove-form .prover-go').focus()")
    page.press("Enter")
    page.wait_for(f"{IDLE} && document.querySelector('#prove-answer h3') !== null", SECONDS)
    assert page.evaluate("document.activeElement.className") == "prover-go"


@pytest.mark.browser
def test_the_form_compares_a_formula(page):
    choose(page, "compare-claim", "norm-factor")
    choose(page, "compare-law", "gaussian")
    choose(page, "compare-text", "(d+n-1)/n")
    shown = press(page, "compare")
    assert "Different." in shown
    assert "at d = 2, n = 1 your formula gives 2, and the theory gives 4." in shown
    assert "mezo-lab verify norm-factor --law gaussian --expect='(d+n-1)/n'" in shown
    choose(page, "compare-text", "(d+n+1)/n")
    assert "Equal." in press(page, "compare")
    choose(page, "compare-text", "1/(d-d)")
    assert press(page, "compare") == comparison("1/(d-d)")["refused"]
    assert status(page).startswith("Refused")


@pytest.mark.browser
def test_answers_can_be_read_on_a_phone_and_by_a_screen_reader(page):
    choose(page, "compare-claim", "orthogonal-probes")
    choose(page, "compare-text", "log(d/(d-n))/n + (d+n-1)*(d+n-2)*(d+n-3)*(d+n-4)*(d+n-5)/n")
    assert "Different." in press(page, "compare")
    page.emulate(420)
    page.wait_for("document.querySelector('#compare-answer .prover-formula[tabindex]') !== null")
    assert page.evaluate("document.documentElement.scrollWidth") == 420
    page.evaluate(vendored("axe-core", "axe.min.js").read_text(encoding="utf-8") + ";0")
    found = json.loads(page.evaluate("axe.run('article', {preload: false}).then((found) => JSON.stringify(found))"))
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]] == []
    page.emulate()


@pytest.mark.browser
def test_the_table_of_a_comparison_says_what_its_rows_and_columns_are(page):
    choose(page, "compare-claim", "norm-factor")
    choose(page, "compare-text", "(d+n-1)/n")
    press(page, "compare")
    table = "document.querySelector('#compare-answer table')"
    assert page.evaluate(f"{table}.caption.textContent") == "The two formulas, at the numbers below"
    heads = page.evaluate(f"[...{table}.querySelectorAll('th')].map((head) => [head.scope, head.textContent])")
    assert heads == [["col", "whose"], ["col", "formula"], ["col", "value"], ["row", "yours"], ["row", "theory"]]


@pytest.mark.browser
def test_a_command_is_copied_by_a_button(page):
    choose(page, "compare-text", "(d+n-1)/n")
    press(page, "compare")
    page.evaluate("document.querySelector('#compare-answer .prover-copy').click()")
    said = page.wait_for("['Copied', 'Marked: press Ctrl+C'].find((text) => text === "
                         "document.querySelector('#compare-answer .prover-copy').textContent)")  # fmt: skip
    assert said == "Copied" or page.evaluate("getSelection().toString()").startswith("mezo-lab verify norm-factor")


@pytest.mark.browser
def test_a_formula_that_is_not_there_is_asked_for(page):
    choose(page, "compare-text", "  ")
    assert press(page, "compare") == "Write a formula first."
    assert page.evaluate("document.activeElement.id") == "compare-text"


@pytest.mark.browser
def test_stop_without_a_run_leaves_python_where_it_is(page):
    before = len(page.requests)
    page.evaluate("document.getElementById('prover-stop').click()")
    choose(page, "compare-claim", "norm-factor")
    choose(page, "compare-law", "gaussian")
    choose(page, "compare-text", "(d+n+1)/n")
    assert "Equal." in press(page, "compare")
    assert page.requests[before:] == []  # a worker that had been ended would begin anew


@pytest.mark.browser
@pytest.mark.parametrize("expect", ["(d%2Bn-1)%2Fn", "(d+n-1)/n"])
def test_the_address_chooses_a_formula(site, browser, expect):
    address = (site / "prove.html").as_uri()
    opened = browser.open(f"{address}#formula=low-rank&law=sphere&expect={expect}")
    fields = ["compare-claim", "compare-law", "compare-text"]
    shown = [opened.evaluate(f"document.getElementById('{field}').value") for field in fields]
    assert shown == ["low-rank", "sphere", "(d+n-1)/n"]
    assert not [address for address in opened.requests if ".zip." in address]  # nothing is loaded before a press
    opened.close()


@pytest.mark.browser
def test_a_run_is_stopped_and_the_next_one_works(page):
    choose(page, "prove-claim", "fixed-subspace")
    both = ("#prove-form .prover-go", "#prover-stop")  # at once: a run may be over before a second message arrives
    page.evaluate("; ".join(f"document.querySelector('{button}').click()" for button in both))
    page.wait_for(IDLE)
    assert status(page).startswith("Stopped.")
    assert page.evaluate("document.getElementById('prove-answer').textContent") == ""
    before = len(page.requests)
    choose(page, "prove-claim", "unbiased")
    assert "Proved." in press(page, "prove")
    assert not [address for address in page.requests[before:] if not address.startswith("blob:")]


@pytest.mark.browser
def test_the_page_asks_no_other_host(page):
    assert {address.split(":")[0] for address in page.requests} <= {"file", "blob", "data"}
    assert page.console == []


@pytest.fixture(scope="module")
def altered(site, tmp_path_factory):
    """The page with a library in which one function of the theory is wrong, and a server that shows it."""
    folder = tmp_path_factory.mktemp("altered")
    package = folder / "mezo_lab"
    shutil.copytree(prover_page.BOOK.parent / "mezo_lab", package, ignore=shutil.ignore_patterns("__pycache__"))
    source = package / "theory" / "estimator.py"
    right = "return second_moment(1, dim, 1, probes=probes, moments=moments)"
    text = source.read_text()
    assert text.count(right) == 1
    source.write_text(text.replace(right, f"{right} - 2 / probes"))
    prover_page.write_prover(folder / "staged", package)
    shown = folder / "site"
    shutil.copytree(site / "_static", shown / "_static")
    shutil.copytree(folder / "staged" / "static" / "prover", shown / "_static" / "prover", dirs_exist_ok=True)
    shutil.copy(site / "prove.html", shown)
    handler = functools.partial(Quiet, directory=str(shown))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", shown
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that writes no log."""

    def log_message(self, format, *args):
        pass


@pytest.mark.browser
def test_a_missing_file_is_said_and_a_wrong_theory_is_not_proved(altered, browser):
    address, shown = altered
    script = shown / "_static" / "prover" / "pyodide.mjs.0.js"
    away = script.rename(script.with_suffix(".away"))
    opened = browser.open(f"{address}/prove.html")
    said = press(opened, "prove")
    assert said == ("_static/prover/pyodide.mjs.0.js could not be loaded. Look at the connection, and press again.")
    away.rename(script)
    said = press(opened, "prove")
    assert "Not proved." in said
    assert "Proved." not in said
    assert {request.split("/")[2] for request in opened.requests if request.startswith("http")} == {address[7:]}
    opened.close()
