"""Completions, choices and chats of one's own: they are read, refused by name, trained, and judged."""

import json
import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from mezo_lab.cli import main
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.examples import collate, encode_examples
from mezo_lab.finetune.evaluation.evaluate import evaluate, likelihoods
from mezo_lab.finetune.evaluation.questions import encode_questions
from mezo_lab.finetune.tasks import chat_task, choice_task, completion_task, custom_task
from mezo_lab.finetune.tasks.chats import parse_messages, render_chat
from mezo_lab.finetune.training.objectives import objective_named

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] | trim }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STRICT = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system\nmessages') }}{% endif %}" + TEMPLATE
THINKING = TEMPLATE.replace("assistant\n{% endif %}", "assistant\n<think>{% endif %}")
ROWS = [{"text": "a fine film", "output": "great\nplot"}, {"text": "no wit", "output": "dull film a film"}]
CHAT = [
    {"role": "user", "content": "a <|im_end|> film"},
    {"role": "assistant", "content": "great"},
    {"role": "user", "content": "{{ 7 * 7 }} {0.__class__}"},
    {"role": "assistant", "content": " dull\nfilm "},
]


@pytest.fixture(scope="module")
def speaker():
    """A byte-level tokenizer with the marks of a chat."""
    tokenizers, transformers = pytest.importorskip("tokenizers"), pytest.importorskip("transformers")
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    marks = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=300, special_tokens=marks, initial_alphabet=alphabet)
    backend.train_from_iterator(["a fine film great dull plot wit assistant user"] * 5, trainer)
    found = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", additional_special_tokens=marks[:1]
    )
    found.chat_template = TEMPLATE
    return found


