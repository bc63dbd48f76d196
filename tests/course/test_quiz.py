"""The questions: their numbers are the theory's, the key is right, and a student's copy gives none of it away."""

import itertools
import math
import re
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy
import pytest
import torch

from mezo_lab import theory
from mezo_lab.course import quiz
from mezo_lab.course.assessment import load_assessment
from mezo_lab.course.quiz import ordered_choices, write_quiz
from mezo_lab.finetune.evaluation.scores import Z95, wilson
from mezo_lab.finetune.memory.paper_tables import SECONDS, STEPS, gpu_hours

UNITS = load_assessment()
QUESTIONS = [question for unit in UNITS for question in unit.questions]
every = pytest.mark.parametrize("question", QUESTIONS, ids=[question.id for question in QUESTIONS])
ROUNDING = 0.025  # relative: choices are numbers of two digits


def mean(values) -> float:
    kept = list(values)
    return sum(kept) / len(kept)


def falling(dim: int) -> numpy.ndarray:
    return numpy.linspace(1, 1 / dim, dim)


def u_curve(scale: float) -> float:
    """The error of pg at so many times the best ε: there the rounding is √2 times the truncation (notebook 6)."""
    return math.hypot(math.sqrt(2) / scale, scale**2)


def stall(lr: float) -> float:
    """The slope at which gain and price of a normalised step are equal, up to a factor."""
    slopes = numpy.linspace(0, 10, 100_001)
    changes = theory.random_search_change(lr, slopes, 4)
    return float(slopes[abs(changes).argmin()])


def fastest_share(factor: float) -> float:
    """The rate at which the mean loss falls fastest, as a share of the last stable one."""
    shares = numpy.linspace(0, 1, 10_001)
    return float(shares[theory.contraction(shares * 2 / factor, factor).argmin()])


def bfloat16_sum(weight: float, update: float) -> float:
    return float(torch.tensor(weight, dtype=torch.bfloat16) + update)


NAMES = {name: getattr(theory, name) for name in theory.__all__}
NAMES |= {name: getattr(math, name) for name in ("exp", "log", "pi", "sin", "sqrt")}
NAMES |= {"gaussian": theory.GAUSSIAN, "signs": theory.independent_moments(1)}
NAMES |= {"Z95": Z95, "wilson": wilson}
NAMES |= {"SECONDS": SECONDS, "STEPS": STEPS, "gpu_hours": gpu_hours}
NAMES |= {"mean": mean, "falling": falling, "u_curve": u_curve, "stall": stall, "fastest_share": fastest_share}
NAMES |= {"bfloat16_sum": bfloat16_sum, "normal_share": lambda x: math.erf(x / math.sqrt(2))}
NAMES |= {"normal_density": lambda x: math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)}


def evaluated(source: str):
    return eval(source, dict(NAMES))


def agrees(one: float, other: float) -> bool:
    return abs(one - other) <= ROUNDING * abs(other)


def right_by_theory(question) -> bool:
    """The key's value is the truth's, and no other choice has it."""
    truth = float(evaluated(question.truth))
    first, *others = (float(evaluated(choice.value)) for choice in question.choices)
    return agrees(first, truth) and not any(agrees(other, truth) for other in others)


def length(text: str) -> int:
    """Letters that a reader sees, about: a command of LaTeX is one."""
    return len(re.sub(r"[${}]|(\\[a-zA-Z]+ ?)", lambda found: "x" if found[1] else "", text))


@every
def test_the_key_has_the_value_of_the_theory_and_no_other_choice_has_it(question):
    assert question.truth is None or right_by_theory(question)


@every
def test_what_a_question_says_of_numbers_is_true(question):
    for check in question.checks:
        assert evaluated(check), check


@every
def test_the_first_number_of_a_choice_is_its_value(question):
    for choice in question.choices:
        words = re.sub(r"\$[^$]*\$", "", choice.text)
        found = re.search(r"\d[\d,]*(?:\.\d+)?(?:/\d+)?(?: billion)?", words)
        if choice.value is None or found is None:
            continue
        number, _, billion = found[0].partition(" ")
        written = float(Fraction(number.rstrip(",").replace(",", ""))) * (1e9 if billion else 1)
        assert agrees(written, float(evaluated(choice.value))), choice.text


