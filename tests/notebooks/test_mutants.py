"""A check rejects every program that is one slip away from its solution, with a sentence, and accepts the solution."""

import ast
import contextlib
import io
import warnings
from functools import cache

import pytest
from cells import Exercise, exercises
from mutants import Mutant, changed, mutants

from mezo_lab.course.exercises import WrongAnswer

LEAST = 10  # mutants of each exercise
WORDS = {"diagnoses": ("product", "sum", "mean", "variance", "back", "shared")}
# of these one slip makes few programs; here are more, written by hand
BY_HAND = {
    "orthogonal_formula": [
        *('return "(d+n-1)/n"', 'return "(d+n+1)/n"', 'return "d/n + 1"', 'return "(d+2)/n"', 'return "c/n"'),
        *('return "n/d"', 'return "d/n**2"', 'return "d**2/n**2"', 'return "(d-1)/n + 1/d"', 'return "1"'),
        *('return "kappa*d/n"', 'return "d/0"', 'return "d/(n-2)"', 'return "d/n; import os"', "return d / n"),
    ],
    "my_task": [
        'return custom_task("Film review:\\nOverall, the film is", ("bad", "good"))',
        'return custom_task("{text}{label}\\nOverall, the film is", ("bad", "good"))',
        'return custom_task("{title}: {text}\\nOverall, the film is", ("bad", "good"))',
        'return custom_task("{text} Overall, the film is", ("good", "bad"))',
        'return custom_task("{text} Overall, the film is", ("great", "terrible"))',
        'return custom_task("{text} Overall, the film is", ("good", "good"))',
        'return custom_task("{text} Overall, the film is", ("Good ", "good"))',
        'return custom_task("{text} Overall, the film is", ("bad", "middling", "good"))',
        'return custom_task("{text} Overall, the film is ", ("bad", "good"))',
        'return custom_task("{text} Overall, the film is", ("bad",))',
        'return custom_task("{text} Overall, the film is", ("bad", ""))',
        'return custom_task("{text} Overall, the film is", ("bad", "good"), label="gold")',
        'return custom_task("{text Overall, the film is", ("bad", "good"))',
        'return "{text} Overall, the film is", ("bad", "good")',
        'return custom_task("{text} It was", ("terrible", "great"))',
    ],
}

TWICE = "opt.step(lambda: seen.append({name: tensor.clone() for name, tensor in tensors.items()}) or 0.0)"
# (function, what is in the changed line, ^ at its beginning and $ at its end) → why the program is right all the same
EQUIVALENT = {
    ("axis_change", "math.sqrt(len(curvatures))"): "the two lists have one length",
    ("sphere", "+ return -(x"): "−z has the law of z",
    ("sphere", "norm(dim=1, "): "of two axes, the last is axis 1",
    ("kurtosis", "+ return 10$"): "the same number",
    ("best_probes", "range(1, 20000)"): "the best n lies far below",
    ("best_probes", "range(1, 10001)"): "the best n lies far below",
    ("best_probes", "range(1, 9999)"): "the best n lies far below",
    ("rank_of", "+ return eigenvalues.sum() / eigenvalues.max()"): "a tensor without axes is a number",
    ("perturb", "for piece in tensor.view(-1):"): "one number at a time is a chunk too",
    ("perturb", "generator=rng), alpha"): "float32 is the precision of the tensors here",
    ("step", "^+ decay = 1 - lr * weight_decay"): "the decay does not depend on the loss",
    ("z_of_perturb", "seed=1,"): "any seed will do",
    ("z_of_perturb", "seed=-1,"): "any seed will do",
    ("z_of_perturb", "chunk=128)"): "any chunk will do",
    ("z_of_perturb", "chunk=65)"): "any chunk will do",
    ("z_of_perturb", "chunk=63)"): "any chunk will do",
    ("z_of_perturb", "{name: tensor for"): "the tensors are not moved again",
    ("z_of_mezo", "lr=2.0"): "the first point does not depend on the rate",
    ("z_of_mezo", "or 1.0"): "nor on the loss",
    ("z_of_mezo", "or -1.0"): "nor on the loss",
    ("z_of_mezo", "^+ opt = MeZO"): "the closure looks for `seen` when it is called",
    ("z_of_mezo", f"^+ {TWICE}$"): "the first point stays the first",
    ("z", "'little') // 2"): "another number for each address",
    ("z", "int.from_bytes(digest))"): "another number for each address",
    ("z", "digest_size=7"): "another number for each address",
    ("z", "(name, step, seed)"): "the same address, in another order",
    ("z", "+ for name, shape in shapes.items():"): "the same z once more",
    ("broken", "Normal(1.0,"): "noise all the same",
    ("broken", "Normal(-1.0,"): "noise all the same",
    ("broken", "Normal(0.0, 1.01)"): "noise all the same",
    ("broken", "Normal(0.0, 0.02)"): "noise all the same",
    ("broken", "lambda: noise.sample()"): "another loss at each call, which is all that is asked",
    ("broken", "sound() - noise"): "noise all the same",
    ("broken", "lambda: -0.30000000000000004}"): "the same loss everywhere",
    ("broken", "lambda: 1.7}"): "the same loss everywhere",
    ("broken", "lambda: 1.4}"): "the same loss everywhere",
    ("broken", "lambda: 0}"): "the same loss everywhere",
    ("stable_rates", "^+ above = 2 * probes / (trace + (probes + 1) * trace_sq / trace) -"): "the order is free",
    ("rank_and_error", "hypot(trace * norm_error / norm ** 2, trace_error / norm)"): "hypot is symmetric",
    ("interval", "^+ middle = share + Z95 ** 2 / (2 * n) -"): "the order is free",
    ("paired_difference", "+ gaps = torch.tensor(after) -"): "0 and 1 are exact in float32",
    ("paired_difference", "- torch.tensor(before)$"): "0 and 1 are exact in float32",
    ("paired_difference", "(gaps.mean(),"): "a tensor without axes is a number",
    ("paired_difference", "Z95 * gaps.std()"): "a tensor without axes is a number",
    ("uniform_slope", "max(0, 3 - "): "a maximum does not depend on the order",
    ("chance_of_zero", "range(batch + 1)"): "C(B, 2k) is 0 beyond",
    ("chance_of_zero", "range(batch // 2 + 2)"): "C(B, 2k) is 0 beyond",
    ("chance_of_zero", "range(batch // 1 + 1)"): "C(B, 2k) is 0 beyond",
    ("f1_objective", "(Counter(right.split()), Counter(said.split()))"): "F1 is symmetric",
    ("f1_objective", "zip(answers, references)]"): "the lists have one length",
    ("f1_objective", "zip(references, answers, strict=True)"): "F1 is symmetric",
    ("largest_model", "training_bytes(each, 1, method)"): "a product does not depend on the order",
    ("worth", "+ return (pg * along)"): "a tensor without axes is a number",
}

