"""Whether a model fits an image: lights, reasons, and that the statistics are of this model and no other."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bioimg_fiji.commands import find
from bioimg_fiji.errors import BioimgError, ImageError, MisfitError, PackageError
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.files.source import map_raw, raw_file
from bioimg_fiji.image import Image
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.jobs import Job
from bioimg_fiji.nets import build
from bioimg_fiji.package import About, ModelPackage, open_package
from bioimg_fiji.runtime.export import export
from bioimg_fiji.runtime.fake import random_unet, write_fake_package
from bioimg_fiji.runtime.trained import TrainedNetwork
from bioimg_fiji.train import synthetic
from bioimg_fiji.trust.check import FitCheck, fit_statistics
from bioimg_fiji.trust.fitness import FILE, FitStatistics, Seen, statistics
from bioimg_fiji.trust.light import judged
from bioimg_fiji.trust.ranges import range_of

Plane = NDArray[np.float32]
Kind = Callable[[int, np.random.Generator], Plane]

SIDE, TRAINED = 128, 6


def _exposed(photons: NDArray[Any], rng: np.random.Generator, gain: float = 1.0) -> Plane:
    reading = synthetic.expose(photons, rng)
    return ((reading - synthetic.OFFSET) * gain + synthetic.OFFSET).astype(np.float32)


def _photons(seed: int) -> NDArray[np.float32]:
    return synthetic.phantom(SIDE, seed)


def _rings(seed: int) -> NDArray[np.float64]:
    """Draw another sample in the same light: rings of a fine period."""
    y, x = np.indices((SIDE, SIDE)) - 37.0 * (1 + seed % 3)
    rings = np.cos(np.hypot(y, x) * 1.1)
    return np.asarray(4.0 + 6.0 * rings.clip(0), np.float64)


KINDS: dict[str, tuple[Kind, str]] = {
    "gain x2": (lambda seed, rng: _exposed(_photons(seed), rng, 2.0), "times the noise"),
    "gain /2": (lambda seed, rng: _exposed(_photons(seed), rng, 0.5), "times less noise"),
    "dimmer": (lambda seed, rng: _exposed(_photons(seed) / 4, rng), "times dimmer"),
    "other sample": (lambda seed, rng: _exposed(_rings(seed), rng), "The image"),
}


def _fitting(seed: int, rng: np.random.Generator) -> Plane:
    return _exposed(_photons(seed), rng)


def _network(seed: int = 0) -> TrainedNetwork:
    """Make a small network of random weights: its features tell structures apart, too."""
    import torch

    trained: TrainedNetwork = random_unet(105.0, 8.0, filters=8, depth=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = build("unet", trained.kwargs).state_dict()
    return dataclasses.replace(trained, state_dict=state)


def _statistics(trained: TrainedNetwork, images: Sequence[Plane]) -> FitStatistics:
    told = trained.told()
    seen = []
    for number, image in enumerate(images):
        telling = told.run(image)
        seen.append(Seen(image[np.newaxis], telling.features, telling.output, number))
    return statistics(seen)


def _package(target: Path, trained: TrainedNetwork, found: FitStatistics) -> ModelPackage:
    told = dataclasses.replace(trained, attachments={FILE: json.dumps(found.to_json()).encode()})
    about = About("Random U-Net", "Random weights.", "# Random\n\n## Validation\nNone.\n")
    return export(told, about, target)


@pytest.fixture(scope="module")
def images() -> list[Plane]:
    """Give training images."""
    rng = np.random.default_rng(1)
    return [_fitting(seed, rng) for seed in range(TRAINED)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, images: list[Plane]) -> Path:
    """Give a package with statistics of its training images."""
    path = tmp_path_factory.mktemp("fit") / "model.zip"
    trained = _network()
    _package(path, trained, _statistics(trained, images))
    return path


@pytest.fixture(autouse=True)
def _cache(cache: Path) -> None:
    cache.mkdir(exist_ok=True)


def _run(model: Path, pixels: NDArray[Any], axes: str = "yx", **keys: Any) -> tuple[Any, list[str]]:
    notes: list[str] = []
    image = Image(pixels, axes, title="im.tif")
    result = find("run_model").run({"image": image, "model": model, **keys}, Job(on_note=notes.append))
    return result, notes


def test_images_that_fit_are_green_and_nothing_is_said(made: Path) -> None:
    rng = np.random.default_rng(2)
    for seed in range(100, 104):
        result, notes = _run(made, _fitting(seed, rng))
        assert (result.figures["fit"], notes, result.tables) == ("green", [], {})
        assert result.figures["fit_distance"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_unlike_is_told(kind: str, made: Path) -> None:
    image, reason = KINDS[kind]
    result, notes = _run(made, image(100, np.random.default_rng(2)))
    assert result.figures["fit"] in ("yellow", "red")
    (note,) = notes
    assert reason in note
    (row,) = result.tables["fit"].rows
    assert row[:3] == ("im.tif", None, result.figures["fit"])
    assert note == f"Fit: {result.figures['fit']}. {row[-1]}"


def test_statistics_of_another_model_do_not_fit(tmp_path: Path, images: list[Plane]) -> None:
    _package(tmp_path / "model.zip", _network(), _statistics(_network(seed=1), images))
    result, _ = _run(tmp_path / "model.zip", _fitting(100, np.random.default_rng(2)))
    assert result.figures["fit"] == "red"
    assert result.figures["fit_distance"] > 5


def test_strict_stops_and_off_does_not_look(made: Path) -> None:
    dim = KINDS["dimmer"][0](100, np.random.default_rng(2))
    with pytest.raises(MisfitError, match="fit=strict") as caught:
        _run(made, dim, fit="strict")
    again = BioimgError.from_json(json.loads(json.dumps(caught.value.to_json())))
    assert isinstance(again, MisfitError)
    assert again.details["light"] in ("yellow", "red")
    result, notes = _run(made, dim, fit="off")
    assert notes == []
    assert not {name for name in result.figures if name.startswith("fit")}


def test_strict_stops_before_a_tile_is_computed(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a tile was computed")

    monkeypatch.setattr("bioimg_fiji.runtime.onnx_adapter.OnnxAdapter.run", refuse)
    with pytest.raises(MisfitError, match="times the noise"):
        _run(made, KINDS["gain x2"][0](100, np.random.default_rng(2)), fit="strict")


def test_check_does_not_change_the_result(made: Path) -> None:
    image = _fitting(100, np.random.default_rng(2))
    with_check, without = (_run(made, image, fit=mode)[0].images["output"].pixels for mode in ("warn", "off"))
    assert np.array_equal(with_check, without)


def test_worst_plane_of_a_movie_is_named(made: Path) -> None:
    rng = np.random.default_rng(2)
    frames = [_fitting(seed, rng) for seed in range(100, 108)]
    assert _run(made, np.stack(frames), "tyx")[0].figures["fit"] == "green"
    frames[5] = KINDS["gain x2"][0](105, rng)
    result, notes = _run(made, np.stack(frames), "tyx")
    assert result.figures["fit_plane"] == 6
    assert ". Plane 6 of 8 has" in notes[0]


def test_files_and_folders_are_checked_too(made: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    folder = tmp_path / "images"
    folder.mkdir()
    for name, pixels in (("fits", _fitting(100, rng)), ("loud", KINDS["gain x2"][0](101, rng))):
        write_image(Image(pixels, "yx"), folder / f"{name}.tif")
    keys = {"input": folder / "loud.tif", "model": made, "output": tmp_path / "out.ome.tif"}
    result = find("run_file").run(keys, Job())
    assert result.figures["fit"] == "red"
    assert result.figures["fit_noise"] > 1.3
    batch = {"folder": folder, "model": made, "output": tmp_path / "results", "fit": "strict"}
    found = find("run_batch").run(batch, Job())
    (failed,) = found.tables["failed"].rows
    assert (failed[0], failed[3]) == ("loud.tif", "yellow")
    assert "fit=strict" in failed[2]
    told = {name: value for name, value in found.figures.items() if name.startswith("fit")}
    assert told == {"fit": "yellow", "fit_green": 1, "fit_yellow": 1, "fit_red": 0}
    assert read_image(tmp_path / "results" / "fits.tif").shape == (SIDE, SIDE)
    with (tmp_path / "results" / "bioimg-report.csv").open(encoding="utf-8", newline="") as file:
        lights = {row["file"]: row["fit"] for row in csv.DictReader(file)}
    assert lights == {"fits.tif": "green", "loud.tif": "yellow"}
    assert not {"fit", "fit_red"} & set(find("run_batch").run({**batch, "fit": "off"}, Job()).figures)


def test_strict_keeps_no_result_of_a_batch_that_warned(made: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    folder, out = tmp_path / "images", tmp_path / "out"
    folder.mkdir()
    for name, pixels in (("fits", _fitting(100, rng)), ("loud", KINDS["gain x2"][0](101, rng))):
        write_image(Image(pixels, "yx"), folder / f"{name}.tif")
    notes: list[str] = []

    def counts(**keys: Any) -> tuple[Any, ...]:
        values = {"folder": folder, "model": made, "output": out, **keys}
        found = find("run_batch").run(values, Job(on_note=notes.append))
        return tuple(found.figures[name] for name in ("done", "failed", "kept"))

    assert counts(fit="off") == (2, 0, 0)
    assert counts(resume=True) == (0, 0, 2)
    assert counts(resume=True, fit="strict") == (1, 1, 0)  # nobody had looked
    assert counts() == (2, 0, 0)
    (out / "loud-of-the-user.tif").write_bytes(b"")
    notes.clear()
    assert counts(resume=True, fit="strict") == (0, 1, 1)
    assert notes == ["loud.tif: It does not fit, and its earlier result was removed: loud.tif."]
    assert {path.name for path in out.iterdir()} == {"fits.tif", "loud-of-the-user.tif", "bioimg-report.csv"}
    assert counts(resume=True, fit="strict") == (0, 1, 1)


def test_statistics_survive_the_package(made: Path, images: list[Plane]) -> None:
    found = fit_statistics(open_package(made))
    assert found is not None
    assert found.images == TRAINED
    before = _statistics(_network(), images)
    image = _fitting(100, np.random.default_rng(2))
    seen = Seen(image[np.newaxis], _network().told().run(image).features)
    one, other = found.figures(seen), before.figures(seen)
    assert one.keys() == other.keys() >= {"distance", "level", "contrast", "noise"}
    for name, figure in one.items():
        assert figure.excess == pytest.approx(other[name].excess, abs=1e-3)


@pytest.mark.parametrize("content", [b"no json", b"{}", b'{"version": 2}', b'{"version": 1, "images": "many"}'])
def test_damaged_statistics_are_refused(content: bytes, tmp_path: Path) -> None:
    about = About("Random U-Net", "Random weights.", "# Random\n\n## Validation\nNone.\n")
    trained = dataclasses.replace(_network(), attachments={FILE: content})
    export(trained, about, tmp_path / "m.zip")
    with pytest.raises(PackageError, match="fit=off"):
        fit_statistics(open_package(tmp_path / "m.zip"))


def test_few_images_widen_the_limit(images: list[Plane]) -> None:
    limits = [_statistics(_network(), images[:count]).distance for count in (1, 3, TRAINED)]
    one, three, many = (each.limit for each in limits if each is not None)
    assert one > three > many
    image = _fitting(100, np.random.default_rng(2))
    alone = _statistics(_network(), images[:1])
    seen = Seen(image[np.newaxis], _network().told().run(image).features)
    assert "Only 1 of them" in judged(alone.figures(seen), images=alone.images).sentence


def test_what_is_removed_is_compared_with_the_noise() -> None:
    rng = np.random.default_rng(4)
    truths = [synthetic.truth(_photons(seed))[np.newaxis] for seed in range(6)]
    noisy = [_exposed(_photons(seed), rng)[np.newaxis] for seed in range(6)]
    found = statistics([Seen(raw, None, truth, n) for n, (raw, truth) in enumerate(zip(noisy, truths, strict=True))])
    fresh = _exposed(_photons(0), rng)[np.newaxis]
    assert abs(found.figures(Seen(fresh, None, truths[0]))["removed"].excess) < 1
    kept = found.figures(Seen(fresh, None, (truths[0] + fresh) / 2))["removed"]
    assert (kept.excess < -1, kept.value) == (True, pytest.approx(0.25, abs=0.05))
    smoothed = np.full_like(fresh, fresh.mean())
    assert found.figures(Seen(fresh, None, smoothed))["removed"].excess > 2.5
    assert "expect noise to be left" in judged({"removed": kept}).sentence


def test_range_is_a_prediction_interval() -> None:
    rng = np.random.default_rng(0)
    outside = []
    for _ in range(400):
        values = rng.normal(3.0, 0.5, 9)
        found = range_of(values[:8].tolist(), 0.5, 8)
        outside.append(abs(found.excess(values[8])) > 1)
    assert 0 < np.mean(outside) <= 0.025


def test_other_packages_are_judged_by_their_test_image(tmp_path: Path) -> None:
    write_fake_package(tmp_path / "fake.zip")
    package = open_package(tmp_path / "fake.zip")
    assert fit_statistics(package) is None
    like = np.random.default_rng(1).normal(100, 10, (64, 64)).astype(np.float32)
    result, notes = _run(tmp_path / "fake.zip", like)
    assert (result.figures["fit"], notes) == ("green", [])
    result, notes = _run(tmp_path / "fake.zip", np.full((64, 64), 7, np.float32))
    assert result.figures["fit"] == "red"
    assert "no contrast" in notes[0]
    with pytest.raises(MisfitError, match="no contrast"):
        _run(tmp_path / "fake.zip", np.full((64, 64), 7, np.float32), fit="strict")


def _of_parts(tmp_path: Path, made: Path, pixels: NDArray[Any], axes: str, **keys: Any) -> Any:
    """Run as by windows: the image's pixels lie in a file."""
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    image = Image(map_raw(tmp_path / "pixels", pixels.shape, pixels.dtype), axes, title="im.tif")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    result = find("run_model").run({"image": image, "model": made, **keys}, Job(scratch=scratch))
    assert raw_file(result.images["output"]) is not None
    return result


