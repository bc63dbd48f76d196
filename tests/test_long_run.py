"""The long run is begun, cut, published, carried and shown, here on a random model; and it makes room for others."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import accuracy
import long_run
import pages
import pytest
import quiet
from blocks import long_run as block

from mezo_lab.finetune.run_folder import LOG, RESULT, VALIDATION, read_run_config
from mezo_lab.finetune.training.callbacks import ProgressCallback
from mezo_lab.optim.log import LogWriter, StepRecord, read_log

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[1]
WORDS = ["great", "fine", "film", "a", "plot", "wit", "no", "dull", "terrible", "It", "was", "Ġ"]


@pytest.fixture
def settings(tmp_path) -> dict:
    """A random Llama of two layers, and reviews of seven words."""
    tokenizers, transformers = pytest.importorskip("tokenizers"), pytest.importorskip("transformers")
    vocabulary = {word: index for index, word in enumerate([*WORDS, *(f"Ġ{word}" for word in WORDS)])}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="Ġ"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = transformers.LlamaConfig(vocab_size=len(vocabulary), bos_token_id=0, eos_token_id=0, **sizes)
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path / "model")
    lines = ["text,label"]
    for number in range(96):
        ends = ("dull", "great")
        digits = [WORDS[number >> shift & 7] for shift in (0, 2, 4)]
        lines.append(" ".join([*digits, WORDS[number % 7], ends[number % 2]]) + f",{number % 2}")
    (tmp_path / "reviews.csv").write_text("\n".join(lines))
    task = {"prompt": "{text} It was", "words": ("terrible", "great"), "data": str(tmp_path / "reviews.csv")}
    own = {"model": str(tmp_path / "model"), "shots": 4, "validation": 8, "test": 8, "batch": 4, "device": "cpu"}
    return task | own


@pytest.fixture
def places(tmp_path) -> long_run.Places:
    (tmp_path / "root/results").mkdir(parents=True)
    shutil.copyfile(ROOT / "results/finetune.json", tmp_path / "root/results/finetune.json")
    return long_run.Places(tmp_path / "root")


def interrupting(step: int):
    on_step_end = ProgressCallback.on_step_end

    def interrupted(self, args, state, control, **others):
        if state.global_step == step:
            raise RuntimeError("cut")
        on_step_end(self, args, state, control, **others)

    return interrupted


def steps(folder: Path) -> list:
    return [item for item in read_log(folder / LOG) if isinstance(item, StepRecord)]


def write_rates(places, *rows):
    """Short runs: (rate, schedule, validation accuracies)."""
    kinds = {"method": "mezo", "tuning": "full", "objective": "loss"}
    records = [
        kinds | {"lr": lr, "schedule": schedule, "validation": [[25 * i, value] for i, value in enumerate(values)]}
        for lr, schedule, values in rows
    ]
    (places.root / long_run.RATES).parent.mkdir(parents=True, exist_ok=True)
    (places.root / long_run.RATES).write_text(json.dumps({"rows": records}))


def test_the_rate_is_the_largest_constant_one_under_which_validation_never_fell(places):
    short = (1e-5, "constant", (0.5, 0.6)), (3e-5, "constant", (0.5, 0.7)), (1e-4, "constant", (0.8, 0.7))
    write_rates(places, *short, (1e-3, "linear", (0.5, 0.9)))
    assert long_run.chosen(places.root) == {"lr": 3e-5, "schedule": "constant"}
    table = block.trials(places.root)
    assert "| 3e-05 | constant | 50.0 | 70.0 |" in table and "| 0.001 | linear | " in table
    write_rates(places, short[-1])
    with pytest.raises(LookupError, match="has no constant rate whose validation never fell"):
        long_run.chosen(places.root)


def test_the_committed_short_runs_choose_a_rate():
    assert long_run.chosen(ROOT) == {"lr": 3e-5, "schedule": "constant"}


def test_the_run_is_cut_published_carried_and_shown(places, settings, tmp_path, monkeypatch):
    length = settings | {"steps": 6, "every": 2}
    for root in (places, long_run.Places(tmp_path / "other")):
        write_rates(root, (1e-3, "constant", (0.5, 0.5)))
    whole = long_run.Places(tmp_path / "other")
    long_run.go_on(whole, length)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="cut"):
        patch.setattr(ProgressCallback, "on_step_end", interrupting(3))
        long_run.go_on(places, length)
    assert "has not begun" in block.long_run(places.root)
    long_run.write_curve(places)
    record = json.loads(places.record.read_text())["run"]
    assert (record["steps"], record["of"]) == (3, 6) and [point[0] for point in record["validation"]] == [0, 2]
    assert sum(file.stat().st_size for file in places.published.iterdir()) < 20_000
    page = block.long_run(places.root)
    assert "Step 3 of 6, learning rate 0.001, constant." in page and "Adam, backpropagation 85.1 %" in page
    block.draw(places.root)
    assert "in-context learning, test 78.6 %" in (places.root / block.FIGURE).read_text()
    shutil.rmtree(places.work)  # another machine
    long_run.go_on(places, length)
    long_run.publish(places)
    assert steps(places.published) == steps(whole.work)
    assert not list(places.published.glob("checkpoint-*")) and list(places.work.glob("checkpoint-*"))
    long_run.write_curve(places)
    run = json.loads(places.record.read_text())["run"]
    assert [point[0] for point in run["validation"]] == [0, 2, 4, 6] and 0 <= run["test"]["value"] <= 1
    assert "Test of the best: " in block.long_run(places.root)


def test_a_run_that_was_killed_before_its_log_had_a_step_begins_again(places, settings):
    write_rates(places, (1e-3, "constant", (0.5, 0.5)))
    length = settings | {"steps": 4, "every": 2}
    long_run.go_on(places, length)
    whole = steps(places.work)
    for checkpoint in places.work.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    (places.work / RESULT).unlink()
    header = read_log(places.work / LOG).header
    LogWriter(places.work / LOG, header, probes=1, groups=1, append=True, until=0).close()
    long_run.go_on(places, length)
    assert steps(places.work) == whole and (places.work / RESULT).exists()


def test_a_shorter_log_is_not_published_over_a_longer_one(places, settings, monkeypatch):
    write_rates(places, (1e-3, "constant", (0.5, 0.5)))
    long_run.go_on(places, settings | {"steps": 4, "every": 2})
    long_run.publish(places)
    shutil.rmtree(places.work)
    (places.published / RESULT).unlink()
    before = {file.name: file.read_bytes() for file in places.published.iterdir()}
    monkeypatch.setattr(long_run, "logged_steps", lambda folder: 1 if folder == places.work else 4)
    long_run.publish(places)
    assert {file.name: file.read_bytes() for file in places.published.iterdir()} == before
    assert VALIDATION in before and read_run_config(places.published).steps == 4


def test_before_the_run_has_begun_the_pages_say_how():
    block.draw(ROOT / "nowhere")
    assert not (ROOT / "nowhere").exists()


def test_the_long_run_is_no_row_of_the_table_of_methods(monkeypatch, tmp_path):
    (tmp_path / long_run.NAME).mkdir()
    (tmp_path / long_run.NAME / RESULT).write_text("{}")
    monkeypatch.setattr(accuracy, "RUNS", tmp_path)
    assert accuracy.summary() == {"rows": []}
    assert block.long_run in pages.PAGES["docs/finetuning.md"].values()


COUNT = """
import sys, time
while True:
    with open(sys.argv[1], "a") as file:
        file.write("x")
    time.sleep(0.02)
