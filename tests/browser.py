"""A headless Chromium, and what a person does with it in Airflow's UI."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
MILLISECONDS = 120_000
"""How long a page may take: a machine may be busy, and nothing waits longer than it has to."""


@contextmanager
def open_page(width: int = 1280, height: int = 800) -> Iterator[Page]:
    """A page in a browser of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(MILLISECONDS)
        yield page
        browser.close()


def open_form(page: Page, dag_address: str) -> Locator:
    """The form that starts a run."""
    page.goto(dag_address)
    page.get_by_role("button", name="Trigger").click()
    form = page.get_by_role("dialog")
    form.get_by_role("heading", name="Trigger Dag").wait_for()
    return form


def open_section(form: Locator, name: str) -> None:
    """A section of the form; the others close."""
    form.get_by_role("button", name=name).click()


def leave_out(form: Locator, algorithm: str) -> None:
    """Take an algorithm out of the list."""
    form.get_by_label(f"Remove {algorithm}").click()


def fill(form: Locator, parameter: str, value: str) -> None:
    """Fill a field in, and leave it."""
    field = form.locator(f'input[name="element_{parameter}"]')
    field.fill(value)
    field.press("Tab")
