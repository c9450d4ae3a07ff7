"""The connection file: how a client finds the running server and its token (docs/protocol.md)."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from bioimg_fiji.errors import storage_error


@dataclass(frozen=True)
class Connection:
    """What the connection file says; the token never shows in a message or a log."""

    url: str
    token: str = field(repr=False)
    pid: int
    version: str
    started: float
    protocol: int
    fingerprint: str = ""


def read(path: Path) -> Connection | None:
    """Read the file; None when there is none, or nothing that a server has written."""
    try:
        data = json.loads(path.read_text("utf-8"))
        fields = [each.name for each in dataclasses.fields(Connection)]
        found = Connection(**{name: data[name] for name in fields if name in data})
        return found if isinstance(found.url, str) and isinstance(found.token, str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(path: Path, connection: Connection) -> None:
    """Write the file, readable by this user only, whole or not at all.

    Raises
    ------
    StorageError
        When it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(connection), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise storage_error("Writing the connection file", path, error) from error


def remove(path: Path, connection: Connection) -> None:
    """Remove the file if it is still the one of this server."""
    if read(path) == connection:
        with contextlib.suppress(OSError):
            path.unlink()
