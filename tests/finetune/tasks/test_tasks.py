"""Each task reads a row of its data set: the prompt, the answers, the right one."""

from decimal import Decimal

import numpy as np
import pytest
import torch

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.tasks import TASKS, custom_task, task_named

OF_OTHER_LIBRARIES = (np.int64(1), np.float32(1), np.bool_(True), torch.tensor(1), torch.tensor(True))
NLI = {"premise": "A man sleeps.", "hypothesis": "He rests."}
SUPPOSE = 'Suppose A man sleeps. Can we infer that "He rests."? Yes, No, or Maybe?\n'

# (row, prompt, every candidate, index of the right one): rows have the columns of the data sets on the hub
SAMPLES: dict[str, tuple[Row, str, tuple[str, ...], int]] = {
    "rotten-tomatoes": ({"text": "dull . ", "label": 0}, "dull . It was", (" terrible", " great"), 0),
    "rotten-tomatoes/sentiment": (
        {"text": "a fine film", "label": 1},
        "Review: a fine film\nSentiment:",
        (" negative", " positive"),
        1,
    ),
    "rotten-tomatoes/no-prompt": ({"text": "dull . ", "label": 0}, "dull .", (" terrible", " great"), 0),
    "imdb": ({"text": "Great.<br />", "label": 1}, "Great.<br /> It was", (" terrible", " great"), 1),
    "sst2": ({"sentence": "a fine film ", "label": 1}, "a fine film It was", (" terrible", " great"), 1),
    "sst5": (
        {"text": "a fine film", "label": 3},
        "a fine film It was",
        (" terrible", " bad", " okay", " good", " great"),
        3,
    ),
    "trec": (
        {"text": "Who was Galileo ?", "label_coarse_text": "human beings"},
        "Question: Who was Galileo ?\nType:",
        (" Expression", " Entity", " Description", " Human", " Location", " Number"),
        3,
    ),
    "snli": ({**NLI, "label": 1}, SUPPOSE, ("Yes", "Maybe", "No"), 1),
    "mnli": ({**NLI, "label": 2}, SUPPOSE, ("Yes", "Maybe", "No"), 2),
    "cb": ({**NLI, "label": 2}, SUPPOSE, ("Yes", "No", "Maybe"), 2),
    "rte": (
        {**NLI, "label": 0},
        'A man sleeps.\nDoes this mean that "He rests." is true? Yes or No?\n',
        ("Yes", "No"),
        0,
    ),
    "boolq": (
        {"passage": "Ice floats.", "question": "does ice float", "label": 1},
        "Ice floats. Does ice float?\n",
        ("No", "Yes"),
        1,
    ),
    "wsc": (
        {"text": "Mark told Pete lies. He lied.", "span1_text": "Mark", "span2_text": "He", "label": 1},
        'Mark told Pete lies. He lied.\nIn the previous sentence, does the pronoun "he" refer to Mark? Yes or No?\n',
        ("No", "Yes"),
        1,
    ),
    "wic": (
        {"word": "bank", "sentence1": "A bank.", "sentence2": "The bank is shut.", "label": 0},
        'Does the word "bank" have the same meaning in these two sentences? Yes, No?\nA bank.\nThe bank is shut.\n',
        ("No", "Yes"),
        0,
    ),
    "multirc": (
        {"paragraph": "Ann ran.", "question": "Who ran?", "answer": "Ann", "label": 1},
        'Ann ran.\nQuestion: Who ran?\nI found this answer "Ann". Is that correct? Yes or No?\n',
        ("No", "Yes"),
        1,
    ),
    "copa": (
        {
            "premise": "The man slipped.",
            "question": "cause",
            "choice1": "I pushed him.",
            "choice2": "The floor was wet.",
            "label": 1,
        },
        "The man slipped because",
        (" I pushed him.", " the floor was wet."),
        1,
    ),
    "record": (
        {
            "passage": "Ann met Bob.\n@highlight\nAnn won",
            "query": "@placeholder lost.",
            "entities": ["Ann", "Bob"],
            "answers": ["Bob"],
        },
        "Ann met Bob.\n- Ann won\n-",
        (" Ann lost.", " Bob lost."),
        1,
    ),
    "squad": (
        {"title": "Ice", "context": "Ice is cold.", "question": " What is cold? ", "answers": {"text": ["Ice", "ice"]}},
        "Title: Ice\nContext: Ice is cold.\nQuestion: What is cold?\nAnswer:",
        (" Ice\n", " ice\n"),
        0,
    ),
    "drop": (
        {
            "passage": "They won 3-1.",
            "question": "By how much?",
            "answers_spans": {"spans": ["2"], "types": ["number"]},
        },
        "Passage: They won 3-1.\nQuestion: By how much?\nAnswer:",
        (" 2\n",),
        0,
    ),
}
MASKED = {
    "rotten-tomatoes": "dull . It was {mask} .",
    "rotten-tomatoes/no-prompt": "dull . {mask} .",
    "imdb": "Great.<br /> It was {mask} .",
    "sst2": "a fine film It was {mask} .",
    "sst5": "a fine film It was {mask} .",
    "trec": "{mask} : Who was Galileo ?",
    "snli": "A man sleeps. ? {mask} , He rests.",
    "mnli": "A man sleeps. ? {mask} , He rests.",
    "rte": "A man sleeps. ? {mask} , He rests.",
}


