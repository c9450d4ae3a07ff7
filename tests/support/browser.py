"""A real Chromium for the tests, driven by Playwright; what this project's setup installs is the system's own."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from support.servers import Server

expect.set_options(timeout=20_000)  # as the pages' own, see `page_of`: a computer may be busy

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

_QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextlib.contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Start Chromium; the test is skipped where there is none."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_QUIET, *arguments])
        try:
            yield browser
        finally:
            browser.close()


def page_of(context: BrowserContext) -> Page:
    """Give a new page that fails the test at the first message of trouble on its console."""
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.troubles = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.troubles.append(str(error)))  # type: ignore[attr-defined]
    page.on("console", lambda line: line.type == "error" and page.troubles.append(line.text))  # type: ignore[attr-defined]
    return page


def troubles(page: Page) -> list[str]:
    """Give what the page's console has complained of, but for answers that are errors: those are shown."""
    found: list[str] = page.troubles  # type: ignore[attr-defined]
    return [text for text in found if "Failed to load resource" not in text]


def log_in(page: Page, server: Server) -> None:
    """Open the dashboard by a one-time code."""
    path = server.http.post("/v1/dashboard/codes").json()["path"]
    page.goto(server.connection.url + path)
    page.wait_for_selector("#board:visible")


def shoot(page: Page, path: Path | None) -> None:
    """Take a picture of the page, where one is wanted: a small file."""
    if path is not None:
        Image.open(io.BytesIO(page.screenshot())).quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
