"""The settings are those of the paper's tables, and fit its tasks."""

import pytest

from mezo_lab.finetune.tasks import PRESETS, TASKS, preset_named

# Tables 15 and 16, transcribed a second time: (learning rates, ε, batch, steps, weight decay)
TABLES = {
    ("roberta-large/sst2", "full"): ({1e-7, 1e-6, 1e-5}, 1e-3, 64, 100_000, 0),
    ("roberta-large/trec", "lora"): ({1e-5, 5e-5, 1e-4}, 1e-3, 64, 100_000, 0.1),
    ("roberta-large/mnli", "prefix"): ({1e-2, 5e-3, 1e-3}, 1e-1, 64, 100_000, 0),
    ("opt-13b/sst2", "full"): ({1e-6, 1e-7}, 1e-3, 16, 20_000, 0),
    ("opt-13b/copa", "lora"): ({1e-4, 5e-5}, 1e-2, 16, 20_000, 0),
    ("opt-13b/boolq", "prefix"): ({1e-2, 1e-3}, 1e-1, 16, 20_000, 0),
    ("opt-13b/squad", "full"): ({1e-6, 5e-7, 1e-7}, 1e-3, 16, 20_000, 0),
    ("opt-13b/drop", "lora"): ({1e-4, 5e-5, 1e-5}, 1e-2, 16, 20_000, 0),
    ("opt-13b/squad", "prefix"): ({5e-2, 1e-2, 5e-3}, 1e-1, 16, 20_000, 0),
}


@pytest.mark.parametrize(("name", "tuning"), TABLES)
def test_a_preset_holds_the_numbers_of_its_table(name, tuning):
    found = preset_named(f"paper/{name}", tuning)
    numbers = (set(found.learning_rates), found.epsilon, found.batch, found.steps, found.weight_decay)
    assert numbers == TABLES[name, tuning]
    assert (found.rank, found.alpha, found.tokens, found.probes, found.test) == (8, 16, 5, 1, 1000)
    assert found.tuning == tuning


def test_the_settings_differ_where_the_tables_do():
    """The control of the test above: one row read as another would be seen."""
    assert len({str(numbers) for numbers in TABLES.values()}) == len(TABLES)


def test_there_is_one_preset_for_each_task_and_tuning_of_either_model():
    assert len(PRESETS) == 3 * (6 + 11)
    assert all(preset.name == name and preset.task in TASKS for name, preset in PRESETS.items())
    assert all(preset.task in preset.name and preset.source.startswith("paper, Table") for preset in PRESETS.values())


def test_masked_models_have_tasks_with_a_mask():
    assert all(TASKS[preset.task].masked_prompt for preset in PRESETS.values() if "roberta" in preset.model)


def test_the_examples_are_counted_as_each_experiment_counts_them():
    roberta, opt, cb = map(preset_named, ("paper/roberta-large/snli", "paper/opt-13b/rte", "paper/opt-13b/cb"))
    assert (roberta.shots, roberta.train, roberta.validation) == (16, None, None)
    assert (opt.shots, opt.train, opt.validation) == (None, 1000, 500)
    assert (cb.train, cb.validation) == (150, 100)


def test_a_tuning_may_stand_in_the_name_or_beside_it():
    assert preset_named("paper/opt-13b/sst2/lora") is preset_named("paper/opt-13b/sst2", "lora")
    assert preset_named("paper/opt-13b/sst2/lora", "lora") is preset_named("paper/opt-13b/sst2/lora")
    assert preset_named("paper/opt-13b/sst2", "full") is preset_named("paper/opt-13b/sst2")


def test_a_name_or_tuning_that_is_none_is_answered():
    with pytest.raises(ValueError, match=r"`preset` must be .*got 'paper/opt-13b/sst-2': nearest paper/opt-13b/sst2"):
        preset_named("paper/opt-13b/sst-2")
    with pytest.raises(ValueError, match="`tuning` must be one of full, lora, prefix; got 'bitfit'"):
        preset_named("paper/opt-13b/sst2", "bitfit")
    with pytest.raises(
        ValueError, match=r"`tuning` must be that of the preset, .*/lora is lora, got 'full': leave one"
    ):
        preset_named("paper/opt-13b/sst2/lora", "full")
