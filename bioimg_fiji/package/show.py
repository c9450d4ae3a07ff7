"""What a notebook shows of a model package: its cover, who made it, what it takes and gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji import html
from bioimg_fiji.package.model import ModelPackage, Size, TensorSpec

_WIDTH = 256
_LARGEST_COVER = 4 * 2**20


def describe(package: ModelPackage, description: Mapping[str, Any]) -> str:
    """Write a package as HTML; `description` is what its file says."""
    facts = html.rows(_facts(package, description))
    cover = _cover(package.root, description.get("covers"))
    return html.beside(cover, facts) if cover else facts


def _facts(package: ModelPackage, description: Mapping[str, Any]) -> list[tuple[str, object]]:
    tested = all(tensor.test_tensor for tensor in (*package.inputs, *package.outputs))
    return [
        ("model", package.name),
        ("description", package.description),
        ("authors", ", ".join(_names(description.get("authors")))),
        ("licence", description.get("license") or ""),
        *(("input", _tensor(each)) for each in package.inputs),
        *(("output", _tensor(each)) for each in package.outputs),
        ("weights", ", ".join(package.weights)),
        ("tags", ", ".join(package.tags)),
        ("test", "has test tensors: bioimg-fiji models test" if tested else "has no test tensors"),
        ("SHA-256", package.sha256[:16]),
    ]


def _tensor(tensor: TensorSpec) -> str:
    sizes = []
    for axis in tensor.axes:
        size = axis.size
        least = f" {size.minimum}{f' + n * {size.step}' if size.step else ''}" if isinstance(size, Size) else ""
        unit = f" ({axis.scale:.4g} {axis.unit})" if axis.unit else ""
        sizes.append(f"{axis.letter or axis.id}{least}{unit}")
    return f"{tensor.id}: {', '.join(sizes)}; {tensor.dtype}"


def _names(authors: object) -> Iterable[str]:
    found = authors if isinstance(authors, list) else []
    return [str(each["name"]) for each in found if isinstance(each, Mapping) and each.get("name")]


def _cover(root: Path, covers: object) -> str:
    """Give the first cover that can be shown, made small; a cover of another place is not looked for."""
    import imageio.v3 as imageio

    for cover in covers if isinstance(covers, list) else []:
        name = cover.get("source") if isinstance(cover, Mapping) else cover
        path = (root / str(name)).resolve()
        if not path.is_relative_to(root.resolve()) or not path.is_file() or path.stat().st_size > _LARGEST_COVER:
            continue
        try:
            pixels = np.asarray(imageio.imread(path.read_bytes(), index=0))
        except Exception:  # noqa: BLE001, S112 - whatever a damaged picture raises: there may be another
            continue
        step = -(-max(pixels.shape[:2]) // _WIDTH)
        small = pixels[::step, ::step]
        small = small[..., :3] if small.ndim == 3 else small
        if small.dtype == np.uint8 and small.ndim in (2, 3):
            return html.picture(np.ascontiguousarray(small), small.shape[1])
    return ""
