"""Which packages may run code of their own.

A package is trusted by the SHA-256 of its whole content: every file below its folder, whether the description names it
or not, so that no line of what runs can change unnoticed. Lives here: that hash and the user's list of trusted ones.
Lives not here: what counts as code (runtime/).
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bioimg_fiji.errors import PackageError, ParameterError, UntrustedModelError, storage_error
from bioimg_fiji.package.archive import MAX_FILES
from bioimg_fiji.package.model import ModelPackage
from bioimg_fiji.settings import trusted_file

DIGITS = 16
"""Fewest digits of a hash that say which package is meant."""


def content_hash(package: ModelPackage) -> str:
    """Give the SHA-256 over the names and contents of all files of a package, as 64 hexadecimal digits.

    Raises
    ------
    PackageError
        When the folder has more files than a package may have, a link, or a file that cannot be read.
    """
    whole = hashlib.sha256()
    for name, path in sorted(package_files(package.root)):
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise PackageError(
                f"The package's file {name} cannot be read: {error.strerror}.", fix="Open the package again."
            ) from error
        whole.update(f"{digest}  {name}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def check_trust(package: ModelPackage, what: str, given: str = "") -> None:
    """Let a package run code of its own, or refuse.

    Parameters
    ----------
    package
        The package.
    what
        What would run, for the message: "TorchScript", "Python code (NAME in FILE)".
    given
        The hash, or at least its first `DIGITS` digits, by which the user trusts this package for this once; of a run
        of several packages all of theirs, with ; between.

    Raises
    ------
    UntrustedModelError
        When neither `given` nor the user's list says that this content is trusted.
    ParameterError
        When one in `given` is too short, or no hash.
    """
    hashes = [part.strip().lower() for part in given.split(";") if part.strip()]
    for each in hashes:
        if len(each) < DIGITS or set(each) - set("0123456789abcdef"):
            raise ParameterError.of("trust", f"{DIGITS} or more digits of the package's SHA-256", each)
    found = content_hash(package)
    if any(found.startswith(each) for each in hashes) or found in trusted():
        return
    other = f" Its SHA-256 is another than trust={given.strip()}." if hashes else ""
    several = " (of several models all of theirs, with ; between)" if hashes else ""
    raise UntrustedModelError(
        f"{package.name} would run {what} that came with the package.{other}",
        fix=f"Read it in {package.root}. If you trust it, say trust={found[:DIGITS]}{several}, "
        f"or once for all: bioimg-fiji models trust MODEL.",
        sha256=found,
        runs=what,
        folder=str(package.root),
    )


def trusted() -> Mapping[str, str]:
    """Give the user's list: names of packages by their hashes.

    Raises
    ------
    PackageError
        When the list cannot be read; nothing is trusted then.
    """
    path = trusted_file()
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PackageError(f"The list of trusted models {path} cannot be read: {error}.", fix="Remove it.") from error
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise PackageError(f"The list of trusted models {path} is damaged.", fix="Remove it.")
    return content


def trust(package: ModelPackage) -> str:
    """Put a package on the user's list and give its hash.

    Raises
    ------
    StorageError
        When the list cannot be written.
    """
    found = content_hash(package)
    _write({**trusted(), found: package.name})
    return found


def distrust(prefix: str) -> list[str]:
    """Take packages off the user's list, by the first digits of their hashes; give the hashes."""
    gone = [found for found in trusted() if prefix and found.startswith(prefix.lower())]
    if gone:
        _write({found: name for found, name in trusted().items() if found not in gone})
    return gone


def package_files(root: Path) -> list[tuple[str, Path]]:
    """Give all files below a package's folder, by their names in it.

    Raises
    ------
    PackageError
        When there is a link among them, or more files than a package may have.
    """
    found: list[tuple[str, Path]] = []
    for folder, folders, names in os.walk(root):
        for name in [*names, *folders]:
            path = Path(folder, name)
            if path.is_symlink():
                raise PackageError(
                    f"The package has a link ({path.relative_to(root)}), which may lead anywhere.",
                    fix="Use a package of plain files.",
                )
            if path.is_file():
                found.append((path.relative_to(root).as_posix(), path))
        if len(found) > MAX_FILES:
            raise PackageError(
                f"{root} has more than {MAX_FILES} files: it is no folder of one package.",
                fix="Put the package into a folder of its own.",
            )
    return found


def _write(content: Mapping[str, str]) -> None:
    path = trusted_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, name = tempfile.mkstemp(prefix=".trusted-", dir=path.parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(dict(content), file, indent=1, sort_keys=True)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error("Writing the list of trusted models to", path, error) from error
