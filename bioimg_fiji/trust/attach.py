"""Adding attachments to a package: a copy of it with more files, everything else as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bioimg_fiji.errors import PackageError
from bioimg_fiji.files import whole
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.package.archive import write_archive
from bioimg_fiji.package.attachments import attachments_of, is_plain, with_attached
from bioimg_fiji.package.read import description_file, read_description
from bioimg_fiji.package.trust import package_files
from bioimg_fiji.package.write import check_copy, to_yaml


def with_attachments(
    package: ModelPackage, files: Mapping[str, bytes], own: Mapping[str, Any], target: Path
) -> ModelPackage:
    """Write a copy of a package that has these attachments too.

    Every file but the description is copied byte for byte; the description says the same as before, and lists the
    attachments. Those of the same name, of our own, are replaced.

    Parameters
    ----------
    package
        Any package, also of other programs, from an archive or a folder.
    files
        Content of each attachment by its name.
    own
        JSON values for `config.bioimg_fiji.trust`, merged into what is there.
    target
        Path of the new .zip; may be that of the package itself.

    Returns
    -------
    The copy, opened.

    Raises
    ------
    PackageError
        When the package has a file of that name that is no attachment of ours, or a link; or when the specification
        forbids the copy though it allows the package.
    StorageError
        When it cannot be written; there is nothing at the target then, or what was there before.
    """
    described = description_file(package)
    there: dict[str, Path] = {
        name: path for name, path in package_files(package.root) if path.resolve() != target.resolve()
    }
    _check_names(package, files, there)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    description = to_yaml(with_attached(read_description(package), hashes, own))
    new: dict[str, bytes | Path] = {described.name: description, **_without(there, described.name), **files}
    check_copy(described, new)
    whole(target, lambda part: write_archive(part, new))
    return open_package(target)


def _without(files: Mapping[str, Path], name: str) -> dict[str, Path]:
    return {other: path for other, path in files.items() if other != name}


def _check_names(package: ModelPackage, files: Mapping[str, bytes], there: Mapping[str, Path]) -> None:
    """Refuse to write over a file of the package's own."""
    taken = {name.casefold() for name in there} - {name.casefold() for name in attachments_of(package)}
    for name in files:
        if not is_plain(name):
            raise PackageError(f"{name!r} is no plain name of a file.", fix="Name attachments without folders.")
        if name.casefold() in taken:
            raise PackageError(
                f"{package.name} has a file {name} of its own, where an attachment of that name is to be.",
                fix=f"Rename {name} in the package, or use a package without it.",
                file=name,
            )
