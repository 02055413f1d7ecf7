"""Take the README's pictures from a running `make ui` and its newest successful run."""

from __future__ import annotations

import argparse
import json
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from PIL import Image

from tests.browser import open_form, open_page, open_section

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).resolve().parent / "images"
COLOURS = 128
LARGEST = 150 * 1024
SETTLED = 1500
"""Milliseconds that the graph and the lists take to come to rest."""


def main() -> int:
    """Write form.png, graph.png, grid.png, decision.png and, where the run has one, report.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://127.0.0.1:8080", help="where `make ui` is")
    parser.add_argument("--pipeline", default="churn")
    arguments = parser.parse_args()
    dag_id = f"{arguments.pipeline}_training"
    run_id = _newest_run(arguments.address, dag_id)
    for picture in (_form, _graph, _grid, _decision, _report):
        with open_page(height=860) as page:  # a fresh one: Airflow's UI remembers how the last was arranged
            picture(page, arguments.address, dag_id, run_id)
    return 0


def _newest_run(address: str, dag_id: str) -> str:
    url = f"{address}/api/v2/dags/{dag_id}/dagRuns?state=success&order_by=-start_date&limit=1"
    with build_opener(ProxyHandler({})).open(url, timeout=60) as response:
        runs = json.loads(response.read())["dag_runs"]
    if not runs:
        sys.exit(f"{dag_id} has no successful run: start one in the browser first")
    return str(runs[0]["dag_run_id"])


def _form(page: Page, address: str, dag_id: str, run_id: str) -> None:  # noqa: ARG001  (as the others)
    page.set_viewport_size({"width": 1280, "height": 1080})
    form = open_form(page, f"{address}/dags/{dag_id}")
    open_section(form, "What is trained")
    form.locator('input[name="element_trials"]').wait_for()
    take(page, "form.png")


def _graph(page: Page, address: str, dag_id: str, run_id: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 560})
    page.goto(f"{address}/dags/{dag_id}/runs/{quote(run_id)}")
    page.get_by_text("engineer_features").first.wait_for()
    page.keyboard.press("g")
    page.locator(".react-flow__node").first.wait_for()
    page.get_by_label("Collapse Details Panel").click()
    page.get_by_label("Expand all task groups").click()
    page.wait_for_timeout(SETTLED)
    page.get_by_label("Fit View").click()
    take(page, "graph.png")


def _grid(page: Page, address: str, dag_id: str, run_id: str) -> None:
    page.goto(f"{address}/dags/{dag_id}/runs/{quote(run_id)}/tasks/validate/details")
    page.get_by_role("link", name="Report", exact=True).wait_for()
    take(page, "grid.png")


def _decision(page: Page, address: str, dag_id: str, run_id: str) -> None:
    page.goto(f"{address}/dags/{dag_id}/runs/{quote(run_id)}/plugin/decision")
    page.frame_locator("iframe").get_by_role("heading").first.wait_for()
    take(page, "decision.png")


def _report(page: Page, address: str, dag_id: str, run_id: str) -> None:
    answer = page.goto(f"{address}/training-runs/{dag_id}/{quote(run_id, safe='')}/report.html")
    if answer is not None and answer.ok:
        take(page, "report.png")


def take(page: Page, name: str, *, whole: bool = False) -> None:
    """Save what the page shows, or the `whole` page, in few colours; the README is read on slow lines too."""
    page.wait_for_timeout(SETTLED)
    picture = Image.open(BytesIO(page.screenshot(full_page=whole))).convert("RGB")
    file = IMAGES / name
    file.parent.mkdir(exist_ok=True)
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    if size > LARGEST:
        sys.exit(f"{file} has {size:,} bytes; at most {LARGEST:,} are wanted")
    sys.stdout.write(f"{file} ({size:,} bytes)\n")


if __name__ == "__main__":
    sys.exit(main())
