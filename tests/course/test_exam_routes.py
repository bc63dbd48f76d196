"""The other routes to the exam's numbers can fail: no answer may be off by a tenth and stay unseen."""

import inspect
from fractions import Fraction
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from exam_cases import COUNT, exam, years


def beside(name: str) -> ModuleType:
    """A file of tests beside this one."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = (beside("test_exam_mathematics"), beside("test_exam_machine"), beside("test_exam_successors"))
TENTH = Fraction(11, 10)


def routes(title: str) -> list:
    """The tests of a problem's numbers, in the order of their files."""
    named = [test for module in MODULES for name, test in vars(module).items() if name.startswith("test_")]
    return [test for test in named if f'years("{title}")' in inspect.getsource(test)]


def is_seen(title: str) -> bool:
    """Whether a test of the problem fails."""
    for test in routes(title):
        try:
            test(0)
        except AssertionError:
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("place", range(COUNT))
def test_an_answer_that_is_a_tenth_off_is_seen(place, monkeypatch):
    problem = exam(0)[place]
    assert routes(problem.title) and not is_seen(problem.title)
    for name in {name for part in problem.parts for name in part.answers}:
        right = problem.values[name]
        wrong = right * TENTH if isinstance(right, int | Fraction) else right * float(TENTH)
        others = years(problem.title)[1:]
        changed = [dict(problem.values) | {name: wrong}, *others]
        for module in MODULES:
            monkeypatch.setattr(module, "years", lambda title, changed=changed: changed)
        assert is_seen(problem.title), (problem.title, name)
        monkeypatch.undo()
