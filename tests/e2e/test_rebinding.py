"""A hostile page in a real Chromium, with the user's session in the same browser: by rebinding, forms and scripts."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support.browser import DESKTOP, chromium, log_in, page_of
from support.servers import Server, training
from support.servers import noise as noisy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# The attacker's own script: whatever a page can try, each with what came of it.
ATTACK = """
async ({targets, job}) => {
  const told = [];
  const attempt = async (name, work) => {
    try { told.push([name, await work()]); } catch (error) { told.push([name, "error"]); }
  };
  for (const target of targets) {
    for (const path of ["/v1/info", "/v1/jobs", "/v1/log", "/metrics", "/readyz", `/v1/jobs/${job}`]) {
      for (const mode of ["cors", "no-cors"]) {
        await attempt(`${mode} ${target}${path}`, async () =>
          (await (await fetch(target + path, {mode, credentials: "include"})).text()));
      }
    }
    for (const path of [`/v1/jobs/${job}/cancel`, "/v1/shutdown", "/v1/dashboard/codes", "/v1/dashboard/login"]) {
      for (const type of ["text/plain", "application/json"]) {
        await attempt(`POST ${type} ${target}${path}`, async () =>
          (await (await fetch(target + path, {method: "POST", mode: type === "text/plain" ? "no-cors" : "cors",
            credentials: "include", headers: {"Content-Type": type}, body: "{}"})).text()));
      }
      const form = document.createElement("form");
      Object.assign(form, {method: "POST", action: target + path, target: "sink", enctype: "text/plain"});
      document.body.append(form);
      form.submit();
      await new Promise((done) => setTimeout(done, 100));
    }
    await attempt(`socket ${target}`, () => new Promise((done) => {
      const socket = new WebSocket(target.replace("http", "ws") + "/v1/jobs");
      socket.onopen = () => done("opened");
      socket.onerror = () => done("error");
    }));
    await attempt(`script ${target}`, () => new Promise((done) => {
      const script = document.createElement("script");
      script.src = target + "/dashboard.js";
      script.onload = () => done("loaded");
      script.onerror = () => done("error");
      document.body.append(script);
    }));
  }
  return told;
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium("--host-resolver-rules=MAP evil.test 127.0.0.1, MAP 127.0.0.1.evil.test 127.0.0.1") as browser:
        yield browser


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[int]:
    """The port of the attacker's own web server."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<!doctype html><title>evil</title><iframe name=sink></iframe>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield web.server_port
        web.shutdown()
        thread.join()


def test_a_hostile_page_reads_and_does_nothing(browser: Browser, tmp_path: Path, elsewhere: int) -> None:
    server = Server.start(tmp_path)
    job = server.job("train_denoiser", training(tmp_path), noisy(64, 64))
    context = browser.new_context(viewport=DESKTOP)
    log_in(page_of(context), server)
    port = server.http.base_url.port
    targets = [f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", "evil.test", "127.0.0.1.evil.test")]
    page = context.new_page()
    # The rebound name itself: the page would be of the same origin as the server. It is given nothing to run.
    for target in targets[2:]:
        answer = page.goto(target + "/")
        assert answer is not None
        assert answer.status == 403
    # The attacker's page: on a name of its own, and, worse, on the server's own host with another port (same site).
    for host in ("evil.test", "127.0.0.1"):
        page.goto(f"http://{host}:{elsewhere}/")
        told = page.evaluate(ATTACK, {"targets": targets, "job": job})
        assert len(told) == len(targets) * (12 + 8 + 2)
        leaked = [each for each in told if each[1] not in ("", "error")]
        assert leaked == []
    assert server.process.poll() is None
    assert server.status(job)["state"] in ("queued", "running")
    log = (server.folder / "home" / ".bioimg-fiji" / "logs" / "server.log").read_text("utf-8")
    assert log.count("refused (") > 50
    context.close()
    server.http.delete(f"/v1/jobs/{job}")
    server.stop()
