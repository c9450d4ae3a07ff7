"""A named server from a real ImageJ: a pinned certificate, cuts of the network, images on the server, its window."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image
from bioimg_fiji.remote import named
from bioimg_fiji.runtime.fake import write_fake_package
from support.cutter import Cutter
from support.processes import ImageJ, run_cli
from support.scenes import play
from support.servers import Server

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with images and a model."""
    rng = np.random.default_rng(1)
    files.write_image(Image(rng.poisson(100, (3, 1400, 1500)).astype(np.uint16), "tyx"), tmp_path / "movie.tif")
    (tmp_path / "data").mkdir()
    files.write_image(Image(rng.poisson(100, (40, 50)).astype(np.uint16), "yx"), tmp_path / "data" / "cells.tif")
    write_fake_package(tmp_path / "model.zip")
    return tmp_path


@pytest.fixture
def gpu(folder: Path) -> Iterator[Server]:
    """A server on all addresses, and its entry in the list of servers."""
    arguments = ["--host", "0.0.0.0", "--self-signed", "--token-file", str(folder / "token")]
    server = Server.start(folder / "far", *arguments, "--root", f"data={folder / 'data'}")
    pin = server.connection.fingerprint
    named.add("gpu", server.connection.url, token_file=folder / "token", pinned=pin)
    named.add("other", server.connection.url, token_file=folder / "token", pinned=":".join(["00"] * 32))
    yield server
    server.stop()


def expected(folder: Path, name: str) -> np.ndarray:
    image = files.read_image(folder / name)
    return find("run_model").run({"image": image, "model": folder / "model.zip"}).images["output"].pixels


def jobs(server: Server) -> int:
    """Count the jobs that it has begun, by its log."""
    log = server.folder / "home" / ".bioimg-fiji" / "logs" / "server.log"
    return log.read_text("utf-8").count(" runs in process ")


def test_a_macro_runs_on_a_pinned_server(imagej: ImageJ, folder: Path, gpu: Server) -> None:
    macro = f"""
    open("movie.tif");
    run("BioImg Run Model...", "model=[{folder}/model.zip] server=gpu");
    saveAs("tiff", "{folder}/result.tif");
    close("*");
    run("BioImg Run Model...", "model=[{folder}/model.zip] image=[server:data/cells.tif] server=gpu");
    saveAs("tiff", "{folder}/cells-result.tif");
    """
    imagej.run_in(folder, macro)
    np.testing.assert_array_equal(files.read_image(folder / "result.tif").pixels, expected(folder, "movie.tif"))
    cells = files.read_image(folder / "cells-result.tif")
    np.testing.assert_array_equal(cells.pixels, expected(folder, "data/cells.tif"))
    assert "server=gpu" in cells.properties["BioImg Macro"]
    assert jobs(gpu) == 2


def test_an_imagej_that_python_opened_runs_there_too(folder: Path, gpu: Server) -> None:
    path = folder / "there.ijm"
    path.write_text(f"""
    open("{folder}/data/cells.tif");
    run("BioImg Run Model...", "model=[{folder}/model.zip] server=gpu");
    saveAs("tiff", "{folder}/result.tif");
    """)
    done = run_cli("macro", path)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(files.read_image(folder / "result.tif").pixels, expected(folder, "data/cells.tif"))
    assert jobs(gpu) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [("other", r"not the one that is expected.*fingerprint [0-9A-F]{2}:"), ("gpuu", r"Did you mean gpu\?")],
)
def test_what_is_wrong_with_a_server_is_a_sentence(
    imagej: ImageJ, folder: Path, gpu: Server, name: str, said: str
) -> None:
    macro = f'open("{folder}/data/cells.tif"); run("BioImg Run Model...", "model=[{folder}/model.zip] server={name}");'
    done = imagej.macro(macro, batch=True)
    assert done.returncode == 1
    assert re.search(said, done.stderr.replace("\n", " ")), done.stderr
    assert "Exception" not in done.stderr
    assert jobs(gpu) == 0


@pytest.mark.parametrize("way", ["reset", "silence"])
def test_the_network_is_cut_while_pixels_travel(imagej: ImageJ, folder: Path, way: str) -> None:
    with Cutter() as cutter:
        server = Server.start(folder / "far", "--token-file", str(folder / "token"), "--allowed-host", cutter.host)
        named.add("tunnel", cutter.lead_to(server.connection.url), token_file=folder / "token")
        sizes = [5_000_000, 20_000_000]  # in the middle of the way there, and of the way back
        cutter.cut_at(sizes, way, 2.0)
        macro = f"""
        open("movie.tif");
        run("BioImg Run Model...", "model=[{folder}/model.zip] server=tunnel");
        saveAs("tiff", "{folder}/result.tif");
        """
        imagej.run_in(folder, macro)
        np.testing.assert_array_equal(files.read_image(folder / "result.tif").pixels, expected(folder, "movie.tif"))
        assert cutter.cuts == 2
        assert jobs(server) == 1
        server.stop()


def test_the_window_adds_tests_and_removes_servers(imagej: ImageJ, folder: Path) -> None:
    server = Server.start(folder / "far", "--host", "0.0.0.0", "--self-signed", "--token-file", str(folder / "token"))
    told = server.connection
    try:
        seen = play(imagej, "menu_scenes", "named_servers", told.url, told.fingerprint, told.token)
    finally:
        server.stop()
    assert re.search(r"not the one that is expected", seen["wrong"])
    assert re.match(r"gpu answers in \d+ ms: version \S+, 0 jobs, devices: cpu", seen["right"])
    entry = json.loads(seen["list"])["servers"][0]
    assert (entry["name"], entry["url"], entry["fingerprint"]) == ("gpu", told.url, told.fingerprint)
    assert told.token not in seen["list"]


def test_the_list_that_java_and_python_write(gpu: Server, private_places: Path) -> None:
    known = json.loads(Path(os.environ["BIOIMG_FIJI_SERVERS"]).read_text())
    assert [set(each) for each in known["servers"]] == [{"name", "url", "fingerprint", "token_file"}] * 2
