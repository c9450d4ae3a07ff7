"""What keeps the results of long benchmarks, and how lines are read and figures made."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.training import figures, record
from benchmarks.training.options import SECTIONS, Options, add_options, options_of
from benchmarks.training.quality import line_figures
from benchmarks.training.record import Record, code_hash
from benchmarks.training.scenes import LINE_SIGMA, line_noise
from bioimg_fiji import Image
from bioimg_fiji.train import TrainConfig

SETTINGS = {"method": "n2v", "seed": 1}


def stop() -> dict[str, float]:
    raise AssertionError("measured again")


def test_known_results_are_not_measured_again(tmp_path: Path) -> None:
    options = Options(out=tmp_path / "out.json")
    assert Record(options).measured("quality", SETTINGS, lambda: {"psnr": 33.5}) == {"psnr": 33.5}
    assert Record(options).measured("quality", dict(reversed(SETTINGS.items())), stop) == {"psnr": 33.5}
    assert Record(options).measured("quality", SETTINGS | {"seed": 2}, lambda: {"psnr": 1.0}) == {"psnr": 1.0}
    assert Record(options).measured("nuclei", SETTINGS, lambda: {"psnr": 2.0}) == {"psnr": 2.0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json"]


def test_results_of_other_code_and_on_demand_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(out=tmp_path / "out.json")
    Record(options).measured("quality", SETTINGS, lambda: {"psnr": 1.0})
    fresh = Record(Options(out=options.out, fresh=True))
    assert fresh.measured("quality", SETTINGS, lambda: {"psnr": 2.0}) == {"psnr": 2.0}
    assert fresh.measured("quality", SETTINGS, stop) == {"psnr": 2.0}  # not twice in one run
    monkeypatch.setattr(record, "code_hash", lambda _: "changed")
    assert Record(Options(out=options.out, older=True)).measured("quality", SETTINGS, stop) == {"psnr": 2.0}
    assert Record(options).measured("quality", SETTINGS, lambda: {"psnr": 3.0}) == {"psnr": 3.0}


def test_a_measurement_that_breaks_off_leaves_the_others(tmp_path: Path) -> None:
    options = Options(out=tmp_path / "out.json")
    one = Record(options)
    one.measured("quality", SETTINGS, lambda: {"psnr": 1.0})
    with pytest.raises(AssertionError):
        one.measured("quality", SETTINGS | {"seed": 2}, stop)
    one.keep("quality", [figures.note("n2v", 1.0)])
    kept = json.loads(options.out.read_text())
    assert len(kept["measurements"]["quality"]) == 1
    assert kept["figures"]["quality"][0]["figure"] == "n2v"


def test_a_training_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    options = Options(out=tmp_path / "out.json")
    image = Image(np.random.default_rng(0).poisson(20, (40, 40)).astype(np.float32), "yx")
    config = TrainConfig(steps=3, batch_size=2, patch=32, filters=2, depth=1, device="cpu", threads=1)

    def broken() -> dict[str, float]:
        keeper.fit([image], config)
        raise KeyboardInterrupt

    keeper = Record(options)
    with pytest.raises(KeyboardInterrupt):
        keeper.measured("quality", SETTINGS, broken)
    left = list((tmp_path / "bench-train").iterdir())
    assert len(left) == 1
    again = Record(options)
    again.measured("quality", SETTINGS, lambda: {"loss": again.fit([image], config).history[-1]})
    assert list((tmp_path / "bench-train").iterdir()) == []


def test_the_hash_tells_code_that_decides(tmp_path: Path) -> None:
    for name in ("train/loop.py", "nets/unet.py", "metrics.py", "cli/main.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
    before = code_hash(tmp_path)
    (tmp_path / "cli/main.py").write_text("two")
    assert code_hash(tmp_path) == before
    (tmp_path / "nets/unet.py").write_text("two")
    assert code_hash(tmp_path) != before


def test_lines_are_read() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    assert options_of(parser.parse_args([])) == Options()
    given = parser.parse_args(["--only", "nuclei,quality", "--seeds", "3,4", "--photons", "10", "--steps", "5"])
    options = options_of(given)
    assert options.sections == ("quality", "nuclei")
    assert (options.seeds, options.photons) == ((3, 4), (10.0,))
    assert options.preset("n2v").steps == 5
    assert Options(setting="normal").preset("n2v", seed=7).seed == 7
    with pytest.raises(SystemExit, match="no section calcum"):
        options_of(parser.parse_args(["--only", "calcum"]))
    assert set(Options().sections) == set(SECTIONS)


def test_figures_hold_or_not() -> None:
    assert figures.at_least("a", 0.5, 0.5)["holds"]
    assert not figures.at_least("a", float("nan"), 0.5)["holds"]
    assert not figures.above("a", 0.5, 0.5)["holds"]
    assert figures.at_most("a", 0.5, 0.5)["holds"]
    assert not figures.within("a", -2, -1.5, 1.5)["holds"]
    assert not figures.missing("a", "no data")["holds"]
    assert figures.note("a", 1.23456789)["value"] == 1.23457
    assert figures.farthest([0.5, -0.9, 0.2], 0) == -0.9
    assert np.isnan(figures.farthest([0.5, float("nan")], 0))


def test_line_noise_is_correlated_along_its_line_alone() -> None:
    noise = line_noise((400, 400), np.random.default_rng(0)).astype(np.float64)
    assert noise.std() == pytest.approx(LINE_SIGMA, rel=0.02)
    found = line_figures([noise], [noise])
    assert found["left_here"] == pytest.approx(1)
    assert found["along_x"] == pytest.approx(0.8, abs=0.02)
    assert found["along_y"] == pytest.approx(0, abs=0.02)
    assert found["left_along"] == pytest.approx(0.8, abs=0.02)
    white = line_figures([np.random.default_rng(1).normal(size=noise.shape)], [noise])
    assert all(abs(value) < 0.02 for value in white.values())
