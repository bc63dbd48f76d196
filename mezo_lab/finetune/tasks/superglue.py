"""The tasks of SuperGLUE about passages, pronouns, words and causes. RTE and CB stand with the pairs of sentences."""

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.tasks.task import Data, Task

CONJUNCTIONS = {"effect": "so", "cause": "because"}
NO_YES = ("No", "Yes")  # by label: 0 false, 1 true
TEACHER_FORCING = "trained on the right ending alone; the options are compared by mean log-likelihood per token"


def boolq_pieces(row: Row) -> dict[str, str]:
    """The question as a sentence: a capital, and a question mark."""
    question = row["question"].strip().removesuffix("?") + "?"
    return {"asked": question[0].upper() + question[1:]}


def wsc_pieces(row: Row) -> dict[str, str]:
    return {"pronoun": row["span2_text"].strip().lower()}


def copa_pieces(row: Row) -> dict[str, str]:
    """The premise as the first half of a sentence, "The man lost his balance so"."""
    if row["question"] not in CONJUNCTIONS:
        raise ValueError(f"`question` must be cause or effect, got {row['question']!r}: mend the row.")
    return {"clause": f"{row['premise'].strip().removesuffix('.')} {CONJUNCTIONS[row['question']]}"}


def copa_endings(row: Row) -> list[str]:
    """Either choice as the second half, " he fell off the ladder."."""
    return [f" {continued(row[choice].strip())}" for choice in ("choice1", "choice2")]


def continued(sentence: str) -> str:
    first, *rest = sentence.split(" ")
    return " ".join([first if first == "I" else first.lower(), *rest])


def record_pieces(row: Row) -> dict[str, str]:
    """The passage with its highlights as a list."""
    return {"article": row["passage"].strip().replace("@highlight\n", "- ")}


def record_endings(row: Row) -> list[str]:
    return [filled(row, entity) for entity in row["entities"]]


def record_right(row: Row) -> list[str]:
    return [filled(row, answer) for answer in row["answers"]]


def filled(row: Row, entity: str) -> str:
    """The query with one entity in its gap: the next item of the passage's list."""
    return f" {row['query'].strip().replace('@placeholder', entity)}"


SUPERGLUE = (
    Task(
        "boolq",
        "classification",
        "{passage} {asked}\n",
        NO_YES,
        labels=("False", "True"),
        pieces=boolq_pieces,
        columns=("passage", "question"),
        data=Data("aps/super_glue/boolq", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py, BoolQ V3",
    ),
    Task(
        "wsc",
        "classification",
        '{text}\nIn the previous sentence, does the pronoun "{pronoun}" refer to {span1_text}? Yes or No?\n',
        NO_YES,
        labels=("False", "True"),
        pieces=wsc_pieces,
        columns=("text", "span1_text", "span2_text"),
        data=Data("aps/super_glue/wsc.fixed", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.242",
        note="63.5 % is the share of the larger class: a model that answers No scores it",
    ),
    Task(
        "wic",
        "classification",
        'Does the word "{word}" have the same meaning in these two sentences? Yes, No?\n{sentence1}\n{sentence2}\n',
        NO_YES,
        labels=("False", "True"),
        data=Data("aps/super_glue/wic", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.219",
    ),
    Task(
        "multirc",
        "classification",
        '{paragraph}\nQuestion: {question}\nI found this answer "{answer}". Is that correct? Yes or No?\n',
        NO_YES,
        labels=("False", "True"),
        data=Data("aps/super_glue/multirc", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.175",
        note="the paper judges each answer by itself (accuracy), not each question",
    ),
    Task(
        "copa",
        "choice",
        "{clause}",
        pieces=copa_pieces,
        columns=("premise", "question", "choice1", "choice2"),
        options=copa_endings,
        data=Data("aps/super_glue/copa", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.44",
        note=TEACHER_FORCING,
    ),
    Task(
        "record",
        "choice",
        "{article}\n-",
        pieces=record_pieces,
        columns=("passage", "query", "entities", "answers"),
        options=record_endings,
        right=record_right,
        data=Data("aps/super_glue/record", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.285",
        note=TEACHER_FORCING,
    ),
)
