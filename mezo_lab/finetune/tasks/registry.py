"""The tasks of the paper, and a few on the shipped reviews, as data."""

from collections.abc import Callable, Mapping
from typing import Any

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.tasks.task import Data, Task
from mezo_lab.validation import nearest

__all__ = ["TASKS", "task_named"]

# One text: reviews, and the kind of a question.

_RELATED = "ours, after the paper's SST-2 (Appendix E)"  # prompts that the paper has for a sibling of the task

_SINGLE = (
    Task(
        "rotten-tomatoes",
        "classification",
        "{text} It was",
        (" terrible", " great"),
        "{text} It was {mask} .",
        labels=("negative", "positive"),
        data=Data("rotten-tomatoes"),
        source="paper, Appendix E (the prompts of SST-2); data: Pang and Lee 2005",
        note="near chance before training: what training does shows",
    ),
    Task(
        "rotten-tomatoes/sentiment",
        "classification",
        "Review: {text}\nSentiment:",
        (" negative", " positive"),
        labels=("negative", "positive"),
        data=Data("rotten-tomatoes"),
        source="ours; data: Pang and Lee 2005",
        note="far above chance before training: what is left shows",
    ),
    Task(
        "rotten-tomatoes/no-prompt",
        "classification",
        "{text}",
        (" terrible", " great"),
        "{text} {mask} .",
        labels=("negative", "positive"),
        data=Data("rotten-tomatoes"),
        source="ours, after the paper's ablation of prompts (Table 5); data: Pang and Lee 2005",
        note="what the prompt is worth shows",
    ),
    Task(
        "imdb",
        "classification",
        "{text} It was",
        (" terrible", " great"),
        "{text} It was {mask} .",
        labels=("negative", "positive"),
        data=Data("imdb"),
        source="paper, Appendix E (the prompts of SST-2); data: Maas et al. 2011",
        note="long texts: several hundred tokens",
    ),
    Task(
        "sst2",
        "classification",
        "{sentence} It was",
        (" terrible", " great"),
        "{sentence} It was {mask} .",
        labels=("negative", "positive"),
        data=Data("nyu-mll/glue/sst2", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.27-41 and run_fewshot.sh",
    ),
    Task(
        "sst5",
        "classification",
        "{text} It was",
        (" terrible", " bad", " okay", " good", " great"),
        "{text} It was {mask} .",
        labels=("very negative", "negative", "neutral", "positive", "very positive"),
        data=Data("SetFit/sst5", "train", "test"),
        source=f"masked: paper, Appendix E; causal: {_RELATED}",
    ),
    Task(
        "trec",
        "classification",
        "Question: {text}\nType:",
        (" Expression", " Entity", " Description", " Human", " Location", " Number"),
        "{mask} : {text}",
        label="label_coarse_text",
        labels=(
            "abbreviation",
            "entities",
            "description and abstract concepts",
            "human beings",
            "locations",
            "numeric values",
        ),
        data=Data("SetFit/TREC-QC", "train", "test"),
        source="masked: paper, Appendix E; causal: ours",
        note="labels are read by name: the paper's Table 13 and the authors' code number them differently",
    ),
)

# Two sentences: does the second follow from the first?

_MASKED_PAIR = "{premise} ? {mask} , {hypothesis}"  # paper, Appendix E: <S1> ? [MASK] , <S2>
_SUPPOSE = (
    'Suppose {premise} Can we infer that "{hypothesis}"? Yes, No, or Maybe?\n'  # paper, Appendix E, the prompt of CB
)
_THREE_WAY = ("entailment", "neutral", "contradiction")
_PAIR_NOTE = (
    "the authors' code drops the end mark of the first sentence in the masked prompt; the paper's text does not"
)

_PAIRS = (
    Task(
        "snli",
        "classification",
        _SUPPOSE,
        ("Yes", "Maybe", "No"),
        _MASKED_PAIR,
        labels=_THREE_WAY,
        data=Data("stanfordnlp/snli", "train", "test", unlabelled=-1),
        source="masked: paper, Appendix E; causal: ours, the paper's prompt of CB",
        note=_PAIR_NOTE,
    ),
    Task(
        "mnli",
        "classification",
        _SUPPOSE,
        ("Yes", "Maybe", "No"),
        _MASKED_PAIR,
        labels=_THREE_WAY,
        data=Data("nyu-mll/glue/mnli", "train", "validation_matched"),
        source="masked: paper, Appendix E; causal: ours, the paper's prompt of CB",
        note=_PAIR_NOTE,
    ),
    Task(
        "rte",
        "classification",
        '{premise}\nDoes this mean that "{hypothesis}" is true? Yes or No?\n',
        ("Yes", "No"),
        _MASKED_PAIR,
        labels=("entailment", "not_entailment"),
        data=Data("aps/super_glue/rte", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.309 and run_fewshot.sh",
        note=_PAIR_NOTE,
    ),
    Task(
        "cb",
        "classification",
        _SUPPOSE,
        ("Yes", "No", "Maybe"),
        labels=("entailment", "contradiction", "neutral"),
        data=Data("aps/super_glue/cb", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.198",
    ),
)

# SuperGLUE: passages, pronouns, words and causes. RTE and CB stand with the pairs of sentences.

_CONJUNCTIONS = {"effect": "so", "cause": "because"}
_NO_YES = ("No", "Yes")  # by label: 0 false, 1 true
_TEACHER_FORCING = "trained on the right ending alone; the options are compared by mean log-likelihood per token"


def _boolq_fields(row: Row) -> dict[str, str]:
    """The question as a sentence: a capital, and a question mark."""
    question = row["question"].strip().removesuffix("?") + "?"
    return {"question_sentence": question[0].upper() + question[1:]}


def _wsc_fields(row: Row) -> dict[str, str]:
    return {"pronoun": row["span2_text"].strip().lower()}


def _copa_fields(row: Row) -> dict[str, str]:
    """The premise as the first half of a sentence, "The man lost his balance so"."""
    if row["question"] not in _CONJUNCTIONS:
        raise ValueError(f"`question` must be cause or effect, got {row['question']!r}: mend the row.")
    return {"clause": f"{row['premise'].strip().removesuffix('.')} {_CONJUNCTIONS[row['question']]}"}


def _copa_endings(row: Row) -> list[str]:
    """Either choice as the second half, " he fell off the ladder."."""
    return [f" {_lower_first(row[choice].strip())}" for choice in ("choice1", "choice2")]


def _lower_first(sentence: str) -> str:
    first, space, rest = sentence.partition(" ")
    if first != "I":
        first = first.lower()
    return first + space + rest


def _record_fields(row: Row) -> dict[str, str]:
    """The passage with its highlights as a list."""
    return {"article": row["passage"].strip().replace("@highlight\n", "- ")}


def _record_endings(row: Row) -> list[str]:
    return [_fill_gap(row, entity) for entity in row["entities"]]


def _record_answers(row: Row) -> list[str]:
    return [_fill_gap(row, answer) for answer in row["answers"]]


def _fill_gap(row: Row, entity: str) -> str:
    """The query with one entity in its gap: the next item of the passage's list."""
    return f" {row['query'].strip().replace('@placeholder', entity)}"


_SUPERGLUE = (
    Task(
        "boolq",
        "classification",
        "{passage} {question_sentence}\n",
        _NO_YES,
        labels=("False", "True"),
        derived=_boolq_fields,
        columns=("passage", "question"),
        data=Data("aps/super_glue/boolq", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py, BoolQ V3",
    ),
    Task(
        "wsc",
        "classification",
        '{text}\nIn the previous sentence, does the pronoun "{pronoun}" refer to {span1_text}? Yes or No?\n',
        _NO_YES,
        labels=("False", "True"),
        derived=_wsc_fields,
        columns=("text", "span1_text", "span2_text"),
        data=Data("aps/super_glue/wsc.fixed", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.242",
        note="63.5 % is the share of the larger class: a model that answers No scores it",
    ),
    Task(
        "wic",
        "classification",
        'Does the word "{word}" have the same meaning in these two sentences? Yes, No?\n{sentence1}\n{sentence2}\n',
        _NO_YES,
        labels=("False", "True"),
        data=Data("aps/super_glue/wic", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.219",
    ),
    Task(
        "multirc",
        "classification",
        '{paragraph}\nQuestion: {question}\nI found this answer "{answer}". Is that correct? Yes or No?\n',
        _NO_YES,
        labels=("False", "True"),
        data=Data("aps/super_glue/multirc", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.175",
        note="the paper judges each answer by itself (accuracy), not each question",
    ),
    Task(
        "copa",
        "choice",
        "{clause}",
        derived=_copa_fields,
        columns=("premise", "question", "choice1", "choice2"),
        options=_copa_endings,
        data=Data("aps/super_glue/copa", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.44",
        note=_TEACHER_FORCING,
    ),
    Task(
        "record",
        "choice",
        "{article}\n-",
        derived=_record_fields,
        columns=("passage", "query", "entities", "answers"),
        options=_record_endings,
        correct=_record_answers,
        data=Data("aps/super_glue/record", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.285",
        note=_TEACHER_FORCING,
    ),
)

# Questions that are answered in free text.

_ANSWER_NOTE = "trained by teacher forcing on the answer and the line break after it; judged by the F1 of the words"


def _texts_in(column: str, key: str) -> Callable[[Row], list[str]]:
    """Where a row's right texts stand: {key: [texts]} in the data set, a list or one text in simpler files."""

    def correct(row: Row) -> list[str]:
        value: Any = row[column]
        if isinstance(value, Mapping):
            value = value[key]
        if isinstance(value, str):
            return [value]
        return list(value)

    return correct


_QUESTIONS = (
    Task(
        "squad",
        "generation",
        "Title: {title}\nContext: {context}\nQuestion: {question}\nAnswer:",
        columns=("title", "context", "question", "answers"),
        correct=_texts_in("answers", "text"),
        metric="f1",
        data=Data("rajpurkar/squad", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.330",
        note=_ANSWER_NOTE,
    ),
    Task(
        "drop",
        "generation",
        "Passage: {passage}\nQuestion: {question}\nAnswer:",
        columns=("passage", "question", "answers_spans"),
        correct=_texts_in("answers_spans", "spans"),
        metric="f1",
        data=Data("ucinlp/drop", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.356",
        note=_ANSWER_NOTE,
    ),
)

TASKS: dict[str, Task] = {task.name: task for task in (*_SINGLE, *_PAIRS, *_SUPERGLUE, *_QUESTIONS)}
"""The tasks that come with a prompt, by name; the paper has most of them."""


def task_named(name: str) -> Task:
    """The task of that name.

    Raises: ValueError, with the nearest names.

    >>> task_named("sst2").prompt
    '{sentence} It was'
    """
    if name not in TASKS:
        raise ValueError(unknown_name("task", name, list(TASKS)))
    return TASKS[name]


def unknown_name(argument: str, name: str, names: list[str]) -> str:
    """The message for a name that is none of many."""
    similar = nearest(str(name), names) or names
    return f"`{argument}` must be one of the {len(names)} names, got {name!r}: nearest {', '.join(similar)}."
