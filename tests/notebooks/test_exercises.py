"""Every check of an exercise accepts the right answer, and answers the usual mistakes with their sentence.

answers/TOPIC.py holds, for mezo_lab/course/exercises/TOPIC.py: check → (right answer, [(mistake, what it is told)]).
"""

import importlib
import runpy
import sys
from pathlib import Path

import pytest

from mezo_lab.course.exercises import WrongAnswer, grading

HERE = Path(__file__).resolve().parent
TOPICS = sorted(path.stem for path in (HERE / "answers").glob("*.py"))


def answers(topic: str) -> dict:
    return runpy.run_path(str(HERE / f"answers/{topic}.py"))["ANSWERS"]


ANSWERS = {check: pair for topic in TOPICS for check, pair in answers(topic).items()}


def test_every_check_is_tried():
    import mezo_lab.course.exercises

    files = Path(mezo_lab.course.exercises.__file__).parent.glob("*.py")
    assert sorted(file.stem for file in files if file.stem not in ("__init__", "answers", "grading")) == TOPICS
    for topic in TOPICS:
        module = importlib.import_module(f"mezo_lab.course.exercises.{topic}")
        checks = {name for name in vars(module) if name.startswith("check_")}
        assert {check.__name__ for check in answers(topic)} == checks


def tried(check, answer) -> None:
    """Some checks take several answers at once."""
    check(*answer) if isinstance(answer, tuple) else check(answer)


@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_the_right_answer_is_accepted(check, capsys):
    tried(check, ANSWERS[check][0])
    assert capsys.readouterr().out.splitlines()[-1].startswith("✓")


@pytest.mark.parametrize(
    ("check", "mistake", "told"),
    [(check, mistake, told) for check, (_, mistakes) in ANSWERS.items() for mistake, told in mistakes],
)
def test_a_mistake_is_told_what_it_is(check, mistake, told):
    with pytest.raises(WrongAnswer, match=told):
        tried(check, mistake)


@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_no_mistake_is_the_truth(check, monkeypatch):
    """Each can be computed in every case, a formula too, and differs from the truth in one."""

    def expect_mistakes(answer, truth, cases, mistakes):
        values = [grading.as_numbers(truth(**case)) for case in cases]
        assert [sentence for sentence, each in mistakes.items() if grading._matches(values, each, cases, values)] == []
        for mistake in mistakes.values():
            for case, value in zip(cases, values, strict=True):
                assert grading.as_numbers(grading._mistaken(mistake, case, value)).shape == value.shape

    room = sys.modules[check.__module__]
    for name in ("grade", "expect_right"):
        if hasattr(room, name):
            monkeypatch.setattr(room, name, expect_mistakes)
    tried(check, ANSWERS[check][0])
