"""The dashboard in a real Chromium: login, live progress, curves and preview of a real training, cancel and finish.

BIOIMG_FIJI_PICTURES=FOLDER has the pictures of docs/images made anew there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from bioimg_fiji.image import Image
from bioimg_fiji.package import open_package, store
from bioimg_fiji.runtime.fake import write_fake_package
from support.browser import DESKTOP, PHONE, chromium, log_in, page_of, shoot, troubles
from support.live_command import install
from support.servers import Server, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the tests' own command that shows curves and previews."""
    folder = tmp_path_factory.mktemp("dashboard")
    tests = install(folder / "installed")
    models = {"BIOIMG_FIJI_MODELS": str(folder / "models"), "BIOIMG_FIJI_TRUSTED": str(folder / "trusted.json")}
    write_fake_package(folder / "model.zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIOIMG_FIJI_MODELS", models["BIOIMG_FIJI_MODELS"])
        store.add(open_package(folder / "model.zip"), "quiet-fox")
    server = Server.start(folder, environment=models | {"PYTHONPATH": f"{folder / 'installed'}:{tests}"})
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A logged-in page; its console had nothing to complain of."""
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    page = page_of(context)
    log_in(page, server)
    yield page
    assert troubles(page) == []
    context.close()


@pytest.fixture
def job(server: Server) -> Iterator[Callable[..., str]]:
    """Start jobs; all are gone after the test."""
    started: list[str] = []

    def start(command: str, image: Image | None = None, **parameters: object) -> str:
        started.append(server.job(command, parameters, image))
        return started[-1]

    yield start
    for each in started:
        server.http.delete(f"/v1/jobs/{each}")


def pictures() -> Path | None:
    folder = os.environ.get("BIOIMG_FIJI_PICTURES")
    return Path(folder) if folder else None


def cells() -> Image:
    """Give bright discs under photon noise: something to recognise in a preview."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[:256, :256]
    clean = np.full((256, 256), 12.0)
    for cy, cx, radius in zip(rng.uniform(0, 256, 45), rng.uniform(0, 256, 45), rng.uniform(5, 16, 45), strict=True):
        clean += 45 * np.exp(-((((y - cy) ** 2 + (x - cx) ** 2) / radius**2) ** 2))
    return Image(rng.poisson(clean).astype(np.uint16), "yx", title="cells.tif")


def training(folder: Path, **more: object) -> dict[str, object]:
    return {"model": str(folder / "cells.zip"), "steps": 1500, "batch_size": 4, "patch": 32, "force": True, **more}


