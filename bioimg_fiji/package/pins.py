"""Models of the store that the user wants in Fiji's menu: `pins.json` in the store, names by nickname."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path

from bioimg_fiji.errors import ModelNotFoundError, storage_error
from bioimg_fiji.package import store
from bioimg_fiji.package.store import Entry
from bioimg_fiji.settings import models_folder

_FILE = "pins.json"


def pins() -> list[Entry]:
    """Give the pinned models that are in the store, by nickname; one that was removed is none."""
    names = _read()
    if not names:
        return []
    known = {entry.name: entry for entry in store.entries()}
    return [known[name] for _, name in sorted(names.items()) if name in known]


def pin(text: str) -> Entry:
    """Pin a model, in place of another of the same nickname.

    Raises
    ------
    ModelNotFoundError, ModelError
        As `store.find`.
    StorageError
        When the store cannot be written to.
    """
    entry = store.find(text)
    _write({**_read(), entry.nickname: entry.name})
    return entry


def unpin(text: str) -> str:
    """Take a model out of the menu; give its name.

    Raises
    ------
    ModelNotFoundError
        When it is not pinned.
    StorageError
        When the store cannot be written to.
    """
    names = _read()
    for nickname, name in names.items():
        if text in (nickname, name):
            _write({other: names[other] for other in names if other != nickname})
            return name
    fix = f"Pinned are {', '.join(sorted(names.values()))}." if names else "No model is pinned."
    raise ModelNotFoundError(f"The model {text!r} is not pinned.", fix=fix, path=text)


def _path() -> Path:
    return models_folder() / _FILE


def _read() -> dict[str, str]:
    """Give names by nickname; what is damaged is nothing: a menu must not fail."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(_path().read_text("utf-8"))
        if isinstance(content, dict):
            return {str(nickname): str(name) for nickname, name in content.items()}
    return {}


def _write(names: dict[str, str]) -> None:
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, part = tempfile.mkstemp(prefix=".pins-", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(names, file, indent=1)
            Path(part).replace(path)
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error("Writing", path, error) from error