@pytest.mark.parametrize("name", TASKS)
def test_a_row_becomes_the_prompt_of_the_paper_and_its_answers(name):
    row, prompt, candidates, gold = SAMPLES[name]
    task = task_named(name)
    assert task.text(row) == prompt
    assert task.candidates(row) == candidates
    assert task.gold(row) == gold
    assert task.answer(row, gold) == candidates[gold]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_names_every_column_that_it_needs(name):
    row, task = SAMPLES[name][0], task_named(name)
    needed = {column: row[column] for column in task.required_columns()}
    assert (task.text(needed), task.candidates(needed), task.gold(needed)) == SAMPLES[name][1:]
    for column in task.required_columns():
        rest = {other: value for other, value in needed.items() if other != column}
        with pytest.raises(KeyError):
            task.text(rest), task.candidates(rest), task.gold(rest)


@pytest.mark.parametrize("name", TASKS)
def test_a_masked_prompt_keeps_one_place_for_the_mask_or_does_not_exist(name):
    task, row = task_named(name), SAMPLES[name][0]
    if name in MASKED:
        assert task.text(row, masked=True) == MASKED[name]
        assert task.label_words(masked=True) == tuple(f" {word.strip()}" for word in task.answers)
    else:
        with pytest.raises(
            ValueError, match=f"`task` must have a prompt with a mask, {name} has none: take a causal model"
        ):
            task.text(row, masked=True)


@pytest.mark.parametrize("name", TASKS)
def test_one_space_or_line_break_stands_between_prompt_and_answer(name):
    _, prompt, candidates, _ = SAMPLES[name]
    assert not prompt.endswith(" ")
    assert all(answer[:2].strip() for answer in candidates)
    assert all(answer.startswith(" ") is not prompt.endswith("\n") for answer in candidates)


@pytest.mark.parametrize(
    "value",
    [1, "1", 1.0, "1.0", True, "positive", " Positive ", "great", Decimal(1), *OF_OTHER_LIBRARIES],
)
def test_a_label_is_a_number_a_name_or_the_label_word(value):
    assert task_named("sst2").gold({"label": value}) == 1


@pytest.mark.parametrize(
    "value",
    [2, -1, "2", 0.5, "", "good", None, float("nan"), float("inf"), 10**400, 1j, [1], np.float32(0.5), np.nan],
)
def test_a_label_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="`label` must be a number from 0 to 1 or one of negative, positive, got"):
        task_named("sst2").gold({"label": value})


def test_the_questions_of_boolq_become_sentences():
    text = task_named("boolq").text
    assert {text({"passage": "P", "question": q}) for q in ("is it so", "is it so?", "Is it so? ")} == {"P Is it so?\n"}


def test_the_premise_of_copa_runs_on_into_its_choice():
    row = SAMPLES["copa"][0] | {"question": "effect"}
    assert task_named("copa").text(row) == "The man slipped so"
    with pytest.raises(ValueError, match="`question` must be cause or effect, got 'why'"):
        task_named("copa").text(row | {"question": "why"})


def test_record_may_have_several_right_entities_or_none_of_the_options():
    record, row = task_named("record"), SAMPLES["record"][0]
    assert record.golds(row | {"answers": ["Bob", "Ann"]}) == (0, 1)
    with pytest.raises(ValueError, match="the right answer must be one of the options"):
        record.golds(row | {"answers": ["Eve"]})


@pytest.mark.parametrize("answers", [{"text": [" Ice ", "ice"]}, ["Ice", "ice"]])
def test_references_are_read_from_the_data_set_and_from_simpler_files(answers):
    assert task_named("squad").references({"answers": answers}) == ["Ice", "ice"]
    assert task_named("squad").references({"answers": "Ice"}) == ["Ice"]
    with pytest.raises(ValueError, match="at least one right answer"):
        task_named("squad").references({"answers": {"text": []}})


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"`task` must be one of the 19 names, got 'sst-2': nearest sst2"):
        task_named("sst-2")


def test_a_text_with_braces_stays_as_it_is():
    assert task_named("sst2").text({"sentence": "{label} {{mask}"}) == "{label} {{mask} It was"


def test_label_words_get_the_space_that_the_prompt_asks_for():
    assert custom_task("{a} is", ("bad", " good")).answers == (" bad", " good")
    assert custom_task("{a}\n", (" bad", "good")).answers == ("bad", "good")


