"""The table reads well at 120 columns, without colour, and shouts what failed."""

import io
import re

import pytest
from rich.console import Console

from mezo_lab.report import print_verdicts, summary
from mezo_lab.report.table import plain_table, rich_table


def printed(verdicts, width: int = 120, **console) -> str:
    out = Console(file=io.StringIO(), width=width, **console)
    out.print(rich_table(verdicts))
    return out.file.getvalue()  # type: ignore[attr-defined]


def row(text: str, *words: str) -> str:
    (found,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return found


def test_a_row_holds_the_whole_verdict(verdicts):
    line = row(printed(verdicts), "gaussian", "d=6 n=2 ", "4.5")
    decoy = f"a +{verdicts[0].decoys[0].z_score:.0f}"
    for cell in ("4.5", str(verdicts[0].estimate), "✓ CONSISTENT", decoy, "∎ proved"):
        assert cell in line


@pytest.mark.parametrize("width", [120, 150])
def test_a_verdict_takes_one_line(verdicts, underpowered, width):
    lines = printed([*verdicts, underpowered], width).splitlines()
    assert max(map(len, lines)) <= width
    assert len([line for line in lines if re.search("✓|✗|[?] UNDER", line)]) == len(verdicts) + 1
    assert len([line for line in lines if line.strip()]) == 1 + 4 + len(verdicts) + 1  # heads, claims, verdicts


def test_nothing_is_cut_where_the_terminal_is_narrow(verdicts):
    narrow, wide = printed(verdicts, width=80), printed(verdicts, width=120)
    assert max(map(len, narrow.splitlines())) == 80
    assert sorted(narrow.split()) == sorted(wide.split())  # wrapped between words only


def test_the_decoys_of_a_claim_are_spelled_out_above_its_rows(verdicts):
    assert "A2 norm-factor  decoys a: (d+n−1)/n   b: (d+n+1)/n" in printed(verdicts)
    assert "A1 unbiased  decoys a: z with tied coordinates" in printed(verdicts)


def test_the_status_is_readable_without_colour(verdicts, refuted, underpowered):
    text = printed([*verdicts, refuted, underpowered], no_color=True)
    assert "✗ REFUTED" in row(text, " 5.5 ")
    assert "? UNDERPOWERED" in text
    assert "\x1b" not in text


def test_a_decoy_that_is_not_refuted_is_loud(verdicts, fooled):
    assert "✗ a NOT REFUTED +3.0" in printed([fooled])
    assert "\x1b[1;7;31m✗ a NOT REFUTED" in printed([fooled], force_terminal=True, color_system="standard")
    assert "NOT REFUTED" not in printed(verdicts)


def test_a_bound_is_marked(verdicts):
    assert "≤ −0.0833333" in row(printed(verdicts), "falling")


def test_the_summary_is_one_line(verdicts, refuted):
    line = str(summary([*verdicts, refuted]))
    assert line.startswith("4 claims, 7 verdicts: 6 passed, 1 failed. ") and "\n" not in line
    assert " decoys refuted, 1 proof, " in line and line.endswith(" s.")


def test_what_is_shown_ends_with_the_failures_and_the_summary(verdicts, refuted):
    out = Console(file=io.StringIO(), width=40)  # no terminal, so wider than that
    print_verdicts([*verdicts, refuted], out)
    lines = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[-1] == str(summary([*verdicts, refuted]))
    assert any(line.startswith("A2 norm-factor: With the gaussian law at d = 6, n = 2") for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_nothing_is_said_of_verdicts_that_passed(verdicts):
    out = Console(file=io.StringIO())
    print_verdicts(verdicts, out)
    assert "With the" not in out.file.getvalue()  # type: ignore[attr-defined]


def test_plain_text_says_what_rich_says(verdicts, refuted, underpowered, fooled):
    every = [*verdicts, refuted, underpowered, fooled]
    assert plain_table(every).split() == printed(every, width=150).split()
    assert "\x1b" not in plain_table(every)


def test_plain_columns_stand_under_their_heads(verdicts):
    head, *_ = plain_table(verdicts).splitlines()
    line = row(plain_table(verdicts), "gaussian", "d=6 n=2 ", "4.5")
    assert line.index("✓ CONSISTENT") == head.index("status") and line.index("a +") == head.index("decoys: z")


def test_without_rich_all_is_shown_as_plain_text(verdicts, refuted, monkeypatch, capsys):
    monkeypatch.setattr("mezo_lab.report.table.find_spec", lambda name: None)
    print_verdicts([*verdicts, refuted])
    lines = capsys.readouterr().out.splitlines()
    assert "\n".join(lines).startswith(plain_table([*verdicts, refuted]))
    assert any(line.startswith("A2 norm-factor: With the gaussian law at d = 6, n = 2") for line in lines)
    assert lines[-1] == str(summary([*verdicts, refuted]))
