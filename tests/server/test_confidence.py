"""Bounds through a real server: a model that has learnt its confidence, run in every way that a server knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.client import Client
from bioimg_fiji.commands import Result, find
from bioimg_fiji.errors import MisfitError
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Image
from bioimg_fiji.package import About
from bioimg_fiji.runtime.export import export
from bioimg_fiji.train import TrainConfig, synthetic, train
from support.servers import Server

pytestmark = pytest.mark.timeout(240)

BOUNDS = {"lower", "upper", "confidence"}
ASKED: dict[str, Any] = {"confidence": 90, "device": "cpu", "weights": "onnx"}
FIGURES = ("confidence_level", "confidence_label", "spread", "interval_width", "fit", "fit_distance")


def exposed(seed: int) -> Image:
    pixels = synthetic.expose(5 * synthetic.phantom(64, seed=seed), np.random.default_rng(seed))
    return Image(pixels, "yx", title=f"cells {seed}")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained for 60 steps on pairs, with confidence."""
    config = TrainConfig(
        steps=60, batch_size=2, patch=32, filters=2, depth=1, device="cpu", threads=1, method="care", force=True,
        confidence=True,
    )  # fmt: skip
    truths = [Image(synthetic.truth(5 * synthetic.phantom(64, seed=n)), "yx", title=f"true {n}") for n in range(4)]
    trained = train([exposed(n) for n in range(4)], config, targets=truths)
    path = tmp_path_factory.mktemp("confidence") / "model.zip"
    export(trained, About("Bounded", "Learnt with its confidence.", "# Bounded\n\n## Validation\nNone.\n"), path)
    return path


@pytest.fixture
def own(start: Callable[..., Server], tmp_path: Path) -> Iterator[Server]:
    """A server with a store of its own."""
    server = start(BIOIMG_FIJI_CACHE=str(tmp_path / "cache"), BIOIMG_FIJI_MODELS=str(tmp_path / "models"))
    yield server
    server.stop()


@pytest.fixture
def expected(model: Path) -> Result:
    """What the run gives in this process."""
    return find("run_model").run({"image": exposed(9), "model": model, **ASKED})


def check(found: Result, expected: Result) -> None:
    assert set(found.images) == {"output", *BOUNDS}
    for name, image in found.images.items():
        assert image.title == expected.images[name].title
        np.testing.assert_array_equal(image.pixels, expected.images[name].pixels)
    assert {name: found.figures[name] for name in FIGURES} == {name: expected.figures[name] for name in FIGURES}


def test_bounds_and_fit_in_one_run(model: Path, expected: Result) -> None:
    """The head's view gives features, too: with or without a confidence the verdict is the same."""
    plain = find("run_model").run({"image": exposed(9), "model": model, "device": "cpu", "weights": "onnx"})
    np.testing.assert_array_equal(expected.images["output"].pixels, plain.images["output"].pixels)
    told = {name: value for name, value in plain.figures.items() if name.startswith("fit")}
    assert "fit_distance" in told
    assert {name: expected.figures[name] for name in told} == told
    assert expected.figures["spread"] == "head"
    assert expected.figures["confidence_label"] == "empirical (held-out pixels of 4 images of the training)"
    output, lower, upper = (expected.images[name].pixels for name in ("output", "lower", "upper"))
    assert (lower < output).all()
    assert (output < upper).all()


def test_every_way_of_a_server_gives_the_same_bounds(own: Server, model: Path, expected: Result) -> None:
    """Run, run again on the worker that is warm, with a plain run between, and as a pinned model."""
    with Client(url=own.connection.url, token=own.connection.token) as client:
        check(client.run("run_model", exposed(9), model=model, **ASKED), expected)
        plain = client.run("run_model", exposed(9), model=model, device="cpu", weights="onnx")
        assert set(plain.images) == {"output"}
        check(client.run("run_model", exposed(9), model=model, **ASKED), expected)
        off = client.run("run_model", exposed(9), model=model, fit="off", **ASKED)
        assert "fit" not in off.figures
        np.testing.assert_array_equal(off.images["confidence"].pixels, expected.images["confidence"].pixels)
        client.run("models", action="add", source=str(model), nickname="bounded")
        client.run("models", action="pin", source="bounded")
        check(client.run("BioImg: bounded", exposed(9), **ASKED), expected)
        flat = exposed(9).with_pixels((exposed(9).pixels * 3).astype(np.float32))
        with pytest.raises(MisfitError, match="fit=strict") as caught:
            client.run("BioImg: bounded", flat, fit="strict", **ASKED)
        assert caught.value.details["light"] in ("yellow", "red")


def test_a_folder_on_a_server_has_the_same_bounds(own: Server, model: Path, expected: Result, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_image(exposed(9), tmp_path / "in/cells 9.tif")
    keys = {"folder": str(tmp_path / "in"), "output": str(tmp_path / "out"), "model": str(model), **ASKED}
    with Client(url=own.connection.url, token=own.connection.token) as client:
        found = client.run("run_batch", **keys)
        kept = client.run("run_batch", resume=True, **keys)
    assert (found.figures["done"], kept.figures["kept"]) == (1, 1)
    for name in FIGURES[:3]:
        assert found.figures[name] == kept.figures[name] == expected.figures[name]
    for name, image in expected.images.items():
        written = read_image(tmp_path / "out" / f"cells 9{'' if name == 'output' else f'-{name}'}.tif")
        np.testing.assert_array_equal(written.pixels, image.pixels)


def test_by_windows_the_bounds_are_the_same(own: Server, model: Path) -> None:
    """A movie in a buffer on the disk: results are read and written by windows."""
    movie = Image(np.stack([exposed(n).pixels for n in (9, 10, 11)]), "tyx", title="movie")
    keys = {"model": str(model), "tile": 32, **ASKED}
    expected = find("run_model").run({"image": movie, **keys})
    buffer: dict[str, Any] = own.http.post(
        "/v1/buffers", json={"size": movie.pixels.nbytes, "local": True, "on_disk": True}
    ).json()
    Path(buffer["path"]).write_bytes(movie.pixels.tobytes())
    request = {
        "command": "run_model",
        "parameters": keys,
        "images": {"image": {"header": movie.header(), "buffer": buffer["id"]}},
        "local": True,
    }
    answer = own.http.post("/v1/jobs", json=request)
    assert answer.status_code == 202, answer.text
    job = answer.json()["id"]
    status = own.wait(job)
    assert status["state"] == "done", status
    images = status["result"]["images"]
    assert set(images) == {"output", *BOUNDS}
    for name, image in images.items():
        assert image["on_disk"] is True
        pixels = np.fromfile(image["path"], np.float32).reshape(movie.shape)
        np.testing.assert_array_equal(pixels, expected.images[name].pixels)
    figures = status["result"]["figures"]
    assert {name: figures[name] for name in FIGURES} == {name: expected.figures[name] for name in FIGURES}
    assert own.http.delete(f"/v1/jobs/{job}").status_code == 204
