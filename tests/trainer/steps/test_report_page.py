"""The page that the step `report` writes: for each way a run can end, offline, escaped, and fit for a phone."""

from __future__ import annotations

import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import ConfigurationError, ModelRefusedError
from trainer.pipeline import pipeline_of
from trainer.reports.run_report import render_run_report
from trainer.run import RunFolder
from trainer.run.records import ApprovalResult, DriftResult, ExplainResult, Failure, ReportResult, StartResult

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "<script>alert(1)</script>"


class Fetched(HTMLParser):
    """The tags of a page, and the addresses that a browser would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = ("src", "srcset", "data", "action", "poster", "xlink:href", "background")
        self.addresses += [str(value) for name, value in attrs if name in names or (name == "href" and tag != "a")]


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def sentence(page: str) -> str:
    """The page's text without tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.split("<body>")[1]).split())


@pytest.fixture
def promoted(accepted: Any) -> RunFolder:
    accepted.step("explain")
    accepted.step("promote")
    accepted.step("report")
    folder: RunFolder = accepted.folder
    return folder


def test_the_decision_comes_first_and_the_parts_in_order(promoted: RunFolder, accepted: Any) -> None:
    page = promoted.at("").read_text("report.html")
    assert headings(page) == [
        "Gates", "Data", "Drift", "Candidates", "Behaviour", "What the answers rest on, and how good they are", "Acceptance", "Lineage",
        "Times and costs",
    ]  # fmt: skip
    assert page.index('class="verdict good"') < page.index("<h2>Gates")
    assert "The new model is production" in page
    assert "There is no production model yet" in page
    assert page.count('role="img"') == len(promoted.at("explain").result(ExplainResult).plots)
    assert promoted.at("start").result(StartResult).run_id in page
    assert len(page) < 1_500_000
    assert promoted.at("report").result(ReportResult).page == promoted.at("").uri_of("report.html")
    logged = accepted.client.list_artifacts(promoted.at("start").result(StartResult).run_id)
    assert {"report.html", "summary.json", "plots"} <= {file.path for file in logged}


def test_each_step_has_its_time_and_its_cost(accepted: Any) -> None:
    accepted.edit("ingest", seconds=12.34, cost_usd=0.75, cost_gpu_usd=0.5)
    accepted.edit("evaluate", cost_usd=0.0136, cost_gpu_usd=0.0)
    accepted.step("report")
    page = accepted.folder.at("").read_text("report.html")
    assert "Cost: $0.7636 (CPU $0.2636, GPU $0.5000); not counted: start, " in sentence(page)
    assert '<td>ingest</td><td class="number">12.3</td><td class="number">$0.7500</td>' in page
    assert re.search(r'<td>decide</td><td class="number">[\d.]+</td><td class="number">–</td>', page)  # noqa: RUF001


def test_without_rates_the_page_says_so(promoted: RunFolder) -> None:
    assert "Cost: not counted, since no rates are set" in sentence(promoted.at("").read_text("report.html"))


def test_nothing_is_fetched(promoted: RunFolder) -> None:
    page = promoted.at("").read_text("report.html")
    found = Fetched(page)
    assert not {"script", "link", "iframe", "object", "embed"} & {*found.tags}
    assert [uri for uri in found.addresses if not uri.startswith(("#", "data:"))] == []
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src 'none'" in page


def test_a_refused_run_says_what_failed_and_what_to_do(accepted: Any) -> None:
    gates = {**accepted.frozen.gates.model_dump(mode="json"), "auc_roc": 0.999}
    strict = pipeline_of({**accepted.frozen.model_dump(mode="json"), "gates": gates})
    with pytest.raises(ModelRefusedError):
        accepted.step("decide", pipeline=strict)
    text = sentence(render_run_report(accepted.folder))
    assert "decide failed: ModelRefusedError (exit code 4: model refused)" in text
    assert "Nothing has moved. The gates below tell what was missed" in text
    assert "auc_roc failed 0." in text
    assert "The challenger was not explained: the step explain has left no result." in text


def test_a_run_that_hardly_began_is_shown(tmp_path: Path) -> None:
    folder = RunFolder.open(str(tmp_path / "churn" / "key-1"))
    failure = Failure(step="start", error="ConfigurationError", message="run parameters: trails", exit_code=2)
    folder.at("start").fail(failure)
    text = sentence(render_run_report(folder))
    assert "start failed: ConfigurationError (exit code 2: configuration)" in text
    for step in ("decide", "ingest", "validate", "detect_drift", "evaluate", "explain"):
        assert f"the step {step} has left no result." in text


def test_whatever_comes_from_data_or_a_person_is_escaped_and_shown(trained: Any) -> None:
    folder = trained.folder
    for step, done in (("approve_start", "begin"), ("approve", "promote")):
        answer = ApprovalResult(outcome=done, source="person", by="ada", reason=f"ada {done}s: {EVIL}")
        folder.at(step).finish(answer)
    trained.edit("ingest", source=EVIL)
    column = {"column": EVIL, "kind": "numeric", "statistics": {"ks": 0.3}, "thresholds": {"ks": 0.1}, "drifted": True}
    drift = {"status": "drifted", "reference_version": EVIL, "columns": [column]}
    folder.at("detect_drift").finish(DriftResult.model_validate(drift))
    folder.at("train", "logistic").fail(Failure(step="train", algorithm=EVIL, error=EVIL, message=EVIL, exit_code=1))
    page = render_run_report(folder)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 5
    escaped = EVIL.replace("<", "&lt;").replace(">", "&gt;")
    assert f"Approval ada begins: {escaped}; ada promotes: {escaped}" in sentence(page)


def test_the_command_writes_the_page_again(
    promoted: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from trainer.__main__ import main, parser

    Path(promoted.at("").path("report.html")).unlink()
    assert main(["report", "--run", promoted.uri]) == 0
    assert capsys.readouterr().out == f"{promoted.at('').uri_of('report.html')}\n"
    assert "The new model is production" in promoted.at("").read_text("report.html")
    chosen = parser().parse_args(["report", "--run", str(tmp_path / "nowhere")])
    with pytest.raises(ConfigurationError, match="there is no run folder .*nowhere; name one with --run"):
        chosen.command(chosen)


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="there is no Chromium on this machine")
def test_a_browser_fetches_nothing_and_a_phone_is_wide_enough(promoted: RunFolder) -> None:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        own = Path(promoted.at("").path("report.html")).as_uri()
        page.goto(own)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
        assert page.locator("figure svg").first.bounding_box()["width"] > 300
        assert [url for url in requests if url != own and not url.startswith("data:")] == []
        browser.close()
