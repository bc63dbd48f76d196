"""A script for the Trainer, as the documentation of transformers teaches it; nothing here knows of MeZO."""

import json
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, TrainingArguments

from transformers import Trainer  # isort: skip

reviews = Dataset.from_list(json.loads(Path("reviews.json").read_text())).train_test_split(test_size=0.25, seed=0)
tokenizer = AutoTokenizer.from_pretrained("tiny")
model = AutoModelForSequenceClassification.from_pretrained("tiny", num_labels=2)


def preprocess(rows):
    return tokenizer(rows["text"], truncation=True)


def compute_metrics(prediction):
    logits, labels = prediction
    return {"accuracy": float((np.argmax(logits, axis=1) == labels).mean())}


tokenized = reviews.map(preprocess, batched=True)
training_args = TrainingArguments(
    output_dir="classifier",
    learning_rate=2e-3,
    per_device_train_batch_size=16,
    per_device_eval_batch_size=16,
    max_steps=120,
    weight_decay=0.01,
    logging_steps=20,
    eval_strategy="steps",
    eval_steps=60,
    save_strategy="steps",
    save_steps=60,
    load_best_model_at_end=True,
)
trainer = Trainer(
    model=model,
    args=training_args,
    train_dataset=tokenized["train"],
    eval_dataset=tokenized["test"],
    processing_class=tokenizer,
    data_collator=DataCollatorWithPadding(tokenizer=tokenizer),
    compute_metrics=compute_metrics,
)
trainer.train()
metrics = trainer.evaluate()
trainer.save_model("best")