@every
def test_numbers_in_choices_are_not_typed_unverified(question):
    numbers = [choice.text for choice in question.choices if re.search(r"\d{2}|\d\.\d|\d/\d", choice.text)]
    assert not numbers or question.truth or question.checks


def test_a_key_that_points_to_a_wrong_choice_is_seen():
    numeric = [question for question in QUESTIONS if question.truth]
    assert len(numeric) > len(QUESTIONS) / 3
    for question in numeric:
        for place, wrong in enumerate(question.wrong):
            others = (*question.wrong[:place], question.right, *question.wrong[place + 1 :])
            assert not right_by_theory(replace(question, right=wrong, wrong=others)), (question.id, wrong.text)


@every
def test_choices_are_of_like_length(question):
    lengths = [length(choice.text) for choice in question.choices]
    assert max(lengths) <= 1.8 * min(lengths) + 5, dict(zip(lengths, question.choices, strict=True))


def test_the_right_choice_is_not_the_one_of_another_length():
    """Over all questions it is the longest, or the shortest, about as often as any other."""
    worded = [question for question in QUESTIONS if not question.truth]
    for extreme in (max, min):
        hits = 0.0
        for question in worded:
            lengths = [length(choice.text) for choice in question.choices]
            hits += (lengths[0] == extreme(lengths)) / lengths.count(extreme(lengths))
        assert hits <= 0.4 * len(worded), (extreme.__name__, hits, len(worded))


@every
def test_no_choice_refers_to_others(question):
    texts = "; ".join(choice.text for choice in question.choices)
    assert not re.search(r"(?i)of the above|of these|\b(answer|choice)\b", texts)


@pytest.mark.parametrize("seed", [0, 1, 2027])
def test_the_right_choice_is_in_each_place_equally_often(seed):
    places: Counter[int] = Counter()
    for unit in UNITS:
        ordered = ordered_choices(unit, seed)
        own = Counter(ordered[question.id].index(question.right) for question in unit.questions)
        assert sorted(own.values()) == [1, 1, 1, 2]
        places += own
    assert min(places.values()) >= 15 and set(places) == {0, 1, 2, 3}


def test_the_key_of_one_question_says_nothing_of_that_of_another():
    same: Counter[tuple[int, int]] = Counter()
    for unit in UNITS:
        ordered = ordered_choices(unit, 0)
        keys = [ordered[question.id].index(question.right) for question in unit.questions]
        same.update(pair for pair in itertools.combinations(range(len(keys)), 2) if keys[pair[0]] == keys[pair[1]])
    assert max(same.values()) < len(UNITS) / 2  # each unit has one pair with the same key, of ten


def test_quiz_pages_are_replaced(tmp_path):
    write_quiz(tmp_path, student=False, seed=0)
    first = (tmp_path / "quiz.md").read_text()
    write_quiz(tmp_path, student=False, seed=1)
    assert (tmp_path / "quiz.md").read_text() != first


def test_a_seed_gives_its_order_again_and_another_seed_another_one(tmp_path):
    for name, seed in (("one", 7), ("again", 7), ("other", 8)):
        write_quiz(tmp_path / name, student=True, seed=seed)
    one, again, other = ((tmp_path / name / "quiz.md").read_text() for name in ("one", "again", "other"))
    assert one == again != other
    assert sorted(re.sub(r"\*\*[A-D]\*\* ", "", one).split("\n")) == sorted(
        re.sub(r"\*\*[A-D]\*\* ", "", other).split("\n")
    )


