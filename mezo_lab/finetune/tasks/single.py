"""Tasks about one text: reviews and the kind of a question."""

from mezo_lab.finetune.tasks.task import Data, Task

RELATED = "ours, after the paper's SST-2 (Appendix E)"  # prompts that the paper has for a sibling of the task

SINGLE = (
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
        source=f"masked: paper, Appendix E; causal: {RELATED}",
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
