"""The model store: names, hashes, and downloads from a real server on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.errors import DownloadError, JobCancelledError, ModelError, ModelNotFoundError, PackageError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import open_package, publish, store
from bioimg_fiji.runtime.fake import write_fake_package
from bioimg_fiji.zoo import collection, download, get_model
from support.processes import run_cli
from support.zoo import Kind, write


class Site(http.server.ThreadingHTTPServer):
    """Serves files, with ranges; breaks connections, and tells what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.break_after: list[int] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Site

    def do_GET(self) -> None:
        site = self.server
        asked = self.headers.get("Range", "")
        site.asked.append((self.path, asked))
        if self.path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[self.path])
            self.end_headers()
            return
        data = site.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        tag = f'"{hashlib.sha256(data).hexdigest()}"'
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.headers.get("If-Range") == tag else 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        stop = start + site.break_after.pop(0) if site.break_after else len(data)
        self.wfile.write(data[start:stop])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path / "cache"))
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path / "cache"))
    write_fake_package(tmp_path / "model.zip")
    return tmp_path / "model.zip"


def test_a_model_is_named_by_nickname_and_hash(model: Path) -> None:
    entry = store.add(open_package(model), "Quiet Fox")
    assert entry.nickname == "quiet-fox"
    assert store.add(open_package(model), "quiet-fox") == entry
    sha256 = open_package(model).sha256
    for name in ("quiet-fox", entry.name, f"quiet-fox@{sha256[:6]}", f"quiet-fox@{sha256}"):
        assert open_package(name).sha256 == sha256
    image = Image(np.random.default_rng(0).normal(9, 1, (40, 40)).astype(np.float32), "yx")
    by_name = find("run_model").run({"image": image, "model": entry.name}).images["output"]
    by_path = find("run_model").run({"image": image, "model": str(model)}).images["output"]
    assert np.array_equal(by_name.pixels, by_path.pixels)
    with pytest.raises(ModelNotFoundError, match="quiet-fix") as caught:
        open_package("quiet-fix")
    assert entry.name in caught.value.fix
    with pytest.raises(ModelNotFoundError):
        open_package("quiet-fox@0000")
    assert store.remove("quiet-fox") == entry
    assert store.entries() == []


def test_two_models_of_one_nickname_are_told_apart(model: Path, tmp_path: Path) -> None:
    store.add(open_package(model), "fox")
    store.add(open_package(write(Kind(), tmp_path / "other")), "fox")
    names = [entry.name for entry in store.entries()]
    assert len(names) == 2
    with pytest.raises(ModelError, match="2 models named fox") as caught:
        open_package("fox")
    assert all(name in caught.value.fix for name in names)
    assert open_package(names[1]).sha256.startswith(names[1].split("@")[1])


