"""The table reads well at 120 columns, without colour, and shouts what failed."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from mezo_lab.claims import claim_named
from mezo_lab.claims.decision import MARGIN
from mezo_lab.claims.selection import Job
from mezo_lab.report import print_verdicts, summary
from mezo_lab.report.table import TableWriter, plain_table, rich_table
from mezo_lab.sampling import LAWS


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
    totals = summary([*verdicts, refuted])
    assert lines[-2:] == [str(totals), totals.finer]
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
    assert line.index("✓ CONSISTENT") == head.index("status") and line.index("a +") == head.index("decoys: dist.")


def test_without_rich_all_is_shown_as_plain_text(verdicts, refuted, monkeypatch, capsys):
    monkeypatch.setattr("mezo_lab.report.table.find_spec", lambda name: None)
    print_verdicts([*verdicts, refuted])
    lines = capsys.readouterr().out.splitlines()
    assert "\n".join(lines).startswith(plain_table([*verdicts, refuted]))
    assert any(line.startswith("A2 norm-factor: With the gaussian law at d = 6, n = 2") for line in lines)
    totals = summary([*verdicts, refuted])
    assert lines[-2:] == [str(totals), totals.finer]


def writer(jobs) -> tuple[TableWriter, io.StringIO]:
    text = io.StringIO()
    return TableWriter(jobs, Console(file=text)), text


@pytest.fixture
def planned() -> list[Job]:
    """Two claims, the first of two rows."""
    sets = [("norm-factor", "gaussian", {"dim": 6, "probes": 2}), ("norm-factor", "uniform", {"dim": 6, "probes": 2})]
    return [Job(claim_named(name), LAWS[law], setting) for name, law, setting in [*sets, ("unbiased", "sphere", EIGHT)]]


EIGHT = {"dim": 8, "probes": 2}


def test_a_claim_is_printed_as_soon_as_its_verdicts_and_those_before_it_are_ready(verdicts, planned):
    table, text = writer(planned)
    table.add(2, verdicts[2])
    table.add(0, verdicts[0])
    assert text.getvalue() == ""
    table.add(1, verdicts[1])
    assert [line for line in text.getvalue().splitlines() if line.startswith("A")] == [
        "A2 norm-factor  decoys a: (d+n−1)/n   b: (d+n+1)/n",
        "A1 unbiased  decoys a: z with tied coordinates",
    ]
    assert table.verdicts == verdicts[:3]


def test_the_order_in_which_verdicts_are_ready_changes_no_letter_of_the_table(verdicts, planned):
    printed = []
    for order in ([0, 1, 2], [2, 1, 0]):
        table, text = writer(planned)
        for index in order:
            table.add(index, verdicts[index])
        table.end()
        printed.append(text.getvalue())
    assert printed[0] == printed[1] and "3 verdicts: 3 passed" in printed[0]


def test_a_run_that_ends_early_shows_the_verdicts_that_are_ready(verdicts, planned):
    table, text = writer(planned)
    table.add(1, verdicts[1])
    table.add(2, None)  # left out, for want of a package
    table.end()
    assert "uniform" in text.getvalue() and "1 claim, 1 verdict: 1 passed" in text.getvalue()
    assert "unbiased" not in text.getvalue()


def test_a_run_without_a_verdict_prints_no_table(planned):
    table, text = writer(planned)
    table.add(0, None)
    table.end()
    assert text.getvalue() == ""


def test_the_rows_of_a_run_under_way_stand_where_those_of_a_finished_one_do(verdicts, planned):
    table, text = writer(planned)
    for index in range(3):
        table.add(index, verdicts[index])
    heads, *lines = text.getvalue().splitlines()
    assert {line.index("✓") for line in lines if "✓" in line} == {heads.index("status")}


def test_twice_the_resolution_is_said_to_take_four_times_the_draws_that_were_planned(verdicts):
    planned = replace(verdicts[0], seconds=10.0, scales=True, resolution=verdicts[0].detectable * MARGIN**0.5)
    fixed = replace(planned, scales=False)
    assert summary([planned, fixed]).seconds_at_half == pytest.approx(4 * 10 + 10)
    assert summary([planned, fixed]).finer.startswith(
        "Twice the resolution would take about 50 s of computing in place"
    )
    assert summary([fixed]).finer == ""


def test_a_decoy_that_decides_the_number_of_draws_makes_a_finer_resolution_cheaper(verdicts):
    generous = replace(verdicts[0], seconds=10.0, resolution=3 * verdicts[0].detectable)
    assert 10 <= summary([generous]).seconds_at_half < 20