STUDENTS = [(each, name) for each in exercises() for name in each.solved]
named = pytest.mark.parametrize(("exercise", "name"), STUDENTS, ids=lambda each: getattr(each, "cell", each))


@cache
def space(notebook: str, before: str, source: str) -> dict:
    """The names that the cell finds, and its functions, solutions in place."""
    found: dict = {}
    exec(before, found)
    functions = [node for node in ast.parse(source).body if not isinstance(node, ast.Expr)]
    exec("\n".join(map(ast.unparse, functions)), found)
    return found


def checked(exercise: Exercise, name: str, source: str) -> str | None:
    """What the checks of a cell say of another program in place of one of its functions; None where they accept it."""
    names = dict(space(exercise.notebook, exercise.before, exercise.source))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        exec(source, names)
        try:
            for check in exercise.checks:
                if name in {node.id for node in ast.walk(ast.parse(check)) if isinstance(node, ast.Name)}:
                    exec(check, names)
        except WrongAnswer as wrong:
            return str(wrong)
    return None


@cache
def made(exercise: Exercise, name: str) -> list[Mutant]:
    by_hand = [Mutant(f"def {name}():\n    {body}", body) for body in BY_HAND.get(name, [])]
    return mutants(exercise.function(name), WORDS.get(name, ())) + by_hand


def reason(name: str, mutant: Mutant) -> tuple[str, str] | None:
    return next((key for key in EQUIVALENT if key[0] == name and key[1] in f"^{mutant.change}$"), None)


@named
def test_the_solution_is_accepted(exercise, name):
    assert checked(exercise, name, ast.unparse(exercise.function(name))) is None


@named
def test_every_mutant_is_rejected_with_a_sentence(exercise, name):
    found = made(exercise, name)
    assert len(found) >= LEAST
    accepted = [mutant for mutant in found if not checked(exercise, name, mutant.source)]
    assert [mutant.change for mutant in accepted if reason(name, mutant) is None] == []


def test_every_program_that_is_called_right_is_a_mutant_and_accepted():
    """The list by hand has no entry without a program."""
    met = set()
    for exercise, name in STUDENTS:
        for mutant in made(exercise, name):
            if key := reason(name, mutant):
                met.add(key)
                assert checked(exercise, name, mutant.source) is None, mutant.change
    assert EQUIVALENT.keys() - met == set()


def test_the_generator_makes_the_slips_that_it_names():
    source = "def f(a, b):\n    for x in a:\n        b -= 2 * x\n        g(x)\n    return -b / 2"
    (function,) = ast.parse(source).body
    changes = " | ".join(mutant.change for mutant in mutants(function))
    for slip in (
        "for x in list(a)[:-1]:",  # the tail
        "for x in list(a)[1:]:",  # the head
        "b -= x",  # a factor left out
        "b -= 3 * x",  # another number
        "return b / 2",  # another sign
        "return -b * 2",  # another operator
        "for x in b:",  # another parameter
        "- g(x)",  # a statement left out
    ):
        assert slip in changes, slip
    assert changed("a = 1", "a = 2") == "- a = 1 + a = 2"
