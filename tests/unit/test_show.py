"""What notebooks show: the right pixels in the right colours, everything escaped, small, and never an exception."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from bioimg_fiji.commands import Result, Table
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.image.show import thumbnail
from bioimg_fiji.package import open_package
from bioimg_fiji.runtime.fake import write_fake_package

LIMIT = 200_000
EVIL = '<script>alert("x")</script>&'


def pictures(text: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return [imageio.imread(io.BytesIO(base64.b64decode(each))) for each in found]


def lut(red: int, green: int, blue: int) -> bytes:
    ramp = np.arange(256)
    return np.stack([ramp * red, ramp * green, ramp * blue]).astype(np.uint8).tobytes()


def test_the_middle_plane_between_percentiles() -> None:
    pixels = np.zeros((3, 5, 40, 60), np.uint16)
    pixels[1, 2] = np.linspace(1000, 3000, 60)
    pixels[1, 2, 0, 0] = 65535  # a hot pixel is no contrast
    small = thumbnail(Image(pixels, "tzyx"))
    assert small is not None
    assert small.shape == (40, 60)
    assert small[5, 0] == 0
    assert 250 <= small[5, 59] <= 255
    assert int(small[5, 30]) == pytest.approx(128, abs=4)


def test_channels_are_mixed_in_their_colours() -> None:
    pixels = np.zeros((2, 8, 8), np.float32)
    pixels[0, :4] = 5
    pixels[1, :, :4] = 0.1
    channels = (Channel("DAPI", lut(0, 0, 1)), Channel("GFP", lut(0, 1, 0)))
    small = thumbnail(Image(pixels, "cyx", channels=channels))
    assert small is not None
    assert [tuple(small[y, x]) for y, x in ((0, 0), (0, 7), (7, 0), (7, 7))] == [
        (0, 255, 255),
        (0, 0, 255),
        (0, 255, 0),
        (0, 0, 0),
    ]
    plain = thumbnail(Image(pixels, "cyx"))
    assert plain is not None
    assert tuple(plain[0, 0]) == (255, 255, 0)


def test_axes_in_any_order_and_rgb() -> None:
    pixels = np.zeros((6, 4, 2), np.uint8)  # x, y, c
    pixels[5, 0, 0] = 9
    small = thumbnail(Image(pixels, "xyc"))
    assert small is not None
    assert small.shape == (4, 6, 3)
    assert tuple(small[0, 5]) == (255, 128, 0)  # the second channel is constant
    rgb = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    shown = thumbnail(Image(rgb, "cyx", rgb=True))
    assert shown is not None
    np.testing.assert_array_equal(np.moveaxis(shown, -1, 0), rgb)


def test_facts_are_there_and_escaped() -> None:
    image = Image(
        np.zeros((2, 3, 4), np.int16),
        "zyx",
        title=EVIL,
        scales={"x": Scale(0.25, "µm"), "z": Scale(1.5, EVIL)},
        channels=(Channel(EVIL),),
    )
    shown = image._repr_html_()
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") == 3
    for fact in ("z 2, y 3, x 4", "int16", "x 0.25 µm", "48 B", "slice 2"):
        assert fact in shown
    assert len(pictures(shown)) == 1


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((5, 5), np.nan),
        np.array([[np.inf, -np.inf], [np.nan, 1.0]]),
        np.array([[-1.7e308, 1.7e308]]),
        np.full((5, 5), 7, np.uint8),
        np.ones((5, 5), bool),
        np.eye(400, dtype=bool),
        np.zeros((0, 5)),
        np.zeros((5, 0), np.uint8),
        np.zeros((1, 100_000), np.uint16),
        np.array([[-(2**63), 2**63 - 1]]),
        np.random.default_rng(1).random((700, 900)).astype(np.float16),
        np.broadcast_to(np.uint16(3), (200_000, 200_000)),
    ],
    ids=lambda pixels: f"{pixels.dtype}-{pixels.shape}",
)
def test_nothing_raises_and_all_is_small(pixels: np.ndarray) -> None:
    image = Image(pixels, "yx", title="t" * 10_000)
    shown = image._repr_html_()
    assert "no picture" not in shown
    assert len(shown) < LIMIT
    assert len(pictures(shown)) == (1 if pixels.size else 0)


def test_noise_in_colours_is_small_too() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (3, 800, 800), np.uint8)
    assert len(Image(noise, "cyx", rgb=True)._repr_html_()) < LIMIT
    many = np.random.default_rng(1).random((12, 300, 300)).astype(np.float32)
    assert len(Image(many, "cyx")._repr_html_()) < LIMIT


def test_what_cannot_be_shown_is_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(np.zeros((2, 2)), "yx", title=EVIL)
    monkeypatch.setattr("bioimg_fiji.html.picture", None)
    shown = image._repr_html_()
    assert shown.startswith("<pre>")
    assert "<script" not in shown


def test_a_result_shows_its_images_tables_and_notes() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (3, 300, 300), np.uint8)
    image = Image(noise, "cyx", rgb=True)
    table = Table(("label", EVIL), [(number, 1 / 3) for number in range(1000)], ("", "µm"))
    result = Result({f"i{n}": image for n in range(9)}, {EVIL: table}, {"psnr": 30.5}, {}, (EVIL,), partial=True)
    shown = result._repr_html_()
    assert len(shown) < LIMIT
    assert "<script" not in shown
    assert len(pictures(shown)) == 4
    for part in ("psnr", "30.5", "0.33333", "990 more rows", "(µm)", "A part of the work has failed"):
        assert part in shown
    assert "empty" in Result()._repr_html_()


def test_a_model_shows_who_made_it_and_its_cover(small_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "package"
    shutil.copytree(open_package(small_model).root, copy)
    package = open_package(copy)
    shown = package._repr_html_()
    assert len(shown) < LIMIT
    (cover,) = pictures(shown)
    assert cover.shape == (128, 256)
    for part in (package.name, "bioimg-fiji user", "CC-BY-4.0", "y ", "float32", "has test tensors"):
        assert part in shown
    (copy / "cover.png").write_bytes(b"no picture")
    assert pictures(package._repr_html_()) == []
    (copy / "rdf.yaml").unlink()
    assert package._repr_html_().startswith("<pre>")
    fake = write_fake_package(tmp_path / "fake.zip")
    assert "weights" in fake._repr_html_()
