"""The validation page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from trainer.reports.page import count_text, share_text, value_text
from trainer.reports.validation_report import render_validation_report
from trainer.run.records import CheckResult

FACTS = {"Source": "s3://data/customers.csv", "Rows": "7,043"}
VOID = {"meta", "br"}


class Outline(HTMLParser):
    """The tags of a page, which must close in order, and what it would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def found(*, passed: bool = True, severity: str = "critical", column: str = "tenure", **more: Any) -> CheckResult:
    given = {"check": "expect_column_values_to_be_between", "dimension": "validity", "unexpected": 0, "share": 0.0}
    return CheckResult.model_validate({**given, "column": column, "severity": severity, "passed": passed, **more})


@pytest.mark.parametrize(
    ("results", "verdict", "kind"),
    [
        ([found(), found(passed=False), found(passed=False, severity="warning")], "Data refused", "bad"),
        ([found(), found(passed=False, severity="warning")], "Passed with 1 warning", "warn"),
        ([found(), found()], "Passed", "good"),
        ([], "Nothing was checked", "warn"),
    ],
    ids=["critical", "warning", "passed", "nothing"],
)
def test_the_verdict_comes_first(results: list[CheckResult], verdict: str, kind: str) -> None:
    page = render_validation_report("churn", results, FACTS)
    assert f'<div class="verdict {kind}" role="status"><strong>{verdict}</strong>' in page
    assert page.index("verdict ") < page.index("Source")
    assert f"<title>Data validation of churn: {verdict}</title>" in page


def test_failed_before_warnings_before_passed_by_dimension() -> None:
    results = [
        found(column="of_uniqueness", dimension="uniqueness"),
        found(column="of_completeness", dimension="completeness"),
        found(column="a_warning", passed=False, severity="warning"),
        found(column="a_failure", passed=False),
    ]
    page = render_validation_report("churn", results, FACTS)
    order = [page.index(name) for name in ("a_failure", "a_warning", "of_completeness", "of_uniqueness")]
    assert order == sorted(order)
    assert "Failed, critical (1)" in page
    assert "Warnings (1)" in page
    assert "Passed (2)" in page


def test_counts_shares_examples_and_what_was_expected() -> None:
    one = found(
        passed=False, unexpected=1234, share=0.1752, examples=[-1.0, 999], observed=7, message="expected max_value 5"
    )
    page = render_validation_report("churn", [one], FACTS)
    for text in ("1,234", "17.52 %", "<code>-1.0</code>", "<code>999</code>", "expected max_value 5; found 7", "7,043"):
        assert text in page


def test_data_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    one = found(passed=False, column=evil, examples=[evil], message=evil, observed={evil: evil})
    page = render_validation_report(evil, [one], {evil: evil})
    outline = Outline(page)
    assert "script" not in outline.tags
    assert outline.texts.count(evil) >= 4
    assert outline.open == []


def test_the_page_fetches_nothing() -> None:
    page = render_validation_report("churn", [found(), found(passed=False)], FACTS)
    outline = Outline(page)
    assert outline.open == []
    assert outline.fetched == []
    assert not {"link", "script", "img", "iframe"} & set(outline.tags)
    assert not re.search(r"url\(|@import|https?://", page)


def test_the_page_fits_phone_dark_mode_and_paper() -> None:
    page = render_validation_report("churn", [found()], FACTS)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "@media (prefers-color-scheme: dark)" in page
    assert "@media print" in page


def test_badges_say_it_in_words() -> None:
    results = [found(), found(passed=False), found(passed=False, severity="warning")]
    page = render_validation_report("churn", results, FACTS)
    assert re.findall(r'<span class="badge (\w+)">(\w+)</span>', page) == [
        ("bad", "failed"),
        ("warn", "warning"),
        ("good", "passed"),
    ]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.00 %"), (0.00001, "<0.01 %"), (0.0156, "1.56 %"), (0.999999, ">99.99 %"), (1.0, "100.00 %")],
    ids=["none", "hardly_any", "some", "nearly_all", "all"],
)
def test_shares_do_not_round_to_none_or_all(share: float, text: str) -> None:
    assert share_text(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (3.0, "3.0"),
        (1 / 3, "0.3333"),
        ({"No": 0.73463, "n": None}, "No: 0.7346, n: None"),
        ("x" * 300, "x" * 200 + "…"),
    ],
    ids=["none", "whole", "fraction", "mapping", "long"],
)
def test_values_are_short(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_counts_have_separators() -> None:
    assert count_text(1234567) == "1,234,567"