@pytest.mark.parametrize("way", ["parts", "file"])
def test_plane_of_a_long_movie_is_named_by_its_place_in_it(made: Path, tmp_path: Path, way: str) -> None:
    """Of 20 frames the middle 8 are looked at: the values of a loud one there, the features of one elsewhere."""
    rng = np.random.default_rng(2)
    for number, kind in ((9, "gain x2"), (17, "other sample")):
        frames = [_fitting(seed, rng) for seed in range(100, 120)]
        frames[number] = KINDS[kind][0](number, rng)
        folder = tmp_path / str(number)
        folder.mkdir()
        if way == "parts":
            result = _of_parts(folder, made, np.stack(frames), "tyx")
        else:
            write_image(Image(np.stack(frames), "tyx"), folder / "in.tif")
            keys = {"input": folder / "in.tif", "model": made, "output": folder / "out.ome.tif"}
            result = find("run_file").run(keys, Job())
        memory, _ = _run(made, np.stack(frames), "tyx")
        assert result.figures["fit_plane"] == memory.figures["fit_plane"] == number + 1
        assert result.figures["fit"] == memory.figures["fit"]
        assert result.figures["fit_distance"] == memory.figures["fit_distance"]


def test_by_windows_strict_stops_too(made: Path, tmp_path: Path) -> None:
    dim = KINDS["gain x2"][0](100, np.random.default_rng(2))
    with pytest.raises(MisfitError, match="fit=strict"):
        _of_parts(tmp_path, made, dim, "yx", fit="strict")


