"""What a chooser of models tells: name, task and axes of each model of the store, and whether it fits an image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bioimg_fiji.errors import BioimgError, ProtocolError

if TYPE_CHECKING:
    from bioimg_fiji.image import Image
    from bioimg_fiji.package import ModelPackage

TASKS = (
    "denoising",
    "restoration",
    "super-resolution",
    "instance-segmentation",
    "semantic-segmentation",
    "cell-segmentation",
    "nucleus-segmentation",
    "segmentation",
    "detection",
    "classification",
    "virtual-staining",
    "in-silico-labeling",
    "image-to-image",
)
"""Tags that say what a model is for, the telling ones first."""


@dataclass(frozen=True)
class Suggestion:
    """One model of the store.

    Parameters
    ----------
    name
        What macros call it.
    title, task, axes
        What it calls itself, what it is for ("" where it does not say), and the axes of its main input without b.
    fits, why
        Whether the image fits, None where that was not asked or cannot be told; and why not.
    """

    name: str
    title: str = ""
    task: str = ""
    axes: str = ""
    fits: bool | None = None
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON values ("Models" in docs/protocol.md)."""
        return dataclasses.asdict(self)


def suggestions(header: Mapping[str, Any] | None = None) -> list[Suggestion]:
    """Look at the models of the store, by name.

    Parameters
    ----------
    header
        Title, axes, shape and dtype of an image ("Image header" in docs/protocol.md); None asks for none.

    Raises
    ------
    ProtocolError
        When the header describes no image.
    """
    from bioimg_fiji.package import open_package, store

    image = None if header is None else _without_pixels(header)
    found = []
    for entry in store.entries():
        try:
            found.append(_look(entry.name, open_package(entry.path), image))
        except BioimgError as error:
            found.append(Suggestion(entry.name, fits=False, why=_sentence(error)))
    return found


def _look(name: str, package: ModelPackage, image: Image | None) -> Suggestion:
    from bioimg_fiji.package.fit import fit
    from bioimg_fiji.package.links import main_input

    axes = main_input(package).letters.replace("b", "")
    known = Suggestion(name, package.name, task_of(package), axes)
    needed = [tensor.id for tensor in package.inputs if not tensor.optional]
    if len(needed) > 1:
        return dataclasses.replace(known, why=f"It takes {len(needed)} images: {', '.join(needed)}.")
    if image is None:
        return known
    try:
        fit(image, package, others={})
    except BioimgError as error:
        return dataclasses.replace(known, fits=False, why=_sentence(error))
    return dataclasses.replace(known, fits=True)


def task_of(package: ModelPackage) -> str:
    """Say what a model is for: as it was trained here, or by its tags; "" where neither tells."""
    from bioimg_fiji.package.read import read_description
    from bioimg_fiji.train.catalogue import CATALOGUE

    provenance = package.own.get("provenance")
    method = provenance.get("method") if isinstance(provenance, Mapping) else None
    if method in CATALOGUE:
        return CATALOGUE[method].kind
    tags = read_description(package).get("tags")
    words = [str(tag).lower().replace(" ", "-").replace("_", "-") for tag in tags] if isinstance(tags, list) else []
    return next((task for task in TASKS if task in words), "")


def _without_pixels(header: Mapping[str, Any]) -> Image:
    """Make an image of this header without memory for its pixels: none are read."""
    import numpy as np

    from bioimg_fiji.image import Image

    try:
        pixels = np.broadcast_to(np.zeros((), header["dtype"]), tuple(header["shape"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"The image header is damaged: {error!r}.") from error
    return Image.from_header(header, pixels)


def _sentence(error: BioimgError) -> str:
    return f"{error.message} {error.fix}".strip()
