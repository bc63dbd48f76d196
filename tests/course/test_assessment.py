"""The map of the assessment: it names what is there, all of it, and an entry that is wrong is named."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from mezo_lab.cli import main
from mezo_lab.course.assessment import AssessmentError, load_assessment, read_yaml
from mezo_lab.environment import installation
from mezo_lab.environment.installation import NotInstalled

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
UNITS = load_assessment(NOTEBOOKS)
SOURCES = {int(path.name[:2]): path.read_text(encoding="utf-8") for path in (NOTEBOOKS / "src").glob("[0-9]*.py")}
every = pytest.mark.parametrize("unit", UNITS, ids=[f"{unit.number:02d}" for unit in UNITS])


@pytest.fixture
def home(tmp_path):
    """A folder of notebooks with one notebook, one objective, one exercise and one question."""
    (tmp_path / "src").mkdir()
    (tmp_path / "assessment/questions").mkdir(parents=True)
    (tmp_path / "src/03_own.py").write_text("# # 3. Own\n#\n# ### Exercise 3.1: a law\n# *5 minutes · ★☆☆*\n")
    question = {"id": "3.q1", "stem": "Why?", "right": choice("Because."), "wrong": [choice(f"No {k}.") for k in "123"]}
    objective = {"id": "3.a", "text": "know", "exercises": ["3.1"], "questions": ["3.q1"]}
    write(tmp_path, [{"notebook": 3, "objectives": [objective]}], [question])
    return tmp_path


def choice(text, **more):
    return {"text": text, "reason": "Thus."} | more


def write(home, course=None, questions=None):
    for name, content in (("course", course), ("questions/03", questions)):
        if content is not None:
            (home / f"assessment/{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def course_of(home):
    return read_yaml(home / "assessment/course.yaml")


def questions_of(home):
    return read_yaml(home / "assessment/questions/03.yaml")


@every
def test_the_objectives_are_those_of_the_notebooks_head(unit):
    text = re.sub(r"^# ?", "", SOURCES[unit.number], flags=re.MULTILINE)
    head = re.search(r"\*\*You will be able to\*\* (.+?)\.\n\n", text, re.DOTALL)
    assert [each.text for each in unit.objectives] == [" ".join(each.split()) for each in head[1].split(";")]


@every
def test_the_exercises_are_the_headings_of_the_source(unit):
    headings = re.findall(r"^# ### Exercise (\S+?)(?: \(.*\))?:", SOURCES[unit.number], re.MULTILINE)
    assert [each.id for each in unit.exercises] == headings
    assert all(each.minutes and each.stars for each in unit.exercises)


def test_every_notebook_has_five_questions():
    assert [unit.number for unit in UNITS] == sorted(SOURCES)
    assert {len(unit.questions) for unit in UNITS} == {5}


def test_a_small_assessment_is_read(home):
    (unit,) = load_assessment(home)
    assert (unit.title, unit.exercises[0].title, unit.exercises[0].minutes) == ("Own", "a law", 5)
    assert unit.objectives[0].questions == (unit.questions[0].id,)


def test_a_built_notebook_serves_where_there_is_no_source(home):
    shutil.move(home / "src", home / "elsewhere")
    cell = (
        '{"cells": [{"source": ["# 3. Own\\n", "\\n", "### Exercise 3.1 (on paper): a law\\n", "*5 minutes · ★☆☆*"]}]}'
    )
    (home / "03_own.ipynb").write_text(cell, encoding="utf-8")
    assert load_assessment(home)[0].exercises[0].title == "a law"


def test_an_exercise_that_no_objective_names_is_refused(home):
    write(home, [{"notebook": 3, "objectives": [{"id": "3.a", "text": "know", "questions": ["3.q1"]}]}])
    with pytest.raises(AssessmentError, match=r"Exercise 3.1 serves no objective"):
        load_assessment(home)


def test_a_question_that_no_objective_names_is_refused(home):
    write(home, [{"notebook": 3, "objectives": [{"id": "3.a", "text": "know", "exercises": ["3.1"]}]}])
    with pytest.raises(AssessmentError, match=r"Question 3.q1 serves no objective"):
        load_assessment(home)


def test_an_objective_that_nothing_assesses_is_refused(home):
    course = course_of(home)
    course[0]["objectives"].append({"id": "3.b", "text": "say"})
    write(home, course)
    with pytest.raises(AssessmentError, match=r"Objective 3.b has no exercise and no question: nothing assesses it"):
        load_assessment(home)


@pytest.mark.parametrize("kind, name", [("exercise", "3.2"), ("question", "3.q2")])
def test_an_id_that_does_not_exist_is_refused(home, kind, name):
    course = course_of(home)
    course[0]["objectives"][0][f"{kind}s"].append(name)
    write(home, course)
    with pytest.raises(AssessmentError, match=rf"Objective 3.a names {kind} {name}, which does not exist"):
        load_assessment(home)


def test_an_exercise_read_as_a_number_is_refused(home):
    course = course_of(home)
    course[0]["objectives"][0]["exercises"] = [3.1]
    write(home, course)
    with pytest.raises(AssessmentError, match=r"Objective 3.a names exercise 3.1: put the id between quotation marks"):
        load_assessment(home)


def test_ids_are_those_of_their_place(home):
    course = course_of(home)
    course[0]["objectives"][0]["id"] = "4.a"
    write(home, course)
    with pytest.raises(AssessmentError, match=r"objective of notebook 3 must be like 3.a, got '4.a'"):
        load_assessment(home)


def test_the_id_of_a_question_is_that_of_its_place(home):
    (question,) = questions_of(home)
    write(home, questions=[question | {"id": "3.q7"}])
    with pytest.raises(AssessmentError, match=r"Question 1 of 03.yaml must have the id 3.q1, got '3.q7'"):
        load_assessment(home)


def test_two_objectives_of_one_id_are_refused(home):
    course = course_of(home)
    course[0]["objectives"] *= 2
    write(home, course)
    with pytest.raises(AssessmentError, match=r"The id of objective 3.a occurs 2 times"):
        load_assessment(home)


def test_a_notebook_without_an_entry_is_refused(home):
    (home / "src/04_other.py").write_text("# # 4. Other\n")
    with pytest.raises(AssessmentError, match=r"one entry for each of the notebooks \[3, 4\], has \[3\]"):
        load_assessment(home)


@pytest.mark.parametrize("field", ["stem", "right", "wrong"])
def test_a_field_that_is_missing_is_named(home, field):
    (question,) = questions_of(home)
    del question[field]
    write(home, questions=[question])
    with pytest.raises(AssessmentError, match=rf"The field `{field}` is missing in question 3.q1"):
        load_assessment(home)


def test_a_choice_without_a_reason_is_named(home):
    (question,) = questions_of(home)
    question["wrong"][0] = {"text": "No 1."}
    write(home, questions=[question])
    with pytest.raises(AssessmentError, match=r"The field `reason` is missing in the choice “No 1.” of question 3.q1"):
        load_assessment(home)


def test_choices_that_agree_are_refused(home):
    (question,) = questions_of(home)
    question["wrong"][0] = choice("Because.")
    write(home, questions=[question])
    with pytest.raises(AssessmentError, match=r"Question 3.q1 must have 4 choices that differ, got 3"):
        load_assessment(home)


def test_a_truth_needs_the_values_of_all_choices(home):
    (question,) = questions_of(home)
    write(home, questions=[question | {"truth": "1"}])
    with pytest.raises(
        AssessmentError, match=r"Question 3.q1 has a `truth`, and so each of its choices needs a `value`"
    ):
        load_assessment(home)


def test_a_file_that_is_no_yaml_is_named(home):
    (home / "assessment/course.yaml").write_text("- {")
    with pytest.raises(AssessmentError, match=r"course.yaml is no YAML"):
        load_assessment(home)


def test_a_missing_pyyaml_is_named_with_its_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(installation, "find_spec", lambda name: None if name == "yaml" else find_spec(name))
    with pytest.raises(NotInstalled, match=r"yaml is not installed: .*mezo_lab\[lab\]"):
        load_assessment()
    assert main(["course", str(tmp_path / "course"), "--student"]) == 2
    assert re.fullmatch(r"mezo-lab: yaml is not installed: .*mezo_lab\[lab\]\S*\n", capsys.readouterr().err)
    assert not (tmp_path / "course").exists()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"- {a: 1}\n- {b: 1,\n   b: 2}\n", r"03\.yaml has the key 'b' twice, in the entry of line 2: keep one"),
        (b"- \xff\xfe", r"03\.yaml is no YAML: 'utf-8' codec"),
        (b"-\ta: 1\n\tb: 2", r"03\.yaml is no YAML: .* found character .* cannot start any token"),
        (b"stem: Why?", r"03\.yaml must be a list, each line of which begins with -; got"),
        (b"", "names question 3.q1, which does not exist"),
        (
            b"- {id: 3.q1, stem: Why, right: {text: 1, reason: 2}, wrong: none}",
            "`wrong` of question 3.q1 must be a list",
        ),
    ],
)
def test_a_file_that_is_no_list_in_yaml_is_named(home, content, message):
    (home / "assessment/questions/03.yaml").write_bytes(content)
    with pytest.raises(AssessmentError, match=message):
        load_assessment(home)


def test_a_file_that_is_missing_or_empty_is_named(home):
    (home / "assessment/questions/03.yaml").unlink()
    with pytest.raises(AssessmentError, match=r"03\.yaml is missing in .*questions: write it"):
        load_assessment(home)
    (home / "assessment/course.yaml").write_text("# nothing yet")
    with pytest.raises(AssessmentError, match=r"one entry for each of the notebooks \[3\], has \[\]"):
        load_assessment(home)


def test_ids_in_place_of_a_list_of_them_are_refused(home):
    course = course_of(home)
    course[0]["objectives"][0]["exercises"] = "3.1"
    write(home, course)
    with pytest.raises(AssessmentError, match=r"The exercises of objective 3\.a must be a list"):
        load_assessment(home)
