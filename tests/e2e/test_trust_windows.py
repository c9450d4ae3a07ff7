"""The windows of trust in a real ImageJ: dialogs on a screen of 1280 x 800, the light in the log and its table."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image
from bioimg_fiji.package import open_package, store
from bioimg_fiji.train import synthetic
from support.processes import ImageJ
from support.scenes import play

pytestmark = [pytest.mark.gui, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def own_server(private_places: Path) -> Iterator[None]:
    """See to it that the server which a scene starts has ended before the next test."""
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (Debian: apt-get install xdotool)")
    connection = Path(os.environ["BIOIMG_FIJI_CONNECTION"])
    yield
    end = time.monotonic() + 60
    while connection.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not connection.exists()


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """Images of one camera."""
    folder = tmp_path / "noisy"
    folder.mkdir()
    rng = np.random.default_rng(4)
    for seed in range(6):
        image = Image(synthetic.expose(synthetic.phantom(192, seed), rng), "yx")
        files.write_image(image, folder / f"cells-{seed}.tif")
    return folder


def test_dialogs_fit_the_screen_and_nothing_in_them_is_cut(imagej: ImageJ, noisy: Path, small_model: Path) -> None:
    store.add(open_package(small_model), "denoise")
    seen = play(imagej, "trust_scenes", "dialogs", *sorted(noisy.iterdir())[:2])
    for name, each in seen.items():
        assert each["plain"]["inside"], name
        assert each["expert"]["inside"], name
        assert each["cut"] == [], name
    order = [seen["run"]["fields"].index(name) for name in ("model", "confidence", "weights", "fit", "bounds")]
    assert order == sorted(order), "what is asked first comes first, and expert settings last"
    assert seen["explain"]["fields"][0] == "model"


def test_a_model_that_does_not_fit_is_told_in_the_log(imagej: ImageJ, noisy: Path, tmp_path: Path) -> None:
    gain = synthetic.expose(synthetic.phantom(192, 50), np.random.default_rng(9)).astype(np.float32)
    brighter = Image((gain - synthetic.OFFSET) * 3 + synthetic.OFFSET, "yx")
    seen = misfit(imagej, noisy, files.write_image(brighter, tmp_path / "other-gain.tif"))
    assert "trained on" in seen["row"]["sentence"]


def test_a_model_of_nuclei_does_not_fit_a_calcium_frame(imagej: ImageJ, shared_data: Path, tmp_path: Path) -> None:
    """The picture of the documentation: nuclei at ten photons of one camera, a frame with its own noise."""
    nuclei, rng = tmp_path / "nuclei", np.random.default_rng(1)
    nuclei.mkdir()
    for path in sorted((shared_data / "nuclei" / "images").glob("*.tif"))[:8]:
        image = tifffile.imread(path).astype(float)
        files.write_image(Image(synthetic.expose(10 * image / image.mean(), rng), "yx"), nuclei / path.name)
    frame = tifffile.imread(shared_data / "calcium" / "mouse_2p.tif")[100]
    misfit(imagej, nuclei, files.write_image(Image(frame.astype(np.float32), "yx"), tmp_path / "calcium-frame.tif"))


def misfit(imagej: ImageJ, training: Path, image: Path) -> dict[str, Any]:
    """Run a model of a folder on another image: red, and the log has all of the sentence in short lines."""
    model = training.with_suffix(".zip")
    keys = {"source": training, "model": model, "steps": 30, "filters": 8, "batch_size": 4, "apply": False}
    find("train_denoiser").run({**keys, "device": "cpu"})
    seen = play(imagej, "trust_scenes", "misfit", image, model)
    assert image.stem in seen["row"]["image"]
    assert seen["row"]["fit"] == "red"
    assert f"Fit: red. {seen['row']['sentence']}" in " ".join(seen["log"].split())
    assert max(map(len, seen["log"].splitlines())) <= 110
    return seen
