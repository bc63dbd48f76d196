"""A formula of the user: arithmetic on named numbers, parsed by a whitelist and evaluated in floating point.

It may hold numbers, the names that a claim offers, + - * / **, brackets, and sqrt, log, exp of one number, in the signs
of a keyboard or in those that tables and reports print: (d+n−1)/n, η²·ℓ·E‖ĝ‖²/4, √(2/π)‖g‖. There is no `eval`, so a
formula can do nothing but arithmetic.
"""

import ast
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_LENGTH = 200  # characters: the longest formula of the registry has 60
MAX_POWER = 64  # beyond it floats overflow for any dimension worth naming
UNIT = 2.0**-52  # relative rounding error of one operation at most, and of a given number

# a name as it is typed → as tables, reports and figures print it
NAMES = {
    "kappa": "κ",
    "eps": "ε",
    "g": "‖g‖",
    "g2": "‖g‖²",
    "g1": "g₁",
    "l1": "‖g‖₁",
    "G2": "E‖ĝ‖²",
    "S": "tr(Σ)",
    "sigma": "σ",
    "trH": "tr(H)",
    "trH2": "tr(H²)",
    "gHg": "gᵀHg",
    "Hgg": "Σ Hᵢᵢgᵢ²",
    "Hii": "Hᵢᵢ",
    "ell": "ℓ",
    "eta": "η",
    "gamma": "γ",
    "mu": "μ",
    "alpha": "α",
    "ug": "uᵀg",
    "vg": "vᵀg",
    "vPg": "vᵀPg",
    "uv": "uᵀv",
    "uvgg": "Σ uᵢvᵢgᵢ²",
    "va": "vᵀ∇(ΔL)",
    "vt": "Σ vᵢ∂ᵢ³L",
    "vDg": "vᵀD⁻¹g",
    "trD2": "tr(D²)",
    "Dg2": "‖D⁻¹g‖²",
    "delta": "Δ",
    "rho": "ρ",
    "rho1": "ρ₁",
    "p1": "p₁",
    "beta": "β",
    "pi": "π",
}
# other ways of print, as `mezo-lab list` explains the names
READ = {printed: name for name, printed in NAMES.items()} | {
    "tr Σ": "S",
    "tr H²": "trH2",
    "tr H": "trH",
    "tr D²": "trD2",
    "Σ H_ii g_i²": "Hgg",
    "H_ii": "Hii",
    "Σ u_i v_i g_i²": "uvgg",
    "µ": "mu",  # the micro sign, which looks like the letter
}
SIGNS = {"−": "-", "·": "*", "⋅": "*", "×": "*", "^": "**"}
WIDE = {0xFEE0 + code: chr(code) for code in range(0x21, 0x7F)}  # the keys of a Chinese keyboard, such as （ and ＋
DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
RAISED = str.maketrans(DIGITS + "⁻", "0123456789-")
BLANKS = " \t\u00a0\u2009\u202f\u3000"  # those of a keyboard, and those that do not break
# the tokens that begin a factor
STARTS = ("number", "name", "sign", "rooted", "root", "function", "open")
FUNCTIONS = {"sqrt": math.sqrt, "log": math.log, "exp": math.exp}

# the longest names first; one that ends in a letter must end there, as tr H does in "tr H" and not in "tr Hgg"
PRINTED = re.compile(
    "|".join(
        re.escape(name) + (r"(?![A-Za-z0-9_])" if re.search("[A-Za-z]$", name) else "")
        for name in sorted(READ, key=len, reverse=True)
    )
)
NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")

OPERATORS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: _power(a, b),
}


class ExpressionError(ValueError):
    """The formula is not arithmetic on the names offered; the message says where and what to write instead."""


@dataclass(frozen=True)
class Expression:
    """A formula such as (d+n-1)/n, checked once and evaluated on any values of its names.

    Raises: ExpressionError for anything that is not arithmetic.

    >>> Expression("(d+n-1)/n")({"d": 50, "n": 4})
    13.25
    >>> Expression("½η²·ℓ·E‖ĝ‖²")({"eta": 0.5, "ell": 2.0, "G2": 100.0})
    25.0
    """

    text: str

    def __post_init__(self):
        _parse(self.text)

    @property
    def tree(self) -> ast.expr:
        """Its syntax tree, of numbers, names, the four operations, powers and functions alone."""
        return _parse(self.text)

    @property
    def names(self) -> set[str]:
        """The names that it uses."""
        tree = self.tree
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}

    def __call__(self, values: Mapping[str, float]) -> float:
        return self.rounded(values)[0]

    def rounded(self, values: Mapping[str, float]) -> tuple[float, float]:
        """The value, and a bound of what rounding may have done to it.

        >>> value, rounding = Expression("d + 1e16 - 1e16").rounded({"d": 51})
        >>> abs(value - 51) < rounding
        True
        """
        try:
            value, rounding = _evaluate(_parse(self.text), values)
        except ZeroDivisionError:
            raise ExpressionError(
                f"{self.text!r} divides by zero at {_shown(values)}: change it or the values."
            ) from None
        except OverflowError:
            raise ExpressionError(f"{self.text!r} overflows at {_shown(values)}: use smaller powers.") from None
        if not math.isfinite(value):
            raise ExpressionError(f"{self.text!r} is not a finite real number at {_shown(values)}: check its roots.")
        return value, rounding


