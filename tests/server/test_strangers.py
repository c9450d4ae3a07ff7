"""Another user of the computer: nothing of the server is read, nothing is called. And no secret stands anywhere."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from support.routes import all_routes
from support.servers import Server, noise, training

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can be another user as well"),
]

# What the stranger tries; only the standard library, as that user's own Python.
STRANGER = """
import json, os, sys, urllib.error, urllib.request
given = json.load(sys.stdin)
assert os.getuid() != 0
read, called, tried = [], [], 0
for path in given["paths"]:
    tried += 1
    try:
        if os.path.isdir(path):
            read += [path for _ in os.listdir(path)] or [path]
        else:
            with open(path, "rb") as file:
                file.read(1)
            read.append(path)
    except OSError:
        pass
    for work in (lambda: open(path, "ab").close(), lambda: os.rename(path, path + ".x"), lambda: os.unlink(path),
                 lambda: os.chmod(path, 0o777), lambda: os.symlink("/etc/passwd", os.path.join(path, "link"))):
        tried += 1
        try:
            work()
            read.append("changed " + path)
        except OSError:
            pass
for method, path in given["routes"]:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer " + "A" * 43}):
        tried += 1
        body = b"{}" if method in ("POST", "PUT") else None
        request = urllib.request.Request(given["url"] + path, body, headers, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
                called.append([method, path, answer.status])
        except urllib.error.HTTPError as error:
            if error.code not in (401, 403):
                called.append([method, path, error.code])
for pid in given["pids"]:
    tried += 1
    try:
        os.kill(pid, 9)
        called.append(["kill", pid])
    except OSError:
        pass
seen = b"".join(open(f"/proc/{pid}/cmdline", "rb").read() for pid in given["pids"]).decode("utf-8", "replace")
print(json.dumps({"read": read, "called": called, "tried": tried, "seen": seen}))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter: what is private in it is so by its own mode."""
    folder = Path(tempfile.mkdtemp(prefix="bioimg-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_another_user_reads_nothing_and_calls_nothing(open_folder: Path) -> None:
    server = Server.start(open_folder, environment={"BIOIMG_FIJI_CACHE": str(open_folder / "cache")})
    try:
        job = server.job("train_denoiser", training(open_folder), noise(64, 64))
        server.wait(job, "running")
        buffer = server.http.post("/v1/buffers", json={"size": 4, "local": True}).json()["path"]
        disk = server.http.post("/v1/buffers", json={"size": 4, "local": True, "on_disk": True}).json()["path"]
        home = open_folder / "home" / ".bioimg-fiji"
        log = home / "logs" / "server.log"
        assert log.is_file()
        pids = [server.process.pid, *(worker.pid for worker in server.workers())]
        paths = [
            open_folder / "connection.json",
            log,
            home,
            Path(buffer),
            Path(buffer).parent,
            Path(disk),
            Path(disk).parent,
        ]
        paths += [Path(f"/proc/{pid}/{name}") for pid in pids for name in ("environ", "mem", "fd", "maps", "cwd")]
        routes = [(method, path.format(id="x")) for method, path in all_routes()]
        given = {"paths": [str(path) for path in paths], "routes": routes, "url": server.connection.url, "pids": pids}
        done = subprocess.run(
            ["/usr/bin/python3", "-I", "-c", STRANGER],
            input=json.dumps(given), capture_output=True, text=True, timeout=60, user="nobody", group="nogroup",
            extra_groups=[], cwd="/", check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["tried"] > 200
        assert told["read"] == []
        public = {
            ("GET", "/"),
            ("GET", "/healthz"),
            ("GET", "/dashboard.css"),
            ("GET", "/dashboard.js"),
            ("GET", "/icon.svg"),
        }
        assert {(method, path) for method, path, *_ in told["called"]} == public
        assert server.connection.token not in told["seen"]
        assert all(stat.S_IMODE(Path(path).stat().st_mode) == 0o600 for path in (buffer, disk, log))
        assert server.status(job)["state"] == "running"
        assert all(psutil.pid_exists(pid) for pid in pids)
    finally:
        server.stop()


def test_no_secret_stands_in_a_command_line_a_log_or_an_error(open_folder: Path, tmp_path: Path) -> None:
    server = Server.start(open_folder, "--idle-exit", "600", environment={"BIOIMG_FIJI_LOG_LEVEL": "DEBUG"})
    try:
        code = server.http.post("/v1/dashboard/codes").json()["code"]
        origin = {"Origin": server.connection.url}
        login = httpx.post(
            server.connection.url + "/v1/dashboard/login", json={"code": code}, headers=origin, trust_env=False
        )
        cookie = login.headers["set-cookie"].split("=", 1)[1].split(";")[0]
        waiting = server.http.post("/v1/dashboard/codes").json()["code"]
        secrets = [server.connection.token, cookie, login.json()["key"], code, waiting, waiting.replace("-", "")]
        wrong = ({"Authorization": f"Bearer {server.connection.token}x"}, {"Host": "evil"}, {"Origin": "null"})
        errors = [server.http.get("/v1/info", headers=headers).text for headers in wrong]
        bodies = (b"{", b'{"command": "x"}', b"[]")
        errors += [server.http.post("/v1/jobs", content=body).text for body in bodies]
        errors.append(
            httpx.post(
                server.connection.url + "/v1/dashboard/login", json={"code": code}, headers=origin, trust_env=False
            ).text
        )
        job = server.job("run_model", {"model": "gone.zip"}, noise(16, 16))
        errors.append(json.dumps(server.wait(job)))
        environment = {
            "HOME": str(open_folder / "home"),
            "BIOIMG_FIJI_CONNECTION": str(open_folder / "connection.json"),
        }
        # A browser that stays: while it runs, every command line of the computer is looked at.
        browser = tmp_path / "browser"
        browser.write_text("#!/bin/sh\nsleep 3\n")
        browser.chmod(0o755)
        opening = subprocess.Popen(
            [sys.executable, "-m", "bioimg_fiji", "dashboard", "--open"],
            env=os.environ | environment | {"BROWSER": str(browser)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        lines = set()
        while opening.poll() is None:
            lines |= command_lines()
        said = opening.communicate()[0]
        secrets.append(said.strip().split("code=")[1])
        assert any("dashboard.html" in line for line in lines)  # the browser was seen, with its file
        page = open_folder / "home" / ".bioimg-fiji" / "dashboard.html"
        assert secrets[-1] in page.read_text()
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        logs = [path.read_text("utf-8", "replace") for path in (open_folder / "home" / ".bioimg-fiji").rglob("*.log*")]
        logs.append((open_folder / "server.err").read_text())
        assert sum(map(len, logs)) > 200
        for secret in secrets:
            for place in ("".join(lines), *logs, *errors):
                assert secret not in place
    finally:
        server.stop()


def command_lines() -> set[str]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return found