@pytest.mark.parametrize("name", ["straight_line", "zero_clip", "none", "log"])
def test_what_was_removed_is_measured_in_stored_values(tmp_path: Path, name: str) -> None:
    """A calibrated image's result is in its unit; the statistics are in stored values."""
    rng = np.random.default_rng(4)
    truths = [synthetic.truth(_photons(seed))[np.newaxis] for seed in range(6)]
    noisy = [_exposed(_photons(seed), rng)[np.newaxis] for seed in range(6)]
    found = statistics([Seen(raw, None, truth, n) for n, (raw, truth) in enumerate(zip(noisy, truths, strict=True))])
    package = _package(tmp_path / "m.zip", _network(), found)
    line = Intensity("straight_line", (-100.0, 0.5), "photons")
    intensity = {
        "straight_line": line,
        "zero_clip": dataclasses.replace(line, zero_clip=True),
        "none": Intensity("none", (), "photons"),
        "log": Intensity("log", (1.0, 2.0), "OD"),
    }[name]

    def removed(intensity: Intensity | None) -> float | None:
        raw = Image(_exposed(_photons(0), np.random.default_rng(5)), "yx", intensity=intensity)
        truth = truths[0][0] if intensity is None else intensity.physical(truths[0][0])
        check = FitCheck(package, "warn", None, Job())
        check.before(raw)
        fitness = check.after(raw, Image(truth.astype(np.float32), "yx"), 0)
        assert fitness is not None
        return fitness.figures["removed"].value if "removed" in fitness.figures else None

    if name in ("zero_clip", "log"):
        assert removed(intensity) is None
    else:
        assert removed(intensity) == pytest.approx(removed(None), rel=1e-3)