def printed(formula: str) -> str:
    """A formula in the signs of print, which `Expression` reads back.

    >>> printed("-eta*g2 + eta**2*ell*G2/4"), printed("gHg**2 + e**(-u/16)")
    ('−η·‖g‖² + η²·ℓ·E‖ĝ‖²/4', '(gᵀHg)² + e^(−u/16)')
    """

    def in_print(name: re.Match) -> str:
        typed = str(name[1])
        power = str(name[2])
        sign = NAMES.get(typed, typed)
        single = len(sign) == 1 or sign == typed or sign in ("g₁", "p₁", "ρ₁", "tr(H)", "tr(Σ)")
        if power and not single:
            return f"({sign}){power}"
        return sign + power

    named = re.sub(r"([A-Za-z_]\w*)(\*\*|)", in_print, keyboard(formula), flags=re.ASCII)
    powers = re.sub(r"\*\*(\d+)\b(?!\.)", lambda power: "".join(DIGITS[int(digit)] for digit in str(power[1])), named)
    return powers.replace("**", "^").replace("*", "·").replace("-", "−")


def _parse(text: str) -> ast.expr:
    """The syntax tree of a formula, after every node of it was found on the whitelist."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"A formula has at most {MAX_LENGTH} characters, got {len(text):,}: shorten it.")
    typed = keyboard(text)
    try:
        tree = ast.parse(typed.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ExpressionError(
            f"{text!r} is not arithmetic: write numbers, names, + - * / ** and brackets, like (d+n-1)/n."
        ) from None
    for node in ast.walk(tree):
        _check(node, text)
    return tree


def keyboard(text: str) -> str:
    """The formula in the signs of a keyboard, its products written out.

    >>> keyboard("(d+n−1)/n"), keyboard("2d² + √(2/π)‖g‖")
    ('(d+n-1)/n', '2*d**2 + sqrt(2/pi)*g')
    """
    typed: list[str] = []
    before = ""  # the kind of the last token
    divided = False  # whether the factor at hand stands behind a / or a power
    outside: list[bool] = []  # the same of the brackets that are open
    for kind, token in _tokens(text):
        if kind == "blank":
            typed.append(token)
            continue
        if _follows(before, kind):
            if divided:
                raise ExpressionError(
                    f"{text!r} has a product without a sign behind /, √ or a power, before {token!r}, and may mean "
                    "two things: write a * and brackets, like 1/(2*d)."
                )
            typed.append("*")
        elif kind in STARTS and before not in ("root", "function"):
            divided = before in ("divide", "raise")
        if kind == "open":
            outside.append(divided)
            divided = False
        elif kind == "close":
            divided = bool(outside) and outside.pop()
        elif kind == "rooted":
            divided = True  # √2d
        typed.append(token)
        before = kind
    return "".join(typed)


def _follows(before: str, kind: str) -> bool:
    """Whether a product is meant where a token of this kind stands directly behind another."""
    if before == "name":
        # a name and a bracket would be a call, and two names are no formula
        return kind in ("sign", "rooted", "root", "function")
    if before == "number":
        return kind in STARTS and kind != "number"
    return before in ("sign", "rooted", "close", "power") and kind in STARTS


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """(kind, token in the signs of a keyboard) of everything in the formula.

    Raises: ExpressionError for a character that no formula has, with its place.
    """
    text = text.translate(WIDE)
    place = 0
    while place < len(text):
        letter = text[place]
        if letter in BLANKS:
            yield "blank", " "
            place += 1
        elif sign := PRINTED.match(text, place):
            yield "sign", READ[sign[0]]
            place = sign.end()
        elif number := NUMBER.match(text, place):
            yield "number", number[0]
            place = number.end()
        elif name := NAME.match(text, place):
            kind = "function" if name[0] in FUNCTIONS else "name"
            yield kind, name[0]
            place = name.end()
        elif letter in DIGITS or letter == "⁻":
            end = place + 1
            while end < len(text) and text[end] in DIGITS:
                end += 1
            yield "power", "**" + text[place:end].translate(RAISED)
            place = end
        elif letter == "√":
            root = re.compile(r"√\s*(?=\()|√\s*(\d+\.?\d*|[A-Za-z_]\w*)", re.ASCII).match(text, place)
            signed = PRINTED.match(text, place + 1)
            if signed:
                yield "rooted", f"sqrt({READ[signed[0]]})"
                place = signed.end()
            elif root:
                if root[1] is None:
                    yield "root", "sqrt"
                else:
                    yield "rooted", f"sqrt({root[1]})"
                place = root.end()
            else:
                raise _unknown(text, place)
        elif unicodedata.decomposition(letter).startswith("<fraction>"):
            above, below = unicodedata.normalize("NFKD", letter).split("⁄")
            yield "sign", f"({above}/{below})"
            place += 1
        elif letter in SIGNS or text.startswith("**", place) or letter.isascii():
            typed = SIGNS.get(letter, letter)
            place += 1
            if typed == "*" and text.startswith("*", place) and letter == "*":
                typed = "**"
                place += 1
            kinds = {"(": "open", ")": "close", "/": "divide", "**": "raise"}
            yield kinds.get(typed, "operator"), typed
        else:
            raise _unknown(text, place)


def _short(text: str) -> str:
    if len(text) < 60:
        return text
    return text[:57] + "..."


def _unknown(text: str, place: int) -> ExpressionError:
    letter = text[place]
    name = unicodedata.name(letter, f"U+{ord(letter):04X}").lower()
    return ExpressionError(
        f"Character {place + 1} of {_short(text)!r}, {letter!r} ({name}), has no meaning in a formula: write numbers, "
        "names, + - * / ** and brackets."
    )


def _check(node: ast.AST, text: str) -> None:
    number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    allowed = ast.BinOp, ast.UnaryOp, ast.Name, ast.Load, ast.UAdd, ast.USub, *OPERATORS
    if not (number or isinstance(node, allowed) or _applies(node)):
        kinds = {
            ast.Call: "a call",
            ast.Attribute: "an attribute",
            ast.Subscript: "an index",
            ast.Constant: "a literal",
        }
        kind = kinds.get(type(node), type(node).__name__)
        raise ExpressionError(
            f"Only + - * / ** on numbers and names are allowed, got {kind} in {_short(text)!r}: remove it."
        )


def _applies(node: ast.AST) -> bool:
    """Whether a node is one of the functions, of one number."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in FUNCTIONS
        and len(node.args) == 1
        and not node.keywords
    )


