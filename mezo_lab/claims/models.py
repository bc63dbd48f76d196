"""Section D, first part: the same two numbers, pg and zᵀg, on a real language model and real text. D1."""

PROBES_PER_CHUNK = 8  # probes between two reports of progress
SHIFTS = 4  # each pg is held against the zᵀg of this many later probes: uncorrelated products
