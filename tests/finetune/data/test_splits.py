"""The three sets never meet, the test set never moves, and the sizes are those that were asked for."""

import random
from collections import Counter

import pytest

from mezo_lab.finetune.data.splits import _first_of_each_class, draw_splits
from mezo_lab.finetune.tasks import custom_task, task_named

TASK = custom_task("{text} It was", ("bad", "good"))


def films(count, labels=2, start=0):
    return [{"text": f"film {number}", "label": number % labels} for number in range(start, start + count)]


def texts(*sets):
    return [row["text"] for rows in sets for row in rows]


def overlap(parts):
    """How many texts stand in more than one place."""
    said = [" ".join(text.split()).casefold() for text in texts(*parts)]
    return len(said) - len(set(said))


def parts(found):
    return found.train, found.validation, found.test


@pytest.mark.parametrize("shots", [1, 16])
def test_shots_are_counted_for_each_class_and_validated_by_as_many(shots):
    found = draw_splits(TASK, films(200), shots=shots, test=50, seed=0)
    for part in (found.train, found.validation):
        assert Counter(row["label"] for row in part) == {0: shots, 1: shots}
    assert len(found.test) == 50
    assert str(found) == f"{2 * shots} train, {2 * shots} validation, 50 test"


def test_a_given_number_of_validation_examples_is_counted_in_all():
    found = draw_splits(TASK, films(200), shots=5, validation=33, test=50, seed=0)
    assert [len(part) for part in parts(found)] == [10, 33, 50]
    assert draw_splits(TASK, films(200), shots=5, validation=0, test=50, seed=0).validation == ()


@pytest.mark.parametrize("sizes", [{"shots": 512}, {"shots": 16}, {"train": 512}])
def test_a_given_number_of_validation_examples_has_the_classes_as_the_data_have_them(sizes):
    for seed in range(10):
        found = draw_splits(TASK, films(8000), validation=100, test=100, seed=seed, **sizes).validation
        good = sum(row["label"] for row in found)
        assert abs(good - 50) <= 5 * 5  # 5 standard deviations of 100 fair draws


def test_the_first_rows_that_shots_leave_would_be_of_one_class():
    rows = films(8000)
    random.Random(0).shuffle(rows)
    _, left = _first_of_each_class(TASK, rows, 512)
    assert len({row["label"] for row in left[:20]}) == 1


def test_train_is_counted_in_all_as_for_opt():
    found = draw_splits(TASK, films(200), train=100, validation=30, test=50, seed=0)
    assert [len(part) for part in parts(found)] == [100, 30, 50]
    assert len(draw_splits(TASK, films(200), train=70, test=50, seed=0).validation) == 70


@pytest.mark.parametrize("sizes", [{"shots": 8}, {"shots": 8, "validation": 20}, {"train": 30, "validation": 20}])
def test_no_text_stands_in_two_sets(sizes):
    repeated = films(100) + [{"text": f" FILM  {number}", "label": number % 2} for number in range(100)]
    found = draw_splits(TASK, repeated, test=30, seed=1, **sizes)
    assert overlap(parts(found)) == 0
    assert overlap((found.train, found.validation, repeated)) > 0


def test_a_draw_that_looks_at_rows_and_not_at_texts_would_overlap():
    """The control of the test above: the same rows, cut without the rule."""
    order = films(100) + films(100)
    random.Random(0).shuffle(order)
    assert overlap((order[:30], order[30:50], order[50:80])) > 0


def test_a_training_row_with_the_text_of_a_test_example_is_left_out():
    found = draw_splits(TASK, films(60), train=20, validation=20, test=20, seed=0, test_rows=films(40, start=40))
    assert overlap(parts(found)) == 0
    both = [row for row in films(60) if row in found.test]
    assert both, "no test example is a training row, so this test would pass by itself"


@pytest.mark.parametrize("test_rows", [None, films(60, start=1000)])
def test_the_test_set_is_the_same_for_every_seed_and_size(test_rows):
    drawn = [
        draw_splits(TASK, films(300), test=40, seed=seed, test_rows=test_rows, **sizes).test
        for seed in (0, 1, 87)
        for sizes in ({"shots": 4}, {"shots": 32}, {"train": 60, "validation": 10})
    ]
    assert all(test == drawn[0] for test in drawn)
    assert draw_splits(TASK, films(300), test=10, seed=5, shots=4, test_rows=test_rows).test == drawn[0][:10]


def test_a_seed_fixes_the_draw_and_another_changes_it():
    one, same, other = (draw_splits(TASK, films(300), shots=16, test=40, seed=seed) for seed in (3, 3, 4))
    assert one == same
    assert set(texts(one.train)) != set(texts(other.train))


def test_more_shots_of_one_seed_hold_the_fewer():
    few, many = (draw_splits(TASK, films(300), shots=shots, test=40, seed=0) for shots in (4, 16))
    assert set(texts(few.train)) < set(texts(many.train))


def test_the_global_generator_is_left_alone():
    state = random.getstate()
    draw_splits(TASK, films(100), shots=4, test=10, seed=0)
    assert random.getstate() == state


def test_the_classes_are_mixed_in_the_order_of_training():
    labels = [row["label"] for row in draw_splits(TASK, films(300), shots=32, test=40, seed=0).train]
    assert labels not in (sorted(labels), sorted(labels, reverse=True))


def test_fewer_test_rows_than_asked_are_all_taken_from_a_set_of_their_own():
    assert len(draw_splits(TASK, films(100), shots=4, test=1000, seed=0, test_rows=films(30, start=500)).test) == 30


