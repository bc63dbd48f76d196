"""The parts of README.md and docs/ that commands rewrite: each block is a function of the records under `results/`."""
