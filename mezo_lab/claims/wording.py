"""Numbers in words, as the line, the table and the report print them."""

import math
import re

from mezo_lab.sampling import Estimate


def number_text(x: float, digits: int = 6) -> str:
    """A number with six digits at most and a true minus sign; with fewer digits, whole numbers stay whole.

    >>> number_text(-0.0833333333), number_text(1.5e8), number_text(20.0)
    ('−0.0833333', '1.5e8', '20')
    >>> number_text(28.1876, digits=3), number_text(96_746, digits=3)
    ('28.2', '96,746')
    """
    if digits < 6 and 1000 <= abs(x) < 1e6:
        return minus(f"{x:,.0f}")
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{x:z.{digits}g}").replace("-", "−")


def percent_text(share: float) -> str:
    """Two digits, and no more than a reader can use.

    >>> [percent_text(share) for share in (0.0042, 0.14, 2.5, 3e-18, 1e8, 0.99003)]
    ['0.42 %', '14 %', '250 %', 'under 0.01 %', 'over 1,000 %', '99 %']
    """
    if not math.isfinite(share):
        return "any amount"
    if share < 1e-4:
        return "under 0.01 %"
    if share > 10:
        return "over 1,000 %"
    digits = max(0, 1 - math.floor(math.log10(100 * share) + 1e-9))
    return f"{100 * share:,.{digits}f} %"


def nines(share: float) -> str:
    """A share near 1, rounded down, with as many digits as tell it from 1.

    >>> nines(0.6877), nines(0.99003), nines(0.999954), nines(0.9956)
    ('68 %', '99 %', '99.995 %', '99.5 %')
    """
    digits = 0
    if share < 1:
        digits = max(0, -math.floor(math.log10(100 * (1 - share))))
    rounded = f"{math.floor(100 * share * 10**digits) / 10**digits:.{digits}f}"
    if "." in rounded:
        rounded = rounded.rstrip("0").rstrip(".")
    return f"{rounded} %"


def distance_text(errors: float) -> str:
    """A number of standard errors: a decimal where it matters, an order of magnitude where it does not.

    >>> distance_text(-0.61), distance_text(53.7), distance_text(-1.04e11), distance_text(-math.inf)
    ('−0.6', '+54', '−1e11', '−∞')
    """
    if math.isinf(errors):
        return "+∞" if errors > 0 else "−∞"
    rounded = round(errors, 1) or 0.0  # no −0.0
    if abs(errors) < 9.95:
        return minus(f"{rounded:+.1f}")
    if abs(errors) < 1e5:
        return minus(f"{rounded:+.0f}")
    return minus(re.sub(r"e\+0*", "e", f"{rounded:+.0e}"))


def distance_in_words(errors: float) -> str:
    """A number of standard errors in words.

    >>> distance_in_words(1.29), distance_in_words(-0.04), distance_in_words(-9.4e11)
    ('1.3 standard errors above', '0.0 standard errors below', 'more than 1e5 standard errors below')
    """
    side = "below" if errors < 0 else "above"
    if abs(errors) >= 1e5:
        return f"more than 1e5 standard errors {side}"
    digits = 1 if abs(errors) < 9.95 else 0
    return f"{abs(errors):,.{digits}f} standard errors {side}"


def successes(estimate: Estimate) -> str:
    """How often it happened, as a tally.

    >>> successes(Estimate(1.0, 0.0, 8))
    '8 of 8'
    """
    return f"{round(estimate.mean * estimate.count):,} of {estimate.count:,}"


def draw_count(draws: int) -> str:
    """A number of draws, rounded where nobody could make as many."""
    if draws < 1e15:
        return f"{draws:,}"
    return number_text(draws, digits=2)


def minus(value: object) -> str:
    """With a true minus sign."""
    return str(value).replace("-", "−")


def signs_of_print(text: str) -> str:
    """Words in which the numbers have true minus signs, no 0 has one, and exponents have no leading zeros.

    >>> signs_of_print("zero-shot -0.0 to +4.2, 5e-09 at -3 (1e+05)")
    'zero-shot 0.0 to +4.2, 5e−9 at −3 (1e5)'
    """
    text = re.sub(r"(?<![\w.)\]])-(?=0(\.0*)?(e[+-]?\d+)?(?![\w.]))", "", text)
    text = re.sub(r"(?<=\de)([+-])0*(?=\d)", lambda sign: "−" if sign[1] == "-" else "", text)
    return re.sub(r"(?<![\w.)\]])-(?=[\d.∞])", "−", text)
