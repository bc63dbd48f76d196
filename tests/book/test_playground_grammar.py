"""The grammar of the playground is that of `--expect`: the same formulas, the same values, the same sentences."""

import json
import math
import random
import re

import pytest

from mezo_lab.theory import Expression, ExpressionError, printed

pytestmark = [pytest.mark.repo, pytest.mark.browser]

VALUES = {"d": 50.0, "n": 4.0, "c": 52.0, "cross": 1.0, "g": 1.0, "gamma": 2.5, "s": 0.1, "pi": math.pi, "e": math.e}
ODD = r"""
(d+n-1)/n|(d+n−1)/n|½η²·ℓ·E‖ĝ‖²|d|2d|2 d|d n|d(n)|2(n)|(d)(n)|d²|d⁻¹|d^2|d**2**3|-2**2|2**-1|-d**2|(-8)**(1/3)
(-8)**2|√d|√(d)|√2d|√‖g‖²|sqrt(d)|sqrt d|sqrt|sqrt(d, n)|sqrt(d)(n)|sqrt(-1)|log(0)|log(d)|exp(1000)|exp(-d)
1/2d|1/2·d|1/√2d|d/2n|1/0|1/(d-50)|0**-1|0**0|1e308*10|1/(1e308*10)|10**64|10**65|10**(-65)|1e5**64|1e6**64
1e999|d**n**n|x|d + x|foo(d)|d.real|d[0]|d[0,1]|d[]|d == n|d < n < 3|d != n|d = n|d := n|d if n else 2|not d|~d
d and n|d or 2|d in n|d is not n|d is n|d not in n|d @ n|d % n|d // n|d & n|d << 2|"abc"|'d'|"d|(d,n)|d,|d,n|()
(d|d)|((d))|[d]|[]|[d,n]|lambda|True|None|False * 2|if|1 if d else 2|yield|import os|__import__("os")|1.5.2|1..2
1.|.5|1.e3|1e3|1E-3|1e|007|00|0|01.5|1_000|0x10|1j|2j*d|1e5e5|d e|e|e2|pi|π|κ|kappa|τ|d÷n|d’|d‘n|÷|½|½d|d½|⅓|⅟
2½|½²|×|2×*3|2×3|2··3|d·n|d⋅n|--d|+-d|d--n|d+|*d|**d|d**|d***n|d* *n|/d|d/|d/ /n|d/n/2|d/n·2|d/(n)(2)|(d+1)(n+1)
(d+1)²n|d/(2n)|1/(2n)d|（d＋n）／n|ｄ|d＋１|d # n|d # n)|#|d;n|d:n|d?|d!|!d|$d|d\n|\|d`|{|@d|d@|\x00|d	+ n|d + n|d + n
d+n|ĝ|‖ĝ‖²|‖g‖|‖g‖²|‖g|tr Hg|tr H|tr H²|Hgg|‖g‖₁|γ|η|s|sγ|dγ|γd|γ(d)|γ²|(γ)|2γ|c cross|cross|c·cross|d  +  n
 (d+n)| d|d - - n|a|_|_d|d_|d1|1d|1d1|1 d1|d 1|1 1|d.5|d .5|d. 5|d**64|d**65|d**0.5|(-d)**0.5|(-d)**0.5+1|2**1e3
1**(1e308*10)|(1e308*10)**0|0*(1e308*10)|log(d/n-12.5)|((((((((((d))))))))))|d>n|d->n|d<>n|a=b|f(x=1)|sqrt(x=1)
sqrt()|sqrt(sqrt)|log(sqrt(d))|√√d|√ d|√ (d)|√x|√½|√-d|√|√)|d√n|d√(n)|2√2|√2√2|2√2d|2^√2|d^½|d^-1|d^(1/2)|d²³
d²n|d² n|d²(n)|d²/n²|²|⁻|d⁻
"""
# refused by both: Python names what these are, and the page says that they are no arithmetic, or gives a number
REFUSED_IN_OTHER_WORDS = [
    "lambda: d",
    "{d}",
    "sqrt(*d)",
    "🙂",
    "d🙂n",
    "d if n",
    "[d for d in n]",
    "ａ𝛼",
    "f'{d}'",
]
TEXTS = [text for line in ODD.strip("\n").split("\n") for text in line.split("|")]
TEXTS += [
    "",
    " ",
    "d" * 201,
    "d+" * 100 + "d",
    "(" * 150,
    "-" * 199 + "d",
    "d" + "+÷" * 70,
    "a|b",
    "(d\n+n)",
    "d\n+n",
    "\n",
    "'it', \"÷\"",
    "\u200b",
]


PIECES = (
    "d n c g gamma γ 2 3 0 1.5 .5 1e3 + - * / ** ^ · − ( ) ( ) ² ⁻¹ √ ½ sqrt( log( exp( ‖g‖ ‖g‖² , % // [ ] . x not "
    "and if else ' == < ~ @ # lambda **2 1_0 κ ³ e （ ÷ π True None in is"
).split()

PARSED = """(all) => all.map(([text, values]) => {
  try {
    const names = [...grammar.names(text)].sort();
    return { names, value: grammar.rounded(text, values), print: tokens.printed(text) };
  } catch (error) {
    if (!(error instanceof FormulaError)) return { crash: String(error) };
    return { error: error.message };
  }
})"""


def library_reads(text: str, values: dict[str, float]) -> dict:
    try:
        formula = Expression(text)
        names = sorted(formula.names)
        return {"names": names, "value": list(formula.rounded(values)), "print": printed(text)}
    except ExpressionError as error:
        return {"error": str(error)}


def test_the_grammar_accepts_and_refuses_the_same_with_the_same_sentences(playground):
    read = playground.evaluate(f"({PARSED})({json.dumps([[text, VALUES] for text in TEXTS])})")
    wrong = []
    for text, made in zip(TEXTS, read, strict=True):
        right = library_reads(text, VALUES)
        if "value" in made and "value" in right:
            same = math.isclose(made.pop("value")[0], right.pop("value")[0], rel_tol=1e-12) and made == right
        else:
            same = made == right
        if not same:
            wrong.append((text, made, right))
    assert not wrong, "\n".join(map(str, wrong))
    assert sum("error" in made for made in read) > 100 < sum("print" in made for made in read)


def test_what_python_knows_beyond_arithmetic_is_refused_too(playground):
    read = playground.evaluate(f"({PARSED})({json.dumps([[text, VALUES] for text in REFUSED_IN_OTHER_WORDS])})")
    for text, made in zip(REFUSED_IN_OTHER_WORDS, read, strict=True):
        assert "error" in library_reads(text, VALUES)
        assert re.search("no meaning|not arithmetic", made["error"]), made


def test_formulas_put_together_at_random_are_read_alike(playground):
    chance = random.Random(4)
    texts = [chance.choice(("", " ")).join(chance.choices(PIECES, k=chance.randint(1, 9))) for _ in range(4_000)]
    read = playground.evaluate(f"({PARSED})({json.dumps([[text, VALUES] for text in texts])})")
    accepted = 0
    for text, made in zip(texts, read, strict=True):
        right = library_reads(text, VALUES)
        assert made.keys() == right.keys(), (text, made, right)
        if "value" in right:
            accepted += 1
            assert math.isclose(made["value"][0], right["value"][0], rel_tol=1e-12), text
            assert (made["names"], made["print"]) == (right["names"], right["print"])
    assert accepted > 100
