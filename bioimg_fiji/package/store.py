"""The user's model store: packages by nickname and hash, so that a macro can name one without a path.

Each package is a folder `<nickname>@<16 digits>` of the store, put in place by a rename; the digits begin its SHA-256.
A second store (the setting `shared_models`) is only read: a facility fills it for all its users.
Lives here: adding, finding, listing and removing. Lives not here: downloads (zoo/).
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bioimg_fiji import settings
from bioimg_fiji.errors import ModelError, ModelNotFoundError, PackageError, StorageError, storage_error
from bioimg_fiji.package.model import ModelPackage
from bioimg_fiji.package.trust import package_files
from bioimg_fiji.settings import models_folder, shared_models_folder

DIGITS = 16
"""Digits of the hash in a folder's name."""

_NAME = re.compile(r"(?P<nickname>[a-z0-9][a-z0-9-]{0,63})(@(?P<digits>[0-9a-f]{1,64}))?")


@dataclass(frozen=True)
class Entry:
    """One model of the store."""

    nickname: str
    digits: str
    path: Path
    shared: bool = False

    @property
    def name(self) -> str:
        """What macros record: nickname and the hash's first digits."""
        return f"{self.nickname}@{self.digits}"


def entries() -> list[Entry]:
    """Give the models of the store, by name."""
    return sorted(_entries(), key=lambda entry: entry.name)


def looks_like_a_name(text: str) -> bool:
    """Tell whether a text may be a nickname, with or without digits of a hash."""
    return _NAME.fullmatch(text) is not None


def find(text: str) -> Entry:
    """Find a model by `nickname` or `nickname@digits`.

    Raises
    ------
    ModelNotFoundError
        When there is none; names the nearest ones.
    ModelError
        When there are several of that nickname; names them.
    """
    match = _NAME.fullmatch(text)
    known = entries()
    found = [
        entry
        for entry in known
        if match
        and entry.nickname == match["nickname"]
        and (entry.digits.startswith(match["digits"] or "") or (match["digits"] or "").startswith(entry.digits))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelError(
            f"There are {len(found)} models named {text}.", fix=f"Say {' or '.join(entry.name for entry in found)}."
        )
    near = difflib.get_close_matches(text, [entry.name for entry in known], n=3, cutoff=0.5)
    near = near or [entry.name for entry in known][:3]
    raise ModelNotFoundError(
        f"There is no model {text!r}: neither a path nor a model of the store.",
        fix=f"Did you mean {' or '.join(near)}?" if near else "Add one by: bioimg-fiji models add PATH, ADDRESS or ID.",
        path=text,
    )


def add(package: ModelPackage, nickname: str | None = None) -> Entry:
    """Copy a package into the user's store; one that is there already, or in the shared one, stays as it is.

    Parameters
    ----------
    package
        An opened package.
    nickname
        Its name in the store; None: what the package calls itself.

    Raises
    ------
    PackageError
        When the folder of the package has links, or too many files.
    StorageError
        When the store cannot be written to, or would be larger than the setting `models_quota`; nothing is left behind.
    """
    name = slug(nickname or _own_nickname(package))
    target = models_folder() / f"{name}@{package.sha256[:DIGITS]}"
    entry = Entry(name, package.sha256[:DIGITS], target)
    for known in _entries():
        if known.name == entry.name:
            return known
    files = package_files(package.root)
    _check_quota(sum(path.stat().st_size for _, path in files), target.parent)
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staging = Path(tempfile.mkdtemp(prefix=".add-", dir=target.parent))
        for relative, path in files:
            copy = staging / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        try:
            staging.replace(target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise
    except OSError as error:
        raise storage_error("Adding a model to", target.parent, error) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return entry


def remove(text: str) -> Entry:
    """Take a model out of the store.

    Raises
    ------
    ModelNotFoundError, ModelError
        As `find`; also when it is one of the shared store.
    StorageError
        When it cannot be removed.
    """
    entry = find(text)
    if entry.shared:
        fix = f"Who looks after {entry.path.parent} can remove it."
        raise ModelError(f"{entry.name} is in the store for all users, which is only read.", fix=fix)
    gone = entry.path.with_name(f".gone-{entry.path.name}-{os.getpid()}")
    try:
        entry.path.replace(gone)  # at once, whatever becomes of its files
        shutil.rmtree(gone)
    except OSError as error:
        raise storage_error("Removing", entry.path, error) from error
    return entry


def slug(text: str) -> str:
    """Give a nickname: lower case letters, digits and hyphens.

    Raises
    ------
    PackageError
        When nothing of the text is left.
    """
    found = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].strip("-")
    if not found:
        raise PackageError(f"{text!r} gives no nickname.", fix="Say --nickname with letters or digits.")
    return found


def _check_quota(size: int, folder: Path) -> None:
    allowed = float(settings.get("models_quota")) * 1e9
    if allowed <= 0:
        return
    wanted = size + sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    if wanted > allowed:
        raise StorageError(
            f"The model store {folder} would have {wanted / 1e9:.3g} GB, and {allowed / 1e9:.3g} are allowed.",
            fix="Take models out of it by: bioimg-fiji models remove NAME",
            path=str(folder),
            needed=size,
        )


def _own_nickname(package: ModelPackage) -> str:
    zoo = package.config.get("bioimageio")
    nickname = zoo.get("nickname") if isinstance(zoo, dict) else None
    candidates = (nickname, package.id.rsplit("/", 1)[-1], package.name)
    return next(text for text in candidates if isinstance(text, str) and re.search(r"[a-zA-Z0-9]", text))


def _entries() -> Iterator[Entry]:
    """Give the user's own models, then those of the shared store that the user has not. Links are no models."""
    seen = set()
    for folder, shared in ((models_folder(), False), (shared_models_folder(), True)):
        for path in _folders(folder):
            match = _NAME.fullmatch(path.name)
            if match and match["digits"] and path.name not in seen and path.is_dir() and not path.is_symlink():
                seen.add(path.name)
                yield Entry(match["nickname"], match["digits"], path, shared)


def _folders(store: Path | None) -> list[Path]:
    try:
        return list(store.iterdir()) if store else []
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error("Reading the model store", store, error) from error
