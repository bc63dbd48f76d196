"""The report is one sound HTML file: balanced, self-contained, named without collisions, and said in words."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from mezo_lab.proofs import prove
from mezo_lab.report import as_html, page
from mezo_lab.report.figures import alt_text
from mezo_lab.report.picture import inline_svg
from mezo_lab.report.prose import sentences

STYLE = Path(page.__file__).with_name("page.css")
ENVIRONMENT = {"date": "2025-01-01 00:00 UTC", "python": "3.11", "processor": "<made up>"}
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """What the tests ask of a page; an element closed out of turn is an error."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.headings: list[int] = []
        self.pictures: list[dict] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_startendtag(self, tag, attrs):
        self.note(tag, dict(attrs))

    def handle_starttag(self, tag, attrs):
        self.note(tag, dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def note(self, tag: str, given: dict) -> None:
        self.tags.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.targets += [given[name] for name in ("href", "src", "xlink:href") if name in given]
        self.targets += [f"#{name}" for value in given.values() for name in re.findall(r"url\(#([^)]*)\)", value or "")]
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.pictures += [given] if tag == "svg" and "aria-hidden" not in given else []


@pytest.fixture(scope="module")
def report(verdicts) -> str:
    return as_html(verdicts, ENVIRONMENT)


@pytest.mark.parametrize("text", ["<p><b></p></b>", "<div>", "</div>", "<ul><li></ul>"])
def test_unbalanced_markup_is_caught(text):
    with pytest.raises(AssertionError):
        Page(text)


def test_the_markup_is_balanced_and_starts_as_html5(report):
    assert report.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert Page(report).tags.count("main") == 1


def test_nothing_outside_the_file_is_asked_for(report):
    page = Page(report)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert [target for target in page.targets if not target.startswith("#")] == []
    assert "@import" not in report and "url(http" not in report


def test_every_id_is_unique_and_every_reference_has_its_target(report):
    page = Page(report)
    assert len(page.ids) == len(set(page.ids))
    assert {target[1:] for target in page.targets} <= set(page.ids)


def test_two_figures_with_the_same_content_share_no_id(verdicts):
    from mezo_lab.report.figures import claim_figure

    first, second = (inline_svg(claim_figure(verdicts, verdicts[0].claim), name, "alt") for name in ("one", "two"))
    assert Page(first).ids and not set(Page(first).ids) & set(Page(second).ids)


def test_headings_start_with_the_only_h1_and_skip_no_level(report):
    levels = Page(report).headings
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_picture_is_an_image_with_words(report, verdicts):
    pictures = Page(report).pictures
    assert all(picture.get("role") == "img" and picture.get("aria-label") for picture in pictures)
    labels = [picture["aria-label"] for picture in pictures]
    for claim in {verdict.claim.name: verdict.claim for verdict in verdicts}.values():
        assert labels.count(alt_text(verdicts, claim)) == 1
        assert labels.count(claim.statement) == 1


def test_every_verdict_is_told_in_words(report, verdicts):
    words = re.sub("<[^>]*>", "", report).replace("\N{NO-BREAK SPACE}", " ")
    assert [verdict for verdict in verdicts if sentences(verdict) not in words] == []


def test_a_proof_stands_under_its_claim_with_every_step(report):
    proof = prove("norm-factor", "gaussian")
    (folded,) = re.findall("<details>.*?</details>", report, re.DOTALL)  # the only verdict that says "proved"
    assert "Proof of norm-factor for the gaussian law" in folded and "∎" in folded
    assert folded.count("<li>") == len(proof.steps) == folded.count("<svg")


def test_proofs_may_be_given_or_left_out(verdicts):
    assert "<details>" not in as_html(verdicts, ENVIRONMENT, proofs=[])
    assert as_html(verdicts, ENVIRONMENT, proofs=[prove("low-rank", "sphere")]).count("<details>") == 1


def test_the_title_and_the_first_line_tell_the_exit_status(verdicts, refuted, report):
    assert "<title>✓ 6 of 6 verdicts passed" in report and "✓ All passed (exit status 0)" in report
    failed = as_html([*verdicts, refuted], ENVIRONMENT)
    assert "<title>✗ 6 of 7 verdicts passed" in failed and "✗ 1 failed (exit status 1): " in failed
    assert '<a href="#norm-factor">norm-factor</a></p>' in failed
    assert '<span class="badge REFUTED">✗ 2 of 3</span>' in failed and "badge REFUTED" not in report


def test_an_underpowered_claim_is_not_called_refuted(verdicts, underpowered):
    text = as_html([verdicts[0], underpowered], ENVIRONMENT)
    assert '<span class="badge UNDERPOWERED">? 1 of 2</span>' in text and "badge REFUTED" not in text


def test_the_environment_is_shown_and_escaped(report):
    assert "<li>processor: &lt;made up&gt;</li>" in report and "<made up>" not in report


def luminance(colour: str) -> float:
    channels = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_has_the_contrast_that_wcag_asks_for_in_both_schemes():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{6});", rules))
        for rules in re.findall(r":root {(.*?)}", STYLE.read_text(), re.S)[:2]
    ]
    assert len(schemes) == 2
    for scheme in schemes:
        for ink in ("ink", "muted", "link", "good", "bad", "unsure"):
            assert contrast(scheme[ink], scheme["paper"]) >= 4.5
        for status in ("good", "bad"):
            assert contrast(scheme[status], scheme[f"{status}-panel"]) >= 4.5


def test_a_pale_grey_would_fall_short():
    assert contrast("#aaaaaa", "#ffffff") < 4.5