@pytest.mark.parametrize(
    ("prompt", "word", "joined"),
    [
        ("{a} It was", "good", " good"),
        ("{a} It was", "正面", " 正面"),
        ("{a}", "good", " good"),
        ("{a}", "正面", "正面"),
        ("{a}", "ดี", "ดี"),
        ("{a}。评价：", "正面", "正面"),
        ("{a}。评价：", "good", "good"),
        ("评论：{a}\n情感是", "正面", "正面"),
        ("{a} これは", "良い", "良い"),
        ("{a} ﾃｽﾄ", "良い", "良い"),
        ("{a} 평가:", "좋다", " 좋다"),
        ("{a} 평가는", "좋다", " 좋다"),
        ("{a}「", "良い", "良い"),
        ("{a} It was (", "good", "good"),
        ("{a} It was “", "good", "good"),
        ('{a} It was "', "good", "good"),
        ('"{a}" It is "', "good", "good"),
        ('Is "{a}"', "good", " good"),
        ("{a} isn't", "good", " good"),
        ("{a} the critics'", "view", " view"),
        ("{a} It was '", "good", "good"),
        ("{a} 👍", "good", " good"),
        ("{a} is {{b}}", "good", " good"),
        ("{a}\n", "good", "good"),
        ("{a} 5", "stars", " stars"),
    ],
)
def test_a_space_stands_before_a_word_where_running_text_has_one(prompt, word, joined):
    assert custom_task(prompt, (word, "other")).answers[0] == joined


def test_a_custom_task_reads_its_own_columns():
    task = custom_task(
        "{title}: {body} {{so}} is", ["bad", "good"], "stars", "{body} is {mask}", "mine", labels=("*", "**")
    )
    assert task.required_columns() == ("title", "body", "stars")
    assert task.text({"title": "T", "body": "B"}) == "T: B {so} is"
    assert task.text({"title": "T", "body": "B"}, masked=True) == "B is {mask}"
    assert [task.gold({"stars": value}) for value in ("**", "bad", 1)] == [1, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": "It was"}, "`prompt` must hold a column in braces, such as {text}, got 'It was'"),
        ({"prompt": "{} was"}, "`prompt` must hold names of columns in its braces, got {}"),
        ({"prompt": "{a.b} was"}, "got {a.b}: rename the column"),
        ({"prompt": "{a:d} was"}, "`prompt` must hold bare names of columns in its braces, got '{a:d} was': write {a}"),
        ({"prompt": "{a!r} was"}, "`prompt` must hold bare names"),
        ({"prompt": "{a was"}, "`prompt` must have its braces in pairs, got '{a was'"),
        ({"prompt": "{a} was "}, "`prompt` must end without a space, got '{a} was '"),
        ({"prompt": "{a} was\t"}, "`prompt` must end without a space, got"),
        ({"prompt": "{a} was\N{NO-BREAK SPACE}"}, "`prompt` must end without a space, got"),
        ({"prompt": "{a} was\u3000"}, "`prompt` must end without a space, got"),
        ({"prompt": "{a} was {mask}"}, "`prompt` must end where the answer follows, .*`masked_prompt`"),
        ({"masked_prompt": "{a} was"}, "`masked_prompt` must hold {mask} once, where the word goes, got '{a} was'"),
        ({"masked_prompt": "{a} {mask}{mask}"}, "`masked_prompt` must hold {mask} once"),
        ({"masked_prompt": "{mask}"}, "`masked_prompt` must hold a column in braces"),
        ({"answers": ["bad"]}, r"`answers` must be at least two words, one for each label, got \['bad'\]"),
        ({"answers": "bad"}, "`answers` must be at least two words, one for each label, got 'bad'"),
        ({"answers": ["bad", " Bad"]}, "`answers` must be different words, none of them empty"),
        ({"answers": ["bad", " "]}, "`answers` must be different words, none of them empty"),
        ({"prompt": "{a} {label} was"}, "`prompt` must not show the answer, and {label} is the column that holds it"),
        ({"label": "a"}, "`prompt` must not show the answer, and {a} is the column"),
        ({"masked_prompt": "{label} {mask}"}, "`masked_prompt` must not show the answer, and {label} is the column"),
        ({"prompt": "{a} caf\udce9"}, r"`prompt` must be text, got '{a} caf\\udce9' with half of a character"),
        ({"masked_prompt": "{a}\0{mask}"}, "`masked_prompt` must be text, got .* with a NUL character: type it again"),
        ({"answers": ["bad", "go\ud83dd"]}, "`answers` must be text, got .* with half of a character"),
        ({"labels": ["bad", "go\udce9d"]}, "`labels` must be text, got .* with half of a character"),
        ({"labels": ["0", "1", "2"]}, "`labels` must name each of the 2 answers, got 3"),
    ],
)
def test_what_a_custom_task_has_wrong_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        custom_task(**{"prompt": "{a} was", "answers": ["bad", "good"], **arguments})