def test_a_broken_connection_goes_on_where_it_broke(site: Site, tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(300_000)
    site.files["/w.bin"] = data
    site.break_after = [100_000, 50_000]
    digest = hashlib.sha256(data).hexdigest()
    assert download(site.url("/w.bin"), tmp_path / "w.bin", digest) == digest
    assert (tmp_path / "w.bin").read_bytes() == data
    assert [asked for _, asked in site.asked] == ["", "bytes=100000-", "bytes=150000-"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.bin"]


def test_a_download_of_yesterday_goes_on_unless_the_file_has_changed(site: Site, tmp_path: Path) -> None:
    site.files["/w.bin"] = bytes(1000)
    site.break_after = [400, 0, 0, 0]
    with pytest.raises(DownloadError, match="does not answer"):
        download(site.url("/w.bin"), tmp_path / "w.bin")
    assert (tmp_path / "w.bin.part").stat().st_size == 400
    site.files["/w.bin"] = b"new" * 300
    download(site.url("/w.bin"), tmp_path / "w.bin")
    assert (tmp_path / "w.bin").read_bytes() == b"new" * 300


def test_what_is_wrong_is_not_put_in_place(site: Site, tmp_path: Path) -> None:
    site.files["/w.bin"] = bytes(5000)
    with pytest.raises(DownloadError, match="another file"):
        download(site.url("/w.bin"), tmp_path / "w.bin", "0" * 64)
    with pytest.raises(DownloadError, match="larger than 4999"):
        download(site.url("/w.bin"), tmp_path / "w.bin", cap=4999)
    with pytest.raises(DownloadError, match="404"):
        download(site.url("/none"), tmp_path / "w.bin")
    site.redirects["/away"] = "http://192.0.2.1/w.bin"
    site.redirects["/round"] = "/round"
    for address in ("ftp://127.0.0.1/w", "http://example.org/w", "file:///etc/passwd", site.url("/away")):
        with pytest.raises(DownloadError, match="no https address"):
            download(address, tmp_path / "w.bin")
    with pytest.raises(DownloadError, match="again and again"):
        download(site.url("/round"), tmp_path / "w.bin")
    job = Job()
    job.cancel()
    with pytest.raises(JobCancelledError):
        download(site.url("/w.bin"), tmp_path / "w.bin", job=job)
    assert not (tmp_path / "w.bin").exists()


def test_models_of_the_zoo(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    description = write(Kind(), tmp_path / "package")
    for path in description.parent.rglob("*"):
        if path.is_file():
            site.files[f"/fox/{path.relative_to(description.parent).as_posix()}"] = path.read_bytes()
    source = site.url(f"/fox/{description.name}")
    digest = hashlib.sha256(description.read_bytes()).hexdigest()
    site.files["/id_map.json"] = json.dumps({"quiet-fox": {"source": source, "sha256": digest}}).encode()
    monkeypatch.setenv("BIOIMG_FIJI_ZOO", site.url("/id_map.json"))
    entry = get_model("quiet-fox")
    assert entry.name == f"quiet-fox@{open_package(description).sha256[:16]}"
    assert open_package("quiet-fox").sha256 == open_package(description).sha256
    with pytest.raises(ModelNotFoundError, match="quiet-fix") as caught:
        get_model("quiet-fix")
    assert "quiet-fox" in caught.value.fix
    assert collection().offline == ""
    monkeypatch.setenv("BIOIMG_FIJI_ZOO", "http://127.0.0.1:9/gone.json")
    listing = collection()
    assert list(listing.models) == ["quiet-fox"]
    assert "does not answer" in listing.offline
    assert list((tmp_path / "cache" / "downloads").iterdir()) == []


def test_addresses_of_archives_and_of_descriptions(site: Site, tmp_path: Path, model: Path) -> None:
    site.files["/a/model.zip"] = model.read_bytes()
    assert get_model(site.url("/a/model.zip"), "fox").name == f"fox@{open_package(model).sha256[:16]}"
    site.files["/b/rdf.yaml"] = b"source: ../../secret\n"
    with pytest.raises(PackageError, match="elsewhere"):
        get_model(site.url("/b/rdf.yaml"))
    assert not any("secret" in path for path, _ in site.asked)


def test_the_shell_adds_lists_and_removes(model: Path) -> None:
    added = run_cli("models", "add", model, "--nickname", "fox")
    assert added.returncode == 0, added.stderr
    name = added.stdout.split("model=")[1].strip()
    assert name in run_cli("models", "list").stdout
    assert run_cli("models", "remove", "fox").returncode == 0
    assert name not in run_cli("models", "list").stdout
    again = run_cli("models", "remove", "fox")
    assert again.returncode == 1
    assert "no model 'fox'" in again.stderr


def test_what_the_zoo_would_want(model: Path) -> None:
    findings = {each.field: each for each in publish.check(open_package(model))}
    assert findings["test tensors"].ok
    assert not findings["authors: orcid"].ok
    assert findings["authors: orcid"].fix
    assert run_cli("models", "publish", model, "--check").returncode == 1
    assert publish._is_orcid("0000-0002-1825-0097")
    assert not publish._is_orcid("0000-0002-1825-0098")