def test_login_by_the_address_that_the_command_prints(browser: Browser, server: Server) -> None:
    home = server.folder / "home"
    environment = {"HOME": str(home), "BIOIMG_FIJI_CONNECTION": str(server.folder / "connection.json")}
    line = [sys.executable, "-m", "bioimg_fiji", "dashboard"]
    done = subprocess.run(line, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    address = done.stdout.strip()
    assert re.fullmatch(rf"{re.escape(server.connection.url)}/#code=([2-9A-HJ-NP-Z]{{4}}-?){{3}}", address), address
    assert "once" in done.stderr
    context = browser.new_context(viewport=DESKTOP)
    page = page_of(context)
    page.goto(server.connection.url)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(page.get_by_label("One-time code")).to_be_focused()
    page.goto(address)
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    assert page.url == server.connection.url + "/"  # the code does not stay in the address
    page.reload()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    cookie = context.cookies()[0]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert context.cookies() == []
    page.get_by_label("One-time code").fill(address.split("=")[1].lower())
    page.keyboard.press("Enter")
    expect(page.locator("#login-error")).to_contain_text("bioimg-fiji dashboard")  # used: it works once
    code = server.http.post("/v1/dashboard/codes").json()["code"]
    page.get_by_label("One-time code").fill(code.lower())
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    assert troubles(page) == []
    context.close()


def test_a_real_training_lives_on_the_page(page: Page, server: Server, job: Callable[..., str], tmp_path: Path) -> None:
    id_ = job("train_denoiser", cells(), **training(tmp_path))
    expect(page.get_by_role("heading", name="Train denoiser")).to_be_visible(timeout=30_000)
    expect(page.locator("#job-state")).to_have_text("running", timeout=30_000)
    expect(page.get_by_role("img", name=re.compile("^Curves over .*loss from"))).to_be_visible(timeout=60_000)
    expect(page.get_by_role("heading", name=re.compile("^Preview at step"))).to_be_visible(timeout=60_000)
    first = page.locator("#bar").evaluate("bar => bar.value")
    until(lambda: page.locator("#bar").evaluate("bar => bar.value") > first)
    shown = page.locator("#pictures canvas").first.evaluate(
        "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((_, i) => i % 4 == 0);"
        " return [c.width, c.height, Math.min(...d), Math.max(...d)] }"
    )
    expect(page.locator("#models")).to_contain_text(re.compile("quiet-fox@[0-9a-f]{16}"))
    expect(page.locator("#devices")).to_contain_text("cpu (", timeout=60_000)
    expect(page.locator("#memory-text")).to_have_text(re.compile("GiB of .* GiB used"))
    live = server.http.get(f"/v1/jobs/{id_}/live").json()["preview"]
    assert shown[:2] == live["shape"][::-1]
    assert shown[2] < 60 < 200 < shown[3]  # a picture with black and white, not a blank one
    folder = pictures()
    if folder is not None:
        until(lambda: int(server.status(id_)["progress"]["current"]) > 400, 120)
        page.wait_for_timeout(1500)
    shoot(page, folder and folder / "dashboard.png")
    page.set_viewport_size(PHONE)
    expect(page.get_by_role("button", name="Cancel…")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.locator("#job").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.getElementById('job').offsetTop - 8)")
    page.wait_for_timeout(1200)
    shoot(page, folder and folder / "dashboard-phone.png")
    page.get_by_role("button", name="Finish now").click()
    expect(page.locator("#job-state")).to_have_text("done", timeout=90_000)
    expect(page.locator("#outcome-list")).to_contain_text("cells.zip")
    assert (tmp_path / "cells.zip").is_file()


def test_cancel_by_keyboard_asks_first(page: Page, server: Server, job: Callable[..., str]) -> None:
    id_ = job("show_live")
    expect(page.locator("#job-state")).to_have_text("running", timeout=30_000)
    expect(page.get_by_role("button", name="Finish now")).to_be_visible()
    page.get_by_role("button", name="Cancel…").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    expect(dialog).to_contain_text("a checkpoint is kept")
    expect(page.get_by_role("button", name="Let it go on")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert server.status(id_)["state"] == "running"
    page.get_by_role("button", name="Cancel…").press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#job-state")).to_have_text("cancelled")
    expect(page.get_by_role("status")).to_contain_text("Show live: cancelled.")
    assert server.status(id_)["state"] == "cancelled"


def test_every_job_can_be_reached_by_keyboard_and_has_its_name(page: Page, job: Callable[..., str]) -> None:
    job("show_live", last=3)
    job("run_model", cells(), model="gone.zip")
    expect(page.locator("#jobs li")).to_have_count(2)
    expect(page.locator("#jobs .state")).to_have_text([re.compile("failed|running"), "done"], timeout=30_000)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the jobs")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=re.compile("^Show live"))).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Show live")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Run model")).click()
    expect(page.locator("#job-error")).to_contain_text("gone.zip")
    for role in ("banner", "main"):
        expect(page.get_by_role(role)).to_have_count(1)
    for name in ("Jobs", "Computer", "Models", "Log"):
        expect(page.get_by_role("region", name=re.compile(f"^{name}"))).to_have_count(1)
    unnamed = page.evaluate(UNNAMED)
    assert unnamed == []


UNNAMED = """
[...document.querySelectorAll("button, input, progress, meter, canvas, svg[role=img]")]
  .filter((e) => e.checkVisibility() && !e.hasAttribute("aria-hidden"))
  .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length || e.getAttribute("aria-labelledby")))
  .map((e) => e.outerHTML)
"""

CONTRAST = """
() => {
  const channel = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest("svg, .unseen, .skip, noscript")) continue;
    const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${e.tagName} ${e.className} ${e.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page: Page, job: Callable[..., str], scheme: str) -> None:
    job("run_model", cells(), model="gone.zip")
    job("show_live")
    expect(page.get_by_role("heading", name="Show live")).to_be_visible(timeout=30_000)
    expect(page.locator("#curve svg")).to_be_visible(timeout=30_000)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.wait_for_timeout(400)
    assert page.evaluate(CONTRAST) == []


def test_a_server_that_is_gone_is_told(browser: Browser, tmp_path: Path) -> None:
    server = Server.start(tmp_path)
    context = browser.new_context(viewport=DESKTOP)
    page = page_of(context)
    log_in(page, server)
    server.stop()
    expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
    context.close()


def test_nothing_comes_from_elsewhere(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport=PHONE)
    page = page_of(context)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    log_in(page, server)
    page.wait_for_timeout(1500)
    assert all(url.startswith(server.connection.url + "/") for url in asked), asked
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.evaluate(
        "() => { const s = document.createElement('img'); s.src = 'http://127.0.0.1:1/x.png'; document.body.append(s) }"
    )
    page.wait_for_timeout(300)
    assert any("Content Security Policy" in text for text in troubles(page))
    context.close()


def test_gpus_show_how_full_they_are(browser: Browser, server: Server) -> None:
    full = {"name": "NVIDIA H100 80GB HBM3", "used": 60 * 2**30, "total": 80 * 2**30, "busy": 93}
    free = {"name": "NVIDIA RTX A2000", "used": 2**29, "total": 6 * 2**30, "busy": 0}
    context = browser.new_context(viewport=DESKTOP)
    page = page_of(context)

    def with_gpus(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"gpus": [full, free]})

    page.route("**/v1/machine", with_gpus)
    log_in(page, server)
    meter = page.get_by_role("meter", name=f"Memory of {full['name']}")
    expect(meter).to_have_js_property("value", 0.75)
    expect(page.get_by_text("60.0 GiB of 80.0 GiB used, busy for 93 % of the time")).to_be_visible()
    expect(page.get_by_role("meter", name=f"Memory of {free['name']}")).to_be_visible()
    folder = pictures()
    shoot(page, folder and folder / "dashboard-gpus.png")
    context.close()
