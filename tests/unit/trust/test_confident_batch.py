"""Bounds of a folder of images: as those of single runs, with models that are loaded once."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.commands import Result, find
from bioimg_fiji.errors import PackageError, ParameterError
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.jobs import Job
from bioimg_fiji.runtime.fake import write_random_unet
from bioimg_fiji.runtime.onnx_adapter import OnnxAdapter
from bioimg_fiji.trust.attach import with_attachments
from bioimg_fiji.trust.conformal import Sample, SpreadKind, calibration_of, dumps
from support.processes import run_cli

BOUNDS = ("lower", "upper", "confidence")


@pytest.fixture(autouse=True)
def _cache(cache: Path) -> None:
    cache.mkdir()


def calibrated(target: Path, kind: SpreadKind = "augmentation", mean: float = 100.0, **more: Any) -> Path:
    """Write a model with a calibration of 25 images."""
    package = write_random_unet(target.with_name(f"plain-{target.name}"), mean, spread=kind == "head")
    rng = np.random.default_rng(0)
    samples = [Sample(str(n), "", 2 * rng.normal(size=500), np.ones(500), 500) for n in range(25)]
    with_attachments(package, {"confidence.json": dumps(calibration_of(kind, samples, **more))}, {}, target)
    return target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good images, one of them in a sub-folder, and one with a NaN."""
    source = tmp_path / "in"
    (source / "plate").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.tif", "plate/b.tif", "nan.tif"):
        pixels = rng.normal(100, 10, (40, 48)).astype(np.float32)
        pixels[0, 0] = np.nan if name == "nan.tif" else pixels[0, 0]
        write_image(Image(pixels, "yx", scales={"x": Scale(0.5, "µm"), "y": Scale(0.5, "µm")}), source / name)
    return source


def batch(folder: Path, model: Path, job: Job | None = None, **values: Any) -> Result:
    keys = {"folder": folder, "model": model, "output": folder.parent / "out", **values}
    return find("run_batch").run(keys, job or Job())


