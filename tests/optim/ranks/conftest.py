"""The files here are programs that torchrun starts, not tests: test_ranks.py reads what they write."""

collect_ignore = ["agreeing.py", "bed.py", "failing.py", "scenes.py"]
