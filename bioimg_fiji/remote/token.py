"""The server's token: from a file that only its owner reads, from the environment, or a new one. Never in argv."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from bioimg_fiji.errors import ParameterError, storage_error
from bioimg_fiji.settings import PREFIX

VARIABLE = PREFIX + "TOKEN"
LEAST = 32
"""Letters that a token has at least: one that somebody made up can be guessed."""


def new() -> str:
    """Give a token that nobody can guess."""
    return secrets.token_urlsafe(32)


def given(file: Path | None) -> str | None:
    """Give the token of the file, made where there is none; else that of the environment; else None.

    Raises
    ------
    ParameterError
        When others may read the file, or what it has is no token.
    StorageError
        When it cannot be made.
    """
    if file is not None:
        if not file.exists():
            _make(file)
        return check(read(file), f"The token in {file}")
    value = os.environ.get(VARIABLE)
    return None if value is None else check(value.strip(), f"The token in {VARIABLE}")


def read(file: Path) -> str:
    """Read a token from a file that only its owner may read.

    Raises
    ------
    ParameterError
        When it cannot be read, or others can read it too.
    """
    try:
        if os.name == "posix" and file.stat().st_mode & 0o077:
            raise ParameterError(
                f"The token file {file} can be read by others than its owner.", fix=f"Run `chmod 600 {file}`."
            )
        return file.read_text("ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text of plain letters"
        raise ParameterError(f"The token file {file} cannot be read: {reason}.", fix="Name the right file.") from error


def check(value: str, what: str) -> str:
    """Give the token back if it can be one.

    Raises
    ------
    ParameterError
        When it is too short, or has letters that no header can carry.
    """
    if len(value) < LEAST or not all("!" <= letter <= "~" for letter in value):
        raise ParameterError(
            f"{what} is none: a token has at least {LEAST} letters, without blanks.",
            fix="Name a file that does not exist yet by --token-file: a token is made and written there.",
        )
    return value


def write(file: Path, value: str) -> None:
    """Write a token to a new file, readable by its owner only.

    Raises
    ------
    StorageError
        When it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
            target.write(value + "\n")
    except OSError as error:
        with contextlib.suppress(OSError):
            if not isinstance(error, FileExistsError):
                file.unlink()
        raise storage_error("Writing the token to", file, error) from error


def _make(file: Path) -> None:
    write(file, new())
