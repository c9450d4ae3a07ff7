"""The images that a training learns from: the active one, several open ones, a folder, a list, a file of any size."""

from __future__ import annotations

import contextlib
import csv
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bioimg_fiji.errors import AxesError, ParameterError
from bioimg_fiji.files import read_image
from bioimg_fiji.files.ome_zarr import is_zarr
from bioimg_fiji.files.source import Source, open_source
from bioimg_fiji.image import Image
from bioimg_fiji.runtime.memory import free_memory

LISTS = (".txt", ".tsv", ".csv")
"""Extensions of lists: a path on each line, for pairs the target's behind a tab (.csv: a comma); # begins a remark."""

_ENDINGS = (".ome.tiff", ".ome.tif", ".ome.zarr")

_SHARE = 0.25
"""Part of the free memory that files may take; more are read patch by patch."""

_SHOWN = 5


@dataclass(frozen=True)
class Wanted:
    """What the keys of a training say about its images.

    Parameters
    ----------
    image, images
        Open images.
    source
        A folder, a list (`LISTS`) or an image file.
    pattern
        Names of the files in folders.
    target, targets, target_source
        The same of what the images are to become.
    axes
        Letters of the images' axes, where they have them wrong.
    """

    image: Image | None
    images: Sequence[Image]
    source: Path | None
    pattern: str
    axes: str | None
    target: Image | None = None
    targets: Sequence[Image] = ()
    target_source: Path | None = None


@dataclass(frozen=True)
class Gathered:
    """Images and, where there are any, their targets in the same order; `name` is that of the data."""

    images: tuple[Image | Source, ...]
    targets: tuple[Image | Source, ...]
    name: str


def gather(wanted: Wanted, stack: contextlib.ExitStack) -> Gathered:
    """Find the images; files that are read patch by patch are closed with `stack`.

    Raises
    ------
    ParameterError
        When there is no image, or images are named in two ways, or a file has no target of its name.
    FileFormatError, AxesError
        For files that cannot be read.
    """
    opened = [*([] if wanted.image is None else [wanted.image]), *wanted.images]
    if wanted.source is None:
        if not opened:
            raise ParameterError(
                "There is no image to train on.",
                fix="Open one, or name a folder with source=...",
                field="image",
                expected="an image",
            )
        targets = [*([] if wanted.target is None else [wanted.target]), *wanted.targets]
        lettered = tuple(image.with_axes(wanted.axes or image.axes) for image in opened)
        return Gathered(lettered, tuple(relettered(target, wanted.axes) for target in targets), opened[0].name)
    if opened:
        raise ParameterError.of(
            "source", "left out where open images are named", str(wanted.source), fix="Name one of the two."
        )
    paths = files_of(wanted.source, wanted.pattern, "source")
    name = wanted.source.name.split(".")[0]
    pairs = paths
    if wanted.target_source is not None and not any(paths.values()):
        pairs = paired(paths, wanted.source, wanted.target_source, wanted.pattern)
    opener = _Opener([*pairs, *(target for target in pairs.values() if target)], wanted.axes, stack)
    images = tuple(opener.open(path) for path in pairs)
    return Gathered(images, tuple(opener.target(target) for target in pairs.values() if target), name)


def read_target(path: Path, axes: str | None) -> Image:
    """Read a target: it may have fewer axes than its image, so its own come first.

    Raises
    ------
    FileFormatError, AxesError
        As `bioimg_fiji.files.read_image`.
    """
    try:
        return read_image(path)
    except AxesError:
        return read_image(path, axes)


def relettered(target: Image, axes: str | None) -> Image:
    """Give a target under the letters that were said for its image, where they describe it too."""
    return target.with_axes(axes if axes and len(axes) == len(target.axes) else target.axes)


def files_of(source: Path, pattern: str, field: str) -> dict[Path, Path | None]:
    """Give the image files of a folder (in the order of their names), a list or a file, each with its target or None.

    Raises
    ------
    ParameterError
        When there are none, or a file that a list names is not there.
    """
    if source.suffix.lower() in LISTS and source.is_file():
        return _listed(source, field)
    if source.is_file() or is_zarr(source):
        return {source: None}
    if not source.is_dir():
        raise ParameterError.of(field, "a folder, an image file or a list of files", str(source), fix="Check the path.")
    patterns = pattern.split()
    if not patterns or any(each.startswith("/") or ".." in each for each in patterns):
        raise ParameterError.of("pattern", "names such as *.tif", pattern, fix="Folders go into source.")
    found = {
        path
        for path in source.rglob("*")
        if path.is_file()
        and not path.name.startswith(".")
        and any(fnmatch.fnmatchcase(path.name.lower(), each.lower()) for each in patterns)
    }
    found |= {path for path in source.glob("*.zarr") if is_zarr(path)}
    if not found:
        raise ParameterError.of(
            "pattern", f"the name of at least one file in {source}", pattern, fix="Say for example pattern=*.png."
        )
    return dict.fromkeys(sorted(found))


