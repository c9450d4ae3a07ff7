"""Tiles as large as the memory allows; halved, and remembered, where it was not enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.errors import WeightsError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.predict import PredictOptions, predict
from bioimg_fiji.runtime import FakeAdapter, memory
from bioimg_fiji.runtime.fake import mean_filter, write_fake_package

IMAGE = Image(np.random.default_rng(0).normal(100, 10, (300, 500)).astype(np.float32), "yx")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    return write_fake_package(tmp_path / "model.zip")


def small_adapter(package: ModelPackage, most: int) -> FakeAdapter:
    """A model that needs more memory than there is for more than so many pixels."""

    def run(tensor: np.ndarray) -> np.ndarray:
        if tensor.size > most:
            raise MemoryError
        return mean_filter(tensor)

    return FakeAdapter(package, run)


def test_tiles_are_halved_until_they_fit_and_stay_so(package: ModelPackage) -> None:
    notes: list[str] = []
    adapter = small_adapter(package, 20_000)
    found = predict(IMAGE, package, job=Job(on_note=notes.append), adapter=adapter)
    np.testing.assert_allclose(found.images["output"].pixels, mean_filter(IMAGE.pixels), rtol=1e-5)
    assert len(notes) == 2  # 150 000 pixels, at most 75 000, at most a half of those
    assert "Memory does not suffice for tiles of 300 x 500" in notes[0]
    again = small_adapter(package, 20_000)
    predict(IMAGE, package, job=Job(on_note=notes.append), adapter=again)
    assert len(notes) == 2
    assert max(np.prod(shape) for shape in again.shapes) <= 20_000


def test_what_the_user_says_is_not_changed(package: ModelPackage) -> None:
    with pytest.raises(WeightsError, match="Memory does not suffice"):
        predict(IMAGE, package, PredictOptions(tile=256), adapter=small_adapter(package, 20_000))


def test_without_end_it_is_an_error(package: ModelPackage) -> None:
    with pytest.raises(WeightsError, match="Memory does not suffice"):
        predict(IMAGE, package, adapter=small_adapter(package, 0))


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": "b"}', '{"a": -1}'])
def test_a_damaged_record_is_none(content: str, package: ModelPackage, tmp_path: Path) -> None:
    before = memory.tile_budget(package, "cpu")
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "tiles.json").write_text(content)
    assert memory.tile_budget(package, "cpu") == before
    memory.learn(package, "cpu", 5000)
    assert memory.tile_budget(package, "cpu") == 5000
    assert memory.tile_budget(package, "mps") == before


def test_the_budget_is_coarse_and_within_the_memory(package: ModelPackage, monkeypatch: pytest.MonkeyPatch) -> None:
    for free in (2**28, 2**30, 2**33 + 12345, 2**50):
        monkeypatch.setattr(memory, "free_memory", lambda device, free=free: free)
        budget = memory.tile_budget(package, "cpu")
        assert budget.bit_count() == 1
        assert memory.SMALLEST <= budget <= memory.LARGEST
        assert budget * memory.BYTES_PER_PIXEL <= free
