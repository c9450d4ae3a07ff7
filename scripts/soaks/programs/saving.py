"""Writes one thing over an older one, as the software does; says "saved", or the code of the error and ends with 3.

Usage: saving.py KIND TARGET VERSION. A look at what is there: saving.py KIND TARGET, which says the version.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bioimg_fiji.errors import BioimgError
from bioimg_fiji.image import Image

SIZE = 700


def _image(version: int) -> Image:
    return Image(np.full((SIZE, SIZE), 9 * version, np.uint16), "yx", title="picture.tif")


def _save_image(target: Path, version: int) -> None:
    from bioimg_fiji.files import write_image

    write_image(_image(version), target)


def _image_version(target: Path) -> int:
    from bioimg_fiji.files import read_image

    pixels = read_image(target).pixels
    inside = np.round(pixels[1:-1, 1:-1] / 9).astype(int)  # the model takes the mean over neighbours
    if pixels.shape != (SIZE, SIZE) or inside.min() != inside.max():
        raise SystemExit("pixels of several versions")
    return int(inside[0, 0])


def _save_result(target: Path, version: int) -> None:
    from bioimg_fiji.files import write_image
    from bioimg_fiji.predict import PredictOptions, predict_file
    from bioimg_fiji.runtime.fake import write_fake_package

    work = target.parent.parent / "work"  # beside the folder that is watched
    work.mkdir(exist_ok=True)
    source = write_image(_image(version), work / f"{version}.tif")
    predict_file(source, target, write_fake_package(work / "mean.zip"), PredictOptions(tile=300))


def _save_package(target: Path, version: int) -> None:
    from bioimg_fiji.runtime.fake import FakeModel, write_fake_package

    write_fake_package(target, FakeModel(config={"version": version}))


def _package_version(target: Path) -> int:
    from bioimg_fiji.package import open_package

    return int(open_package(target).own["version"])


def _save_checkpoint(target: Path, version: int) -> None:
    import torch

    from bioimg_fiji.train import checkpoint

    checkpoint.save(target, {"step": version, "weights": torch.full((100_000,), float(version))})


def _checkpoint_version(target: Path) -> int:
    from bioimg_fiji.train import checkpoint

    state = checkpoint.load(target)
    if not (state["weights"] == state["step"]).all():
        raise SystemExit("weights of another version")
    return int(state["step"])


KINDS: dict[str, tuple[str, Callable[[Path, int], None], Callable[[Path], int]]] = {
    "image": ("image.tif", _save_image, _image_version),
    "package": ("model.zip", _save_package, _package_version),
    "result": ("result.ome.tif", _save_result, _image_version),
    "pyramid": ("result.ome.zarr", _save_result, _image_version),
    "checkpoint": ("training.checkpoint", _save_checkpoint, _checkpoint_version),
}
"""Kinds: a file's name, how it is written, and how its version is read."""


def main() -> int:
    """Write, or look."""
    kind, target, *version = sys.argv[1:]
    _, save, look = KINDS[kind]
    if not version:
        print(look(Path(target)), flush=True)
        return 0
    try:
        save(Path(target), int(version[0]))
    except BioimgError as error:
        print(error.code, flush=True)
        return 3
    print("saved", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