def _listed(source: Path, field: str) -> dict[Path, Path | None]:
    found: dict[Path, Path | None] = {}
    for number, parts in enumerate(_rows(source, field), 1):
        if not any(parts) or parts[0].startswith("#"):
            continue
        paths = [source.parent / part for part in parts if part]
        missing = [str(path) for path in paths if not path.exists()]
        if missing or len(paths) > 2:
            raise ParameterError.of(
                field,
                f"a file, or two with a tab between, in line {number}",
                missing[0] if missing else ", ".join(parts),
                fix=f"Paths are looked for from {source.parent} on.",
            )
        found[paths[0]] = paths[1] if len(paths) == 2 else None
    if not found:
        raise ParameterError.of(
            field, "at least one path", f"{source} without any", fix="Write the path of an image on each line."
        )
    if len({target is None for target in found.values()}) > 1:
        raise ParameterError.of(
            field, "a list with a target on each line, or on none", str(source), fix="Put a tab between the two paths."
        )
    return found


def _rows(source: Path, field: str) -> list[list[str]]:
    """Read the lines of a list, taken apart."""
    try:
        text = source.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParameterError.of(field, "a list in UTF-8", str(source), fix="Save it again as UTF-8 text.") from error
    separator = "," if source.suffix.lower() == ".csv" else "\t"
    return [[part.strip() for part in row] for row in csv.reader(text.splitlines(), delimiter=separator)]


def paired(
    paths: Iterable[Path], source: Path, others: Path, pattern: str, field: str = "target_source"
) -> dict[Path, Path | None]:
    """Give each file of `source` that of the same name in `others`, a folder or a list; single ones are a pair.

    Raises
    ------
    ParameterError
        When a file has none of its name; `field` is the key of `others`.
    """
    paths = list(paths)
    targets = list(files_of(others, pattern, field))
    if len(paths) == len(targets) == 1:
        return {paths[0]: targets[0]}
    by_name = _by_key(targets, others, field)
    named = {path: by_name.get(key) for key, path in _by_key(paths, source, "source").items()}
    lacking = [path.name for path, target in named.items() if target is None]
    if lacking:
        shown = ", ".join(lacking[:_SHOWN]) + (", ..." if len(lacking) > _SHOWN else "")
        raise ParameterError.of(
            field,
            "a file of the same name for each image",
            f"none for {len(lacking)} of {len(named)}: {shown}",
            fix=f"Put them into {others}, named as the images.",
        )
    return named


def _by_key(paths: Iterable[Path], folder: Path, field: str) -> dict[str, Path]:
    """Give files by their names below the folder (which may be a file itself), without the extension; each once."""
    found: dict[str, Path] = {}
    for path in paths:
        below = path != folder and path.is_relative_to(folder)
        inner = path.relative_to(folder) if below else Path(path.name)
        ending = next((each for each in _ENDINGS if inner.name.lower().endswith(each)), inner.suffix)
        key = str(inner.with_name(inner.name[: len(inner.name) - len(ending)])).casefold()
        if key in found:
            raise ParameterError.of(
                field,
                "files of different names",
                f"{found[key].name} and {path.name}",
                fix="Move one of them away, or say with pattern= which are meant.",
            )
        found[key] = path
    return found


class _Opener:
    """Reads files whole where the memory allows it, else opens them."""

    def __init__(self, paths: Sequence[Path], axes: str | None, stack: contextlib.ExitStack) -> None:
        self._axes, self._stack = axes, stack
        total = sum(path.stat().st_size for path in paths if path.is_file())
        self._in_parts = total > _SHARE * free_memory("cpu")

    def open(self, path: Path) -> Image | Source:
        """Open one."""
        if not self._in_parts and not is_zarr(path):
            return read_image(path, self._axes)
        return self._stack.enter_context(open_source(path, self._axes))

    def target(self, path: Path) -> Image | Source:
        """Open a target."""
        if self._in_parts or is_zarr(path):
            return self.open(path)
        return relettered(read_target(path, self._axes), self._axes)