def test_rows_without_a_label_are_left_out():
    snli = task_named("snli")
    rows = [{"premise": f"p {number}", "hypothesis": "h", "label": number % 4 - 1} for number in range(200)]
    found = draw_splits(snli, rows, shots=10, test=20, seed=0)
    assert {row["label"] for part in parts(found) for row in part} == {0, 1, 2}


def test_questions_about_one_passage_are_different_rows():
    record = task_named("record")
    rows = [
        {
            "passage": "Ann met Bob.",
            "query": f"@placeholder did {number}.",
            "entities": ["Ann", "Bob"],
            "answers": ["Ann"],
        }
        for number in range(20)
    ]
    assert [len(part) for part in parts(draw_splits(record, rows, train=10, validation=5, test=5, seed=0))] == [
        10,
        5,
        5,
    ]


def test_free_text_is_split_without_classes():
    drop = task_named("drop")
    rows = [
        {"passage": "They won.", "question": f"By {number}?", "answers_spans": {"spans": ["2"]}} for number in range(20)
    ]
    assert len(draw_splits(drop, rows, train=10, test=5, validation=5, seed=0).train) == 10
    with pytest.raises(ValueError, match="row 21 of `train_rows`: a row must have at least one right answer"):
        draw_splits(drop, [*rows, rows[0] | {"answers_spans": {"spans": []}}], train=10, test=5, validation=5, seed=0)
    with pytest.raises(
        ValueError, match="`shots` must be left out for drop, which has no classes, got 4: give `train`"
    ):
        draw_splits(drop, rows, shots=4, test=5, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shots": 1, "train": 1}, "`shots` or `train` must be given, and not both, got 1 and 1"),
        ({"shots": 0}, "`shots` must be at least 1, got 0"),
        ({"train": 0}, "`train` must be at least 1, got 0"),
        ({"shots": 4, "test": 0}, "`test` must be at least 1, got 0"),
        ({"shots": 4, "validation": -1}, "`validation` must be at least 0, got -1"),
        ({"shots": 4, "seed": -1}, "`seed` must be at least 0, got -1"),
        (
            {"shots": 46},
            r"`shots` must leave enough of every class .*, got 46 where 4\d different rows with label [01]",
        ),
        (
            {"shots": 30},
            r"`shots` must leave enough of every class to train and to validate, got 30 where 1\d different",
        ),
        (
            {"shots": 4, "test": 101},
            "`test` must be at most the 100 different rows that are left, got 101: ask for fewer",
        ),
        ({"train": 91}, "`train` must be at most the 90 different rows that are left, got 91"),
        ({"train": 80, "validation": 11}, "`validation` must be at most the 10 different rows that are left, got 11"),
        ({"train": 50}, "`validation` must be at most the 40 different rows that are left, got 50"),
        ({"shots": 20, "validation": 51}, "`validation` must be at most the 50 different rows that are left, got 51"),
    ],
)
def test_sizes_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_splits(TASK, films(100), **{"test": 10, "seed": 0, **arguments})


@pytest.mark.parametrize(
    ("rows", "test_rows", "validation", "sizes"),
    [
        (films(60), None, None, (24, 24, 12)),
        (films(60) * 9, None, None, (24, 24, 12)),
        (films(60), films(30, start=57), None, (28, 28, 30)),
        (films(60) + films(1), None, 8, (40, 8, 12)),
        (films(9_000), None, None, (1000, 1000, 1000)),
    ],
)
def test_without_a_size_the_different_rows_are_shared_out(rows, test_rows, validation, sizes):
    found = draw_splits(TASK, rows, validation=validation, test_rows=test_rows, seed=0)
    assert tuple(map(len, parts(found))) == sizes and not overlap(parts(found))


def test_repeated_rows_do_not_fill_a_size():
    with pytest.raises(ValueError, match="at most the 90 different rows"):
        draw_splits(TASK, films(100) * 3, train=91, test=10, seed=0)


@pytest.mark.parametrize("sizes", [{"shots": 2}, {"train": 4}])
def test_one_class_alone_is_refused(sizes):
    with pytest.raises(ValueError, match=r"must hold two labels or more .*, got only 0 \(bad\) in 90 rows"):
        draw_splits(TASK, films(100, labels=1), test=10, seed=0, **sizes)
    with pytest.raises(ValueError, match=r"got 2 where 0 different rows with label 2 \(fine\)"):
        draw_splits(custom_task("{text} is", ("bad", "good", "fine")), films(100), shots=2, test=10, seed=0)


def test_training_rows_that_are_all_test_rows_are_told_as_that_and_not_as_one_class():
    with pytest.raises(
        ValueError, match="must hold texts that are not in `test_rows`, and all 60 are: give other rows"
    ):
        draw_splits(TASK, films(60), shots=4, test=1000, seed=0, test_rows=films(100))


@pytest.mark.parametrize("label", [2, "great", None])
def test_a_label_that_is_none_is_refused_with_its_row(label):
    rows = [*films(6), {"text": "a film", "label": label}, *films(9)]
    with pytest.raises(
        ValueError, match=r"^row 7 of `train_rows`: `label` must be a number from 0 to 1 or one of bad, good"
    ):
        draw_splits(TASK, rows, shots=1, test=2, seed=0)
    with pytest.raises(ValueError, match=r"^row 7 of `test_rows`"):
        draw_splits(TASK, films(100), shots=1, test=2, seed=0, test_rows=rows)