def test_strict_tells_where_the_result_of_a_file_lies(tmp_path: Path, images: list[Plane]) -> None:
    """Structures are judged after the run: the result is there, and the error says so."""
    _package(tmp_path / "model.zip", _network(), _statistics(_network(seed=1), images))
    write_image(Image(_fitting(100, np.random.default_rng(2)), "yx"), tmp_path / "in.tif")
    target = tmp_path / "out.ome.tif"
    keys = {"input": tmp_path / "in.tif", "model": tmp_path / "model.zip", "output": target, "fit": "strict"}
    with pytest.raises(MisfitError) as caught:
        find("run_file").run(keys, Job())
    assert target.exists()
    assert str(target) in caught.value.fix
    assert "fit=warn" in caught.value.fix
    assert caught.value.details["light"] == "red"


@pytest.mark.parametrize("mode", ["warn", "strict", "off"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_no_misfit(made: Path, tmp_path: Path, bad: float, mode: str) -> None:
    """`fit=warn`, which a misfit names as the way out, could not help; an image that is read by parts says the same."""
    pixels = _fitting(100, np.random.default_rng(2))
    pixels[::2, ::2] = bad
    write_image(Image(pixels, "yx"), tmp_path / "in.tif")
    write_fake_package(tmp_path / "fake.zip")
    with pytest.raises(ImageError, match="not numbers"):
        _run(tmp_path / "fake.zip", pixels, fit=mode)
    keys = {"input": tmp_path / "in.tif", "model": made, "output": tmp_path / "out.ome.tif", "fit": mode}
    with pytest.raises(ImageError, match="not numbers"):
        _run(made, pixels, fit=mode)
    with pytest.raises(ImageError, match="not numbers"):
        _of_parts(tmp_path, made, pixels, "yx", fit=mode)
    with pytest.raises(ImageError, match="not numbers"):
        find("run_file").run(keys, Job())


@pytest.mark.parametrize("mode", ["warn", "strict", "off"])
def test_image_without_pixels_is_told(made: Path, mode: str) -> None:
    with pytest.raises(ImageError, match="no pixels"):
        _run(made, np.zeros((0, 40), np.float32), fit=mode)
