"""What a user sees of an optimizer is documented, and nothing else is to be seen."""

import inspect
import re

import torch

from mezo_lab.optim import MeZO


def undocumented(opt: torch.optim.Optimizer) -> list[str]:
    """The names without underscore, beyond those of any torch optimizer, that no docstring explains."""
    text = inspect.getdoc(MeZO) or ""
    sections = text[text.index("Args:") : text.index("Raises:")]
    entries = re.findall(r"^    ([\w, ]+): ", sections, re.MULTILINE)
    explained = {name for entry in entries for name in entry.split(", ")}
    own = set(dir(opt)) - set(dir(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)))
    methods = {name for name in own if callable(getattr(MeZO, name, None)) and getattr(MeZO, name).__doc__}
    return sorted(name for name in own - explained - methods if not name.startswith("_"))


def optimizer() -> MeZO:
    return MeZO([torch.nn.Parameter(torch.ones(3))], lr=0.1)


def test_whatever_a_user_sees_is_explained():
    assert undocumented(optimizer()) == []


def test_an_attribute_without_a_word_is_caught():
    opt = optimizer()
    opt.temperature = 1.0
    assert undocumented(opt) == ["temperature"]


def test_help_gives_each_argument_a_line_of_its_own():
    text = inspect.getdoc(MeZO) or ""
    arguments = re.findall(r"^    (\w+): ", text[text.index("Args:") : text.index("Attributes:")], re.MULTILINE)
    assert sorted(arguments) == sorted(inspect.signature(MeZO).parameters)