def report(folder: Path) -> dict[str, dict[str, str]]:
    with (folder.parent / "out/bioimg-report.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def counts(result: Result) -> tuple[object, ...]:
    return tuple(result.figures[name] for name in ("done", "failed", "kept"))


@pytest.mark.parametrize("kind", ["head", "augmentation", "ensemble"])
def test_each_image_has_the_bounds_of_a_single_run(
    kind: SpreadKind, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more: dict[str, Any] = {}
    keys: dict[str, Any] = {"confidence": 90, "device": "cpu", "weights": "onnx"}
    if kind == "ensemble":
        more["members"] = (write_random_unet(tmp_path / "other.zip", 104.0).sha256,)
        keys["ensemble"] = str(tmp_path / "other.zip")
    model = calibrated(tmp_path / "model.zip", kind, **more)
    loaded: list[str] = []
    load = OnnxAdapter.__init__
    monkeypatch.setattr(OnnxAdapter, "__init__", lambda *given: (loaded.append(given[1].name), load(*given))[1])
    notes: list[str] = []
    found = batch(folder, model, Job(on_note=notes.append), **keys)
    assert len(loaded) == (2 if kind == "ensemble" else 1)
    monkeypatch.undo()

    assert counts(found) == (2, 1, 0)
    sentence = f"Bounds of 90 % confidence, empirical (25 images); spread by {kind}."
    assert [note for note in notes if "Bounds" in note] == [sentence]
    rows, widths = report(folder), []
    for name in ("a", "plate/b"):
        single = find("run_model").run({"image": read_image(folder / f"{name}.tif"), "model": model, **keys})
        for image, expected in single.images.items():
            written = read_image(tmp_path / "out" / f"{name}{'' if image == 'output' else f'-{image}'}.tif")
            np.testing.assert_array_equal(written.pixels, expected.pixels, strict=True)
            assert written.scale("x") == Scale(0.5, "µm")
        row = rows[f"{name}.tif"]
        assert (row["confidence_level"], row["confidence_label"]) == ("90", "empirical (25 images)")
        assert float(row["interval_width"]) == pytest.approx(single.figures["interval_width"], rel=1e-5)
        assert row["fit"] == single.figures["fit"]
        stem = Path(name).name
        assert row["results"] == f"{stem}.tif/{stem}-lower.tif/{stem}-upper.tif/{stem}-confidence.tif"
        widths.append(float(row["interval_width"]))
    assert found.figures["confidence_label"] == "empirical (25 images)"
    assert found.figures["interval_width"] == pytest.approx(np.mean(widths))
    assert "NaN" in rows["nan.tif"]["reason"]
    assert rows["nan.tif"]["confidence_label"] == rows["nan.tif"]["interval_width"] == ""
    assert not list((tmp_path / "out").glob("nan*"))


def test_resume_keeps_what_has_the_same_confidence(folder: Path, tmp_path: Path) -> None:
    (folder / "nan.tif").unlink()
    model = calibrated(tmp_path / "model.zip")
    assert counts(batch(folder, model, confidence=90)) == (2, 0, 0)
    narrow = float(report(folder)["a.tif"]["interval_width"])
    kept = batch(folder, model, confidence=90, resume=True)
    assert counts(kept) == (0, 0, 2)
    assert kept.figures["interval_width"] > 0
    (tmp_path / "out/a-upper.tif").unlink()
    assert counts(batch(folder, model, confidence=90, resume=True)) == (1, 0, 1)
    assert counts(batch(folder, model, confidence=90, bounds="certified", resume=True)) == (2, 0, 0)
    assert report(folder)["a.tif"]["confidence_label"] == "certified (25 images, with probability 90 %)"
    assert float(report(folder)["a.tif"]["interval_width"]) > narrow
    assert counts(batch(folder, model, confidence=80.5, resume=True)) == (2, 0, 0)
    assert report(folder)["a.tif"]["confidence_level"] == "80.5"
    assert counts(batch(folder, model, resume=True)) == (2, 0, 0)
    assert counts(batch(folder, model, resume=True)) == (0, 0, 2)
    assert counts(batch(folder, model, confidence=80.5, resume=True)) == (2, 0, 0)


def test_a_report_of_an_earlier_version_goes_on(folder: Path, tmp_path: Path) -> None:
    model = calibrated(tmp_path / "model.zip")
    batch(folder, model)
    path = tmp_path / "out/bioimg-report.csv"
    lines = list(csv.reader(path.read_text("utf-8").splitlines()))
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(line[:7] for line in lines)
    assert counts(batch(folder, model, resume=True)) == (0, 1, 2)
    assert counts(batch(folder, model, resume=True, confidence=90)) == (2, 1, 0)


def test_what_cannot_be_given_is_refused_before_the_first_image(folder: Path, tmp_path: Path) -> None:
    model = calibrated(tmp_path / "model.zip")
    with pytest.raises(PackageError, match=r"no calibrated confidence.*\(calibrate\)"):
        batch(folder, tmp_path / "plain-model.zip", confidence=90)
    with pytest.raises(ParameterError, match="left out without a confidence"):
        batch(folder, model, bounds="certified")
    with pytest.raises(ParameterError, match="augmentation \\(or auto\\)"):
        batch(folder, model, confidence=90, spread="head")
    assert not (tmp_path / "out").exists()


def test_bounds_take_no_result_of_another_image(folder: Path, tmp_path: Path) -> None:
    model = calibrated(tmp_path / "model.zip")
    write_image(read_image(folder / "a.tif"), folder / "A-Lower.tif")
    assert counts(batch(folder, model, confidence=90)) == (3, 1, 0)
    names = {path.name for path in (tmp_path / "out").glob("*.tif")}
    assert names == {f"{stem}{end}.tif" for stem in ("a", "A-Lower_tif") for end in ("", *(f"-{b}" for b in BOUNDS))}


def test_bounds_of_another_model_do_not_stay_beside_the_result(folder: Path, tmp_path: Path) -> None:
    model, other = calibrated(tmp_path / "model.zip"), calibrated(tmp_path / "other.zip", mean=104.0)
    batch(folder, model, confidence=90)
    own = tmp_path / "out/b-lower.tif"
    own.write_bytes(b"the user's")
    batch(folder, model)
    assert (tmp_path / "out/a-lower.tif").is_file()  # around the same result
    batch(folder, model, confidence=90)
    batch(folder, other)
    left = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.tif")}
    assert left == {"a.tif", "b-lower.tif", "plate/b.tif"}


def test_in_a_shell_it_is_the_same_key(folder: Path, tmp_path: Path) -> None:
    model = calibrated(tmp_path / "model.zip")
    done = run_cli("run", model, folder / "plate", tmp_path / "out", "--confidence", "90", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").glob("*.tif")} == {"b.tif", *(f"b-{name}.tif" for name in BOUNDS)}
    assert "empirical (25 images)" in done.stdout + done.stderr
