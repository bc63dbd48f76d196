"""Tasks about two sentences: does the second follow from the first?"""

from mezo_lab.finetune.tasks.task import Data, Task

MASKED = "{premise} ? {mask} , {hypothesis}"  # paper, Appendix E: <S1> ? [MASK] , <S2>
# paper, Appendix E, the prompt of CB (templates.py l.198)
SUPPOSE = 'Suppose {premise} Can we infer that "{hypothesis}"? Yes, No, or Maybe?\n'
THREE_WAY = ("entailment", "neutral", "contradiction")
NOTE = "the authors' code drops the end mark of the first sentence in the masked prompt; the paper's text does not"

PAIRS = (
    Task(
        "snli",
        "classification",
        SUPPOSE,
        ("Yes", "Maybe", "No"),
        MASKED,
        labels=THREE_WAY,
        data=Data("stanfordnlp/snli", "train", "test", unlabelled=-1),
        source="masked: paper, Appendix E; causal: ours, the paper's prompt of CB",
        note=NOTE,
    ),
    Task(
        "mnli",
        "classification",
        SUPPOSE,
        ("Yes", "Maybe", "No"),
        MASKED,
        labels=THREE_WAY,
        data=Data("nyu-mll/glue/mnli", "train", "validation_matched"),
        source="masked: paper, Appendix E; causal: ours, the paper's prompt of CB",
        note=NOTE,
    ),
    Task(
        "rte",
        "classification",
        '{premise}\nDoes this mean that "{hypothesis}" is true? Yes or No?\n',
        ("Yes", "No"),
        MASKED,
        labels=("entailment", "not_entailment"),
        data=Data("aps/super_glue/rte", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.309 and run_fewshot.sh",
        note=NOTE,
    ),
    Task(
        "cb",
        "classification",
        SUPPOSE,
        ("Yes", "No", "Maybe"),
        labels=("entailment", "contradiction", "neutral"),
        data=Data("aps/super_glue/cb", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.198",
    ),
)
