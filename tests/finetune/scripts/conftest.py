"""The files here are programs, not tests: test_script.py and test_ranks.py run them."""

collect_ignore = ["ranks.py", "sequence_classification.py"]