def test_a_students_folder_has_the_questions_and_no_reason(tmp_path):
    write_quiz(tmp_path, student=True, seed=3)
    assert [path.name for path in tmp_path.rglob("*")] == ["quiz.md"]
    page = (tmp_path / "quiz.md").read_text()
    for question in QUESTIONS:
        assert question.stem in page
        for choice in question.choices:
            assert page.count(f"** {choice.text}\n")
            assert choice.reason not in page
    assert not re.search(
        r"(?i)right\.\*\*|is right|seed|truth|✓", page.replace("one right answer", "").split("## 0")[0]
    )


def test_a_students_page_says_the_same_whatever_the_key_is(tmp_path, monkeypatch):
    """Only the order of choices may differ, and it comes from reasons that students do not have."""
    write_quiz(tmp_path / "as is", student=True, seed=0)
    turned = []
    for unit in UNITS:
        questions = [
            replace(question, right=question.wrong[0], wrong=(question.right, *question.wrong[1:]))
            for question in unit.questions
        ]
        turned.append(replace(unit, questions=tuple(questions)))
    monkeypatch.setattr(quiz, "load_assessment", lambda: tuple(turned))
    write_quiz(tmp_path / "turned", student=True, seed=0)
    pages = [(tmp_path / name / "quiz.md").read_text() for name in ("as is", "turned")]
    lines = [sorted(re.sub(r"\*\*[A-D]\*\* ", "", page).split("\n")) for page in pages]
    assert lines[0] == lines[1]


def test_the_order_cannot_be_repeated_without_the_reasons():
    unit = UNITS[3]
    known = [
        replace(
            question,
            right=replace(question.right, reason=""),
            wrong=tuple(replace(choice, reason="") for choice in question.wrong),
        )
        for question in unit.questions
    ]
    texts, guess = (
        [[choice.text for choice in choices] for choices in ordered_choices(each, 0).values()]
        for each in (unit, replace(unit, questions=tuple(known)))
    )
    assert texts != guess


def test_the_lecturers_page_has_the_key_and_each_reason_under_its_letter(tmp_path):
    write_quiz(tmp_path, student=False, seed=5)
    page = (tmp_path / "quiz_with_answers.md").read_text()
    for unit in UNITS:
        for question in unit.questions:
            block = page[page.index(f"**{question.id}** ") :]
            block = block[: block.index("*Assesses ")]
            letter = dict(re.findall(r"- \*\*([A-D])\*\* (.+)", block))
            assert letter[re.search(r"> \*\*([A-D]) is right", block)[1]] == question.right.text
            for choice in question.wrong:
                (own,) = (each for each, text in letter.items() if text == choice.text)
                assert f"> **{own}:** {choice.reason}" in block


def test_the_map_names_every_objective_exercise_and_question(tmp_path):
    write_quiz(tmp_path, student=False, seed=0)
    page = (tmp_path / "objectives.md").read_text()
    for unit in UNITS:
        assert all(f"- **{each.id}** {each.text}: " in page for each in unit.objectives)
        assert all(f"exercise {each.id}, {each.title}" in page for each in unit.exercises)
        assert all(f"question {each.id}" in page for each in unit.questions)


def test_moodle_reads_each_question_with_one_right_choice_and_its_formulas(tmp_path):
    write_quiz(tmp_path, student=False, seed=0)
    text = (tmp_path / "quiz_for_moodle.gift").read_text()
    hidden = text.replace("\\\\", "\0")  # a backslash; then what is left escapes the next sign
    plain = re.sub(r"\\[~=#{}:]", "x", hidden)
    blocks = re.findall(r"::([^:]+)::\[html\]([^{}]+)\{\n(.*?)\n\}", plain, re.DOTALL)
    assert [name for name, _, _ in blocks] == [question.id for question in QUESTIONS]
    for _, _, lines in blocks:
        assert sorted(line[0] for line in lines.split("\n")) == ["=", "~", "~", "~"]
        assert all(line.count("#") == 1 for line in lines.split("\n"))
    categories = re.findall(r"^\$CATEGORY: (.+)$", text, re.MULTILINE)
    assert [each.replace("//", "\0").count("/") for each in categories] == [0] * len(UNITS)
    assert "\\" not in plain and "$" not in plain.replace("$CATEGORY", "")