"""

SUPERVISE = """
import sys
from pathlib import Path
import long_run, quiet
quiet.POLL = 0.05
long_run.COPY_EVERY = 0.0
copies = Path(sys.argv[3])
command = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
sys.exit(long_run.supervised(command, lambda: copies.open("a").write("x"), Path(sys.argv[4])))
"""


@pytest.fixture
def supervisor(tmp_path):
    """A process that supervises one that counts in a file; tells how far that has come."""
    count, copies, folder = tmp_path / "count", tmp_path / "copies", tmp_path / "quiet"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"}
    words = [sys.executable, "-c", SUPERVISE, COUNT, str(count), str(copies), str(folder)]
    process = subprocess.Popen(words, env=environment)
    until(lambda: count.exists() and copies.exists())
    yield process, lambda: count.stat().st_size, folder
    process.kill()
    process.wait()


def until(holds) -> None:
    while not holds():  # a run that hangs is ended by whoever runs the tests
        time.sleep(0.02)


def stands_still(count) -> bool:
    before = count()
    time.sleep(0.3)
    return count() == before


def test_the_run_stands_still_while_something_is_measured_and_then_goes_on(supervisor, monkeypatch):
    _, count, folder = supervisor
    monkeypatch.setattr(quiet, "POLL", 0.05)
    with quiet.quiet(folder):
        until(lambda: stands_still(count))
        assert stands_still(count)
    last = count()
    until(lambda: count() > last)


def test_a_mark_of_a_process_that_has_ended_asks_for_nothing(tmp_path):
    assert not quiet.is_asked_for(tmp_path / "none")
    (tmp_path / str(os.getpid())).touch()  # its number is that of another process now, which holds nothing
    assert not quiet.is_asked_for(tmp_path)
    (tmp_path / "by-hand").touch()
    assert quiet.is_asked_for(tmp_path)


def test_a_disk_that_is_full_does_not_end_the_run(capsys):
    def copies():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    long_run._tried(copies)
    assert "the files of the run were not copied: [Errno 28] No space left on device" in capsys.readouterr().err


def test_nobody_waits_where_no_long_run_is(tmp_path, monkeypatch):
    monkeypatch.setattr(quiet.time, "sleep", lambda seconds: pytest.fail("waits"))
    with quiet.quiet(tmp_path):
        assert quiet.is_asked_for(tmp_path)
    assert not quiet.is_asked_for(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("still", [False, True])
def test_the_run_ends_with_its_supervisor(number, still, supervisor):
    process, count, folder = supervisor
    if still:
        (folder / "by-hand").touch()
        until(lambda: stands_still(count))
    process.send_signal(number)
    process.wait()
    until(lambda: stands_still(count))
    (folder / "by-hand").unlink(missing_ok=True)
    assert stands_still(count)