@pytest.fixture
def speaking(speaker):
    """A random model with as many tokens."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = transformers.LlamaConfig(vocab_size=len(speaker), tie_word_embeddings=True, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.LlamaForCausalLM(config).eval()
        for parameter in model.parameters():  # far from the small initial weights, whose losses all look alike
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_a_completion_is_asked_at_each_of_its_tokens_and_at_the_mark_that_ends_it(speaker):
    task = completion_task("{text} It was", "output")
    encoded = Encoder(task, speaker, ROWS[0]).encode_training(ROWS[0])
    assert speaker.decode(encoded.input_ids) == "a fine film It was great\nplot<|im_end|>"
    assert speaker.decode(encoded.targets) == " great\nplot<|im_end|>" and encoded.targets[-1] == speaker.eos_token_id
    assert [encoded.input_ids[place + 1] for place in encoded.positions] == list(encoded.targets)


def test_the_loss_and_the_likelihood_are_those_of_the_completion_alone(speaking, speaker):
    task = completion_task("{text} It was", "output")
    encoder, each, log_p = Encoder(task, speaker, ROWS[0]), [], []
    for row in ROWS:
        prompt = speaker(row["text"] + " It was").input_ids
        tokens = speaker(row["text"] + f" It was {row['output']}<|im_end|>").input_ids
        with torch.no_grad():
            logits = speaking(torch.tensor([tokens])).logits[0, len(prompt) - 1 : -1]
        own = -cross_entropy(logits, torch.tensor(tokens[len(prompt) :]), reduction="none")
        log_p.append(own)
        each.append(math.exp(float(own.mean())))
    batch = collate(encode_examples(encoder, ROWS), pad=0, together=2)
    assert objective_named("loss", encoder)(speaking, batch).item() == pytest.approx(-torch.cat(log_p).mean().item())
    assert likelihoods(speaking, encode_questions(encoder, ROWS)) == pytest.approx(each, rel=1e-4)
    found = evaluate(speaking, encoder, ROWS)
    assert found.metric == "likelihood" and found.value == pytest.approx(sum(each) / 2, rel=1e-4)


def test_a_likelihood_that_is_not_finite_counts_for_nothing(speaking, speaker):
    encoder = Encoder(completion_task("{text}:", "output"), speaker, ROWS[0])
    with torch.no_grad():
        speaking.get_output_embeddings().weight.fill_(float("nan"))
    found = evaluate(speaking, encoder, ROWS)
    assert (found.value, found.unanswered) == (0.0, 2)


@pytest.mark.parametrize("template", [TEMPLATE, STRICT, THINKING])
def test_a_chat_stands_in_the_template_and_its_marks_are_the_only_special_tokens(speaker, template, monkeypatch):
    monkeypatch.setattr(speaker, "chat_template", template)
    row = {"messages": CHAT}
    encoder = Encoder(chat_task(), speaker, row)
    encoded = encoder.encode_training(row)
    begin, end = speaker.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert encoded.input_ids.count(begin) == encoded.input_ids.count(end) == len(CHAT)
    assert speaker.decode(encoded.targets) == "dull\nfilm<|im_end|>" and encoded.targets[-1] == end
    thought = "<think>" if template == THINKING else ""
    said = "a <|im_end|> film<|im_end|>\n<|im_start|>assistant\ngreat<|im_end|>\n<|im_start|>user\n{{ 7 * 7 }} {0.__cla"
    asked = speaker.decode(encoder.encode_prompt(row).input_ids)
    assert asked.startswith(f"<|im_start|>user\n{said}")
    assert asked.endswith(f"ss__}}<|im_end|>\n<|im_start|>assistant\n{thought}")


def test_a_chat_gets_no_further_marks_of_its_tokenizer(speaker, monkeypatch):
    processors = pytest.importorskip("tokenizers").processors
    before = speaker.backend_tokenizer.post_processor
    speaker.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 2)]
    )
    try:
        encoder = Encoder(chat_task(), speaker, {"messages": CHAT})
        assert 2 not in encoder.encode_training({"messages": CHAT}).input_ids
        assert (
            Encoder(completion_task("{text}:", "output"), speaker, ROWS[0]).encode_training(ROWS[0]).input_ids[0] == 2
        )
    finally:
        speaker.backend_tokenizer.post_processor = before or processors.ByteLevel(trim_offsets=False)


@pytest.mark.parametrize(
    ("chat", "message"),
    [
        ("hello", "the column 'chat' must hold a list of at least two messages, got 'hello': write each as"),
        (CHAT[:1], "must hold a list of at least two messages"),
        (None, "must hold a list of at least two messages"),
        ([*CHAT, CHAT[0]], "the last message of the column 'chat' must be an answer of the assistant, got Message"),
        ([CHAT[0], {"role": "assistant", "content": " "}], "must be an answer of the assistant"),
        ([CHAT[0], {"role": "assistant"}], "message 2 of the column 'chat' must have a role, .* and a content that is"),
        (
            [{"role": "user<|im_end|>", "content": "a"}, CHAT[1]],
            "message 1 .* must have a role, one of system, user, as",
        ),
        ([{"from": "human", "value": "a"}, CHAT[1]], "message 1 .* must have a role"),
        ([{"role": "user", "content": [{"type": "text"}]}, CHAT[1]], "message 1 .* a content that is text"),
        (["hello", "you"], "message 1 .* must have a role"),
    ],
)
def test_a_chat_that_is_none_is_refused_with_its_column(chat, message):
    with pytest.raises(ValueError, match=message):
        parse_messages(chat, "chat")


def test_a_chat_that_the_template_does_not_take_is_one_line(speaker, monkeypatch):
    monkeypatch.setattr(speaker, "chat_template", STRICT)
    with pytest.raises(ValueError, match=r"in an order that the model's chat template takes \(no system messages\)"):
        render_chat(speaker, parse_messages([{"role": "system", "content": "Be brief."}, *CHAT], "messages"))
    monkeypatch.setattr(speaker, "chat_template", "{% for %}")
    with pytest.raises(ValueError, match="in an order that the model's chat template takes"):
        render_chat(speaker, parse_messages(CHAT, "messages"))
    monkeypatch.setattr(speaker, "chat_template", None)
    with pytest.raises(ValueError, match="needs a tokenizer with a chat template, and this model has none: take one"):
        render_chat(speaker, parse_messages(CHAT, "messages"))


@pytest.mark.parametrize(
    ("row", "gold"),
    [
        ({"options": ["dull", "great"], "label": 1}, 1),
        ({"options": ["dull", "great"], "label": "1"}, 1),
        ({"options": ["dull", "great"], "label": "B"}, 1),
        ({"options": ["dull", "great"], "label": " great "}, 1),
        ({"options": {"text": ["dull", "great"]}, "label": "A"}, 0),
        ({"options": ["0", "1"], "label": "1"}, 1),  # the same by either reading
        ({"options": ["4", "2"], "label": "4"}, 0),  # no number of an option
        ({"options": ["1", "0"], "label": 1}, 1),  # a number among texts, as in MMLU
        ({"options": [3, 4], "label": 1}, 1),
    ],
)
def test_an_option_is_right_by_its_text_its_number_or_its_letter(row, gold):
    assert choice_task("{text} It was", ["options"]).gold({"text": "a", **row}) == gold


@pytest.mark.parametrize(
    ("options", "label", "remedy"),
    [
        (["1", "0"], "1", "the letter"),
        (["2", " 4", "1"], "2", "the letter"),
        ([1, 0], 1, "the letter"),
        ([1, 0], "0", "the letter"),
        (["B", "A"], "A", "its number"),
    ],
)
def test_a_label_that_is_one_option_by_its_text_and_another_by_its_place_is_refused(options, label, remedy):
    with pytest.raises(ValueError, match=rf"`label` must mean one option, .* text of option \d .*: give {remedy}"):
        choice_task("{text} It was", ["options"]).gold({"text": "a", "options": options, "label": label})


@pytest.mark.parametrize("options", [["dull", "dull"], ["dull", "great", " dull "], [3, "3"]])
def test_options_that_are_alike_are_refused_as_each_would_be_right(options):
    row = {"text": "a", "options": options, "label": 0}
    with pytest.raises(ValueError, match=r"`options` must be different texts, got .* in options: mend or drop the row"):
        choice_task("{text} It was", ["options"]).gold(row)
    with pytest.raises(ValueError, match="`options` must be different columns, got a, a: name each once"):
        choice_task("{text} It was", ["a", "a"])


@pytest.mark.parametrize("label", [0, "0", 0.0, 6, "6", "great"])
def test_where_the_label_words_are_numbers_no_number_is_a_place_among_them(label):
    stars = custom_task("{text} Stars:", ("1", "2", "3", "4", "5"))
    assert [stars.gold({"label": star}) for star in (1, "1", "5", 5.0)] == [0, 0, 4, 4]
    assert custom_task("{text}", ("1", "0")).gold({"label": "1"}) == 0
    with pytest.raises(ValueError, match="`label` must be one of 1, 2, 3, 4, 5, as these are numbers themselves, got"):
        stars.gold({"label": label})


@pytest.mark.parametrize("options", [["?", "great"], ["great", "!)"]])
def test_an_answer_without_a_token_of_its_own_is_refused_and_not_learnt_as_nothing(tokenizer, options):
    row = {"text": "a fine film", "options": options, "label": 0}
    encoder = Encoder(choice_task("{text} (", ["options"]), tokenizer, row)  # "(" and "(?" are one unknown token each
    assert len(encoder.encode_with_answer(row, options.index("great")).targets) == 1
    with pytest.raises(ValueError, match=r"an answer must have at least one token of its own, got none from .* drop"):
        encoder.encode_options(row)


def test_options_may_stand_in_columns_of_their_own():
    task = choice_task("{q}\n", ["a", "b", "c"], "right")
    assert task.candidates({"q": "?", "a": "x", "b": " y ", "c": "z", "right": 2}) == ("x", "y", "z")
    assert task.required_columns() == ("q", "a", "b", "c", "right")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda: completion_task("{text} {output}", "output"),
            "`prompt` must not show the answer, and {output} is the",
        ),
        (
            lambda: completion_task("{text} ", "output"),
            "`prompt` must end without a space, .* belongs to the completion",
        ),
        (lambda: completion_task("text", "output"), "`prompt` must hold a column in braces"),
        (lambda: completion_task("{text} {mask}", "output"), "`prompt` must end where the answer follows"),
        (lambda: completion_task("{text}", " "), "`completion` must name a column, got ' '"),
        (lambda: completion_task("{text}", "a\udce9"), "`completion` must be text, got .* half of a character"),
        (lambda: completion_task("{text}", "output", metric="bleu"), "`metric` must be one of likelihood, f1, exact-m"),
        (lambda: choice_task("{text} {label}", ["a", "b"]), "`prompt` must not show the answer"),
        (lambda: choice_task("{text}", []), "`options` must name a column, got ''"),
        (lambda: chat_task(""), "`messages` must name a column, got ''"),
        (lambda: completion_task("{text}", "o").gold({"o": " "}), "the column 'o' must hold a text, got ' ': mend or"),
        (lambda: completion_task("{text}", "o").gold({"o": []}), "the column 'o' must hold a text"),
        (
            lambda: completion_task("{text}", "o").gold({"o": b"a"}),
            "the column 'o' must hold text or a number, got a va",
        ),
        (
            lambda: completion_task("{text}", "o").gold({"o": {"a": 1}}),
            "the column 'o' must hold text or a number, got n",
        ),
        (lambda: completion_task("{text}", "o", metric="f1").gold({"o": "a\nb"}), "texts of one line .* by f1, got 'a"),
        (
            lambda: choice_task("{text}", ["o"]).candidates({"o": ["a"]}),
            r"`options` must be two texts or more, got \['a",
        ),
        (
            lambda: choice_task("{t}", ["o"]).gold({"o": ["a", "b"], "label": "C"}),
            "`label` must be the text of an option, its number from 0 to 1 or its letter from A, got 'C'",
        ),
        (
            lambda: choice_task("{t}", ["o"]).gold({"o": ["a", "b"], "label": -1}),
            "`label` must be the text of an option",
        ),
    ],
)
def test_what_a_task_of_ones_own_has_wrong_is_said(made, message):
    with pytest.raises(ValueError, match=message):
        made()


@pytest.fixture
def data(tmp_path, speaker, speaking):
    """A folder with the model, and files of each form with sixty rows."""
    speaking.save_pretrained(tmp_path / "model")
    speaker.save_pretrained(tmp_path / "model")
    words = ("fine", "dull", "great", "no")
    rows = []
    for number in range(60):
        text, answer = f"a {words[number % 4]} film {number}", words[(number + 1) % 4]
        chat = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
        rows.append(
            {
                "instruction": text,
                "output": answer,
                "messages": chat,
                "choices": list(words),
                "right": "ABCD"[number % 4],
            }
        )
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


@pytest.mark.parametrize(
    ("own", "metric"),
    [
        (["--prompt", "{instruction}\nAnswer:", "--completion", "output"], "likelihood"),
        (["--prompt", "{instruction}:", "--completion", "output", "--metric", "f1"], "f1"),
        (["--messages", "messages"], "likelihood"),
        (["--prompt", "{instruction}?", "--options", "choices", "--label", "right"], "accuracy"),
        (["--prompt", "{instruction}?", "--words", "very good,負面", "--label", "half"], "accuracy"),
    ],
)
def test_each_trains_and_is_judged_from_the_command_line(data, own, metric, capsys):
    rows = [json.loads(line) for line in (data / "rows.jsonl").read_text().splitlines()]
    halves = [{**row, "half": number % 2} for number, row in enumerate(rows)]
    (data / "rows.jsonl").write_text("\n".join(map(json.dumps, halves)))
    sizes = ["--shots", "8"] if "--words" in own else []
    common = ["--model", str(data / "model"), "--data", str(data / "rows.jsonl"), "--device", "cpu", "--out"]
    steps = ["--steps", "4", "--every", "2", "--batch", "4", "--lr", "1e-3"]
    assert main(["finetune", *common, str(data / "out"), *own, *steps, *sizes]) == 0, capsys.readouterr()
    result = json.loads((data / "out" / "result.json").read_text())
    assert result["test"]["metric"] == metric and len(result["test"]["each"]) == 12
    assert all(math.isfinite(loss) for _, loss in result["losses"])
    assert main(["replay", str(data / "out"), "--out", str(data / "rebuilt")]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_training_on_completions_makes_them_likelier(speaking, speaker):
    from mezo_lab.curvature import gradient
    from mezo_lab.finetune.training.objectives import batch_loss

    encoder = Encoder(completion_task("{text} It was", "output"), speaker, ROWS[0])
    before = evaluate(speaking, encoder, ROWS).value
    parameters = list(speaking.parameters())
    loss = batch_loss(speaking, encoder, encode_examples(encoder, ROWS))
    for _ in range(5):
        with torch.no_grad():
            for parameter, slope in zip(parameters, gradient(parameters, loss), strict=True):
                parameter -= 0.1 * slope
    assert evaluate(speaking, encoder, ROWS).value > before


def test_the_row_with_a_wrong_chat_is_named(data, capsys):
    rows = [json.loads(line) for line in (data / "rows.jsonl").read_text().splitlines()]
    rows[6]["messages"] = rows[6]["messages"][:1]
    (data / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    common = ["--model", str(data / "model"), "--data", str(data / "rows.jsonl"), "--out", str(data / "out")]
    assert main(["finetune", *common, "--messages", "messages"]) == 2
    assert "row 7 of --data: the column 'messages' must hold a list of at least two" in capsys.readouterr().err


def test_a_tokenizer_of_another_model_is_told_before_a_step(data, speaker, capsys, folder):
    where = folder("llama")  # of 24 tokens
    speaker.save_pretrained(where)
    common = ["--model", where, "--data", str(data / "rows.jsonl"), "--device", "cpu", "--out", str(data / "out")]
    assert main(["finetune", *common, "--messages", "messages", "--steps", "1"]) == 2
    assert "--model must have a tokenizer of its own, and token 2" in capsys.readouterr().err
