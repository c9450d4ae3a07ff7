"""Where the commands that make a model write it."""

from __future__ import annotations

from pathlib import Path

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.files import check_folder


def package_target(path: Path, name: str) -> Path:
    """Give the path of the package to write, which the key `name` tells; refuse one that cannot be, before the work.

    Raises
    ------
    ParameterError
        When it ends with something else than .zip.
    StorageError
        When its folder is not there or cannot be written to.
    """
    target = path if path.suffix else path.with_suffix(".zip")
    if target.suffix.lower() != ".zip":
        raise ParameterError.of(name, "a name that ends with .zip", path.name, fix="A model package is a .zip file.")
    check_folder(target)
    return target