def _evaluate(node: ast.expr, values: Mapping[str, float]) -> tuple[float, float]:
    """The value of a node, and a bound of its rounding: the running error analysis of Wilkinson."""
    match node:
        case ast.Constant(value=value):
            number = float(value)  # type: ignore[arg-type]  # `check` left only int and float
            if not math.isfinite(number):
                return math.nan, math.nan
            return number, 0.0
        case ast.Name(id=name) if name in values:
            return float(values[name]), UNIT * abs(values[name])
        case ast.Name(id=name):
            raise ExpressionError(f"Unknown name {name!r}: this claim knows {', '.join(sorted(values))}.")
        case ast.UnaryOp(op=op, operand=operand):
            value, rounding = _evaluate(operand, values)
            if isinstance(op, ast.USub):
                value = -value
            return value, rounding
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _applied(name, *_evaluate(argument, values))
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(type(op), _evaluate(left, values), _evaluate(right, values))
    raise ExpressionError(f"{ast.dump(node)} is not arithmetic.")


def _applied(name: str, argument: float, rounding: float) -> tuple[float, float]:
    if (argument < 0 and name != "exp") or (argument == 0 and name == "log") or not math.isfinite(argument):
        return math.nan, math.nan
    value = FUNCTIONS[name](argument)
    if name == "sqrt":
        slope = 0.5 / (value or 1.0)
    elif name == "log":
        slope = 1 / argument
    else:
        slope = value
    return value, abs(slope) * rounding + UNIT * abs(value)


def _combined(kind: type[ast.operator], left: tuple[float, float], right: tuple[float, float]) -> tuple[float, float]:
    (a, of_a) = left
    (b, of_b) = right
    value = OPERATORS[kind](a, b)
    if isinstance(value, complex) or not math.isfinite(value):
        return math.nan, math.nan  # 1/(1e308*10) is no 0
    if kind in (ast.Add, ast.Sub):
        carried = of_a + of_b
    elif kind is ast.Mult:
        carried = abs(a) * of_b + abs(b) * of_a
    elif kind is ast.Div:
        carried = (of_a + abs(value) * of_b) / abs(b)
    else:
        relative = 0.0
        if a:
            relative = abs(b) * of_a / abs(a) + abs(math.log(abs(a))) * of_b
        carried = abs(value) * relative
    return value, carried + UNIT * abs(value)


def _power(base: float, exponent: float) -> float:
    if exponent > MAX_POWER:
        raise ExpressionError(f"A power is at most {MAX_POWER}, got {exponent:g}: no formula here needs more.")
    return base**exponent


def _shown(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in values.items())
