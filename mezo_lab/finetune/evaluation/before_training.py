"""The scores of a model before its first step, kept in the folder of the run for the comparison at its end."""

import json
from pathlib import Path

from mezo_lab.finetune.endings import Report, evaluation_lines
from mezo_lab.finetune.evaluation.evaluate import evaluate_questions
from mezo_lab.finetune.evaluation.questions import Questions
from mezo_lab.finetune.evaluation.scores import Score, score_from_record, score_record
from mezo_lab.finetune.prepare import RunContext
from mezo_lab.finetune.run_folder import START, write_whole
from mezo_lab.finetune.stages import BEFORE


def score_before_training(
    name: str, questions: Questions, context: RunContext, out: Path, report: Report, write: bool
) -> Score:
    """The score of the pretrained model, without adapters; a resumed run reads the one that it wrote at its start.

    Args: name: "validation" or "test". write: whether this process writes files.
    """
    scores = _read_scores(out)
    if name in scores and len(scores[name].each) == len(questions):
        return scores[name]
    text = f"{name} before the first step"
    report(f"{text}: {len(questions):,} examples")
    progress = evaluation_lines(report, text, len(questions))
    with context.stages.timed(BEFORE):
        result = evaluate_questions(context.pretrained.model, context.encoder, questions, progress=progress)
    report(f"before the first step  {name} {result}")
    if write:
        records = {each: score_record(value) for each, value in (scores | {name: result}).items()}
        write_whole(out / START, json.dumps(records, indent=1) + "\n")
    return result


def _read_scores(out: Path) -> dict[str, Score]:
    try:
        records = json.loads((out / START).read_bytes())
        return {name: score_from_record(record) for name, record in records.items()}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):  # evaluated again, at the same weights
        return {}
