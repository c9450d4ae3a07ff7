"""The command `error_map`: what its image, tables, figures and sentences tell, and what it refuses."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
from scipy.ndimage import gaussian_filter

from bioimg_fiji import files
from bioimg_fiji.commands import Result, find
from bioimg_fiji.commands.error_shown import COMPARISON, PLACES, RESULTS
from bioimg_fiji.drawn import labels_of
from bioimg_fiji.errors import BioimgError, ImageError, ParameterError
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.jobs import Job

MICRON = {axis: Scale(0.1, "micron", origin=10.0) for axis in "yx"}

pytestmark = pytest.mark.timeout(120)


def run(image: Image, job: Job | None = None, **values: Any) -> Result:
    """Run the command."""
    return find("error_map").run({"image": image, **values}, job)


def rows(result: Result, table: str) -> list[dict[str, Any]]:
    """Give a table's rows by its columns' names."""
    found = result.tables[table]
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def pair(planes: int = 0, **more: Any) -> tuple[Image, Image]:
    """Give a result that is the truth, and the raw image: gain 1, no offset, read noise 2."""
    rng = np.random.default_rng(0)
    shape = (planes, 100, 120) if planes else (100, 120)
    truth = gaussian_filter(rng.random(shape), 3, axes=(-2, -1)) * 400 + 50
    raw = rng.poisson(truth) + rng.normal(0, 2, shape)
    axes = "tyx" if planes else "yx"
    more = {"scales": MICRON} | more
    return Image(truth.astype(np.float32), axes, title="cells-denoised.tif", **more), Image(raw, axes, **more)


def wrong(image: Image, where: Any, by: float) -> Image:
    pixels = image.pixels.copy()
    pixels[where] += by
    return image.with_pixels(pixels)


def test_the_map_has_calibration_unit_colours_and_outlines() -> None:
    image, raw = pair(roi=b"", properties={"Info": "kept"})
    found = run(wrong(image, np.s_[40:48, 70:78], -60), raw=raw)
    output = found.images["output"]
    assert (output.title, output.dtype, output.axes) == ("cells-denoised-error", np.float32, "yx")
    assert output.scales == image.scales
    assert output.properties["Info"] == "kept"
    assert output.intensity is not None
    assert output.intensity.unit == "SD"
    (channel,) = output.channels
    assert channel.display == (0.0, 10.0)
    colours = np.frombuffer(channel.lut, np.uint8).reshape(3, 256).T.astype(int)
    assert (colours[0].tolist(), colours[255].tolist()) == ([0, 0, 0], [255, 255, 220])
    assert (np.diff(colours @ (299, 587, 114)) >= 0).all()  # never darker again
    marked = labels_of(output).pixels
    assert marked[44, 74] == 1
    assert output.pixels[44, 74] > 10
    (place,) = rows(found, PLACES)
    assert place["Kind"] == "removed"
    assert place["X"] == pytest.approx((74.5 - 10) * 0.1, abs=0.3)
    assert place["Y"] == pytest.approx((44.5 - 10) * 0.1, abs=0.3)
    assert place["Area"] == pytest.approx(np.count_nonzero(marked == 1) * 0.01)
    assert place["Significance"] == pytest.approx(float(output.pixels.max()))
    units = dict(zip(found.tables[PLACES].columns, found.tables[PLACES].units, strict=True))
    assert (units["X"], units["Area"], units["Significance"]) == ("micron", "micron²", "SD")


def test_figures_table_and_sentences_agree() -> None:
    image, raw = pair()
    found = run(image, raw=raw)
    (row,) = rows(found, RESULTS)
    for name in ("rse", "rsp", "worst", "above_5sd"):
        assert found.figures[name] == row[name]
    assert found.figures["method"] == "residual"
    assert found.figures["places"] == 0 == len(found.tables[PLACES].rows) == len(found.images["output"].overlay)
    assert found.figures["worst"] < found.figures["chance"] < 6
    assert found.figures["scale"] == pytest.approx(1, abs=0.05)
    mean = float(image.pixels.mean())
    noise = found.figures["noise_gain"] * mean + found.figures["noise_at_zero"]
    assert noise == pytest.approx(mean + 4, rel=0.15)
    assert "No place of cells-denoised.tif differs" in found.notes[0]
    assert any(f"{found.figures['rsp']:.3f}" in note for note in found.notes)
    (how,) = rows(found, COMPARISON)
    assert how["method"] == "residual"


def test_planes_have_rows_and_regions_their_frames() -> None:
    image, raw = pair(4)
    found = run(wrong(image, np.s_[2, 20:30, 20:30], 60), raw=raw)
    assert [row["Frame"] for row in rows(found, RESULTS)] == [1, 2, 3, 4]
    (place,) = rows(found, PLACES)
    assert (place["Frame"], place["Kind"]) == (3, "added")
    (region,) = found.images["output"].overlay
    assert roifile.ImagejRoi.frombytes(region).position == 3
    assert labels_of(found.images["output"]).pixels.any(axis=(1, 2)).tolist() == [False, False, True, False]


def test_channels_keep_their_names_and_are_fitted_each() -> None:
    image, raw = pair(2)
    names = (Channel("DNA"), Channel("actin"))
    both = [Image(each.pixels * np.float32([[[1]], [[3]]]), "cyx", channels=names) for each in (image, raw)]
    found = run(both[0], raw=both[1])
    assert [channel.name for channel in found.images["output"].channels] == ["DNA", "actin"]
    assert found.images["output"].mode == "color"
    how = rows(found, COMPARISON)
    noise = [each["noise_at_zero"] + each["noise_gain"] * mean for each, mean in zip(how, (250, 750), strict=True)]
    assert noise[1] / noise[0] == pytest.approx(9, rel=0.3)
    assert found.figures["places"] == 0


def test_squirrel_is_in_the_raw_images_unit() -> None:
    image, raw = pair(intensity=Intensity("none", unit="photons"))
    found = run(image.with_pixels(image.pixels / 100), raw=raw)
    assert found.figures["method"] == "squirrel"
    assert found.figures["scale"] == pytest.approx(100, rel=0.05)
    output = found.images["output"]
    assert output.intensity is not None
    assert output.intensity.unit == "photons"
    assert output.channels[0].display is not None
    assert output.channels[0].display[1] == pytest.approx(float(np.quantile(output.pixels, 0.998)), rel=0.1)
    assert any("multiplied by" in note for note in found.notes)


def test_calibrated_intensities_are_compared_in_physical_values() -> None:
    image, raw = pair()
    stored = np.rint(raw.pixels * 4).clip(0).astype(np.uint16)
    calibrated = Image(stored, "yx", scales=MICRON, intensity=Intensity("straight_line", (0.0, 0.25)))
    found = run(image, raw=calibrated)
    assert found.figures["method"] == "residual"
    assert found.figures["worst"] == pytest.approx(run(image, raw=raw).figures["worst"], rel=0.05)


CAMERA = {"gain": 1.0, "read_noise": 2.0, "offset": 0.0}


@pytest.mark.parametrize("coefficients", [(0.0, 0.1), (-25.0, 0.25), (30.0, -2.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_the_camera_is_told_in_grey_levels_whatever_the_calibration(coefficients: Any, dtype: Any) -> None:
    """A straight line changes neither what is noise nor the map in SD; offset 10 shifts all grey levels alike."""
    image, raw = pair()
    grey = raw.with_pixels(np.rint(raw.pixels + 10).clip(0).astype(dtype))
    camera = {**CAMERA, "offset": 10.0}
    plain = run(wrong(image.with_pixels(image.pixels + 10), np.s_[40:48, 70:78], -60), raw=grey, **camera)
    line = Intensity("straight_line", coefficients, "photons")
    both = [dataclasses.replace(each, intensity=line) for each in (image.with_pixels(image.pixels + 10), grey)]
    found = run(wrong(both[0], np.s_[40:48, 70:78], -60), raw=both[1], **camera)
    assert plain.figures["places"] == found.figures["places"] == 1
    assert found.figures["noise_gain"] == pytest.approx(coefficients[1])
    np.testing.assert_allclose(found.images["output"].pixels, plain.images["output"].pixels, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("intensity", "name"),
    [
        (Intensity("log", (1.0, 2.0), "OD"), "calibration log:"),
        (Intensity("straight_line", (-9.0, 1.0), zero_clip=True), "straight_line that makes values below 0 to 0"),
    ],
)
def test_a_curve_has_no_gain(intensity: Intensity, name: str) -> None:
    image, raw = pair()
    raw = dataclasses.replace(raw.with_pixels(raw.pixels.clip(1)), intensity=intensity)
    with pytest.raises(ImageError, match=name):
        run(image, raw=raw, method="squirrel", **CAMERA)


def test_the_blur_is_told_by_image_sigma_or_lens() -> None:
    image, _ = pair()
    rng = np.random.default_rng(1)
    blurred = gaussian_filter(image.pixels.astype(float), 2.0)
    raw = Image(rng.poisson(blurred) + rng.normal(0, 2, blurred.shape), "yx", scales=MICRON)
    psf = Image(gaussian_filter(np.pad([[1.0]], 9), 2.0), "yx", title="psf.tif", scales=MICRON)
    ways = ({"psf": psf}, {"sigma": 2.0}, {"numerical_aperture": 0.5, "wavelength": 0.2 * 0.5 / 0.22508 * 1000})
    found = [run(image, raw=raw, **way) for way in ways]
    assert {each.figures["method"] for each in found} == {"reblur"}
    assert found[2].figures["blur"] == pytest.approx(2.0, rel=1e-3)
    for each in found[1:]:
        np.testing.assert_allclose(each.images["output"].pixels, found[0].images["output"].pixels, atol=0.15)
    assert found[0].figures["places"] == 0


def test_an_enlarged_result_has_a_map_of_the_raw_images_pixels() -> None:
    image, raw = pair()
    fine = Image(np.kron(image.pixels, np.ones((2, 2), np.float32)), "yx", title="fine.tif")
    found = run(fine, raw=raw)
    output = found.images["output"]
    assert (output.shape, output.title) == (raw.shape, "fine-error")
    assert output.scales == raw.scales
    assert found.figures["method"] == "reblur"


def test_the_selection_limits_figures_and_places() -> None:
    image, raw = pair()
    bad = wrong(image, np.s_[40:50, 80:90], 60)
    corners = [(5, 5), (50, 5), (50, 90), (5, 90)]
    roi = bytes(roifile.ImagejRoi.frompoints(corners).tobytes())
    inside = Image(bad.pixels, "yx", roi=roi)
    found = run(inside, raw=raw)
    assert found.figures["places"] == 0
    assert found.images["output"].pixels[45, 85] > 8
    assert run(inside, raw=raw, roi="whole").figures["places"] == 1


def test_colour_pictures_have_three_maps() -> None:
    rng = np.random.default_rng(0)
    pixels = (gaussian_filter(rng.random((64, 64, 3)), (3, 3, 0)) * 255).astype(np.uint8)
    noisy = np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)
    image, raw = (Image(each, "yxc", rgb=True, labels=("one",)) for each in (pixels, noisy))
    output = run(image, raw=raw).images["output"]
    assert (output.rgb, output.shape, output.labels) == (False, (64, 64, 3), ())


def test_what_lies_on_the_disk_is_read_and_written_by_blocks(tmp_path: Path) -> None:
    shape = (6, 1500, 1600)
    rng = np.random.default_rng(0)
    paths = []
    for name in ("image", "raw"):
        mapped = np.memmap(tmp_path / f"{name}.raw", "<f4", "w+", 0, shape)
        for plane in mapped:
            plane[...] = 100 if name == "image" else rng.normal(100, 5, shape[1:])
        mapped[2 if name == "image" else 3, 700:720, 800:820] += 10
        mapped.flush()
        paths.append(np.memmap(tmp_path / f"{name}.raw", "<f4", "r", 0, shape))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    image, raw = (Image(each, "zyx") for each in paths)
    tracemalloc.start()
    try:
        found = run(image, Job(scratch=scratch), raw=raw, method="residual")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    output = found.images["output"]
    assert output.shape == shape
    assert [each.name for each in scratch.iterdir()] == ["error.raw"]
    assert [(place["Slice"], place["Kind"]) for place in rows(found, PLACES)[:2]] in (
        [(3, "added"), (4, "removed")],
        [(4, "removed"), (3, "added")],
    )
    assert output.pixels[2, 710, 810] > 8
    assert peak < 500e6, "more than a few planes of 9.6 MB as float64 (19 MB) with their windows"


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({"raw": None}, ParameterError, "no raw image"),
        ({"method": "reblur"}, ParameterError, "method must be"),
        ({"gain": 2.0}, ParameterError, "read_noise is missing"),
        ({"sigma": 1.0, "wavelength": 500.0}, ParameterError, "more than one way"),
        ({"wavelength": 500.0}, ParameterError, "numerical_aperture is missing"),
        ({"psf": Image(np.ones((3, 5, 5)), "zyx", title="p")}, ImageError, "has 3 slices"),
        ({"psf": Image(np.ones((5, 5)), "yx", scales={"x": Scale(0.3, "um")})}, ImageError, "0.3 µm per pixel"),
        ({"psf": Image(np.zeros((5, 5)), "yx")}, ImageError, "no light"),
    ],
)
def test_what_it_refuses(values: dict[str, Any], error: type[BioimgError], text: str) -> None:
    image, raw = pair()
    with pytest.raises(error, match=text) as raised:
        run(image, **{"raw": raw, **values})
    assert raised.value.fix


def test_a_lens_needs_the_size_of_the_pixels() -> None:
    image, raw = pair(scales={})
    with pytest.raises(ImageError, match="size of its pixels"):
        run(image, raw=raw, numerical_aperture=1.4, wavelength=520.0)


def test_the_real_images_are_no_worse_than_noise(shared_data: Path) -> None:
    path = min((shared_data / "nuclei" / "images").glob("*.tif"))
    photons = files.read_image(path).pixels.astype(float)
    photons *= 20 / photons.mean()
    raw = np.random.default_rng(0).poisson(photons) * 2.0 + 100
    found = run(Image(2 * photons + 100, "yx"), raw=Image(raw, "yx"))
    assert found.figures["above_5sd"] < 0.001
    assert found.figures["typical"] == pytest.approx(1, abs=0.1)
