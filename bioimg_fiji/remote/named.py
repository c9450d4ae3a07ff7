"""The user's named servers: one JSON file, which Fiji and `bioimg-fiji servers` write alike (docs/protocol.md)."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import ipaddress
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bioimg_fiji import settings
from bioimg_fiji.errors import ParameterError, storage_error
from bioimg_fiji.remote import fingerprint, token

LOCAL = "local"
"""The name of this computer's own server, which is in no list."""

PATIENCE = 600.0
"""Seconds for which a lost connection to a named server is waited for."""


@dataclass(frozen=True)
class NamedServer:
    """One entry of the list.

    Parameters
    ----------
    name
        What `server=` says.
    url
        Its address, without path.
    token_file
        File of mode 0600 with its token.
    fingerprint
        SHA-256 of its certificate, which has to be this very one; "" trusts what the system trusts.
    """

    name: str
    url: str
    token_file: str
    fingerprint: str = ""

    @property
    def token(self) -> str:
        """Read the token.

        Raises
        ------
        ParameterError
            When the file cannot be read, or others can read it too.
        """
        return token.check(token.read(Path(self.token_file)), f"The token in {self.token_file}")


def load() -> dict[str, NamedServer]:
    """Give all named servers by name.

    Raises
    ------
    ParameterError
        When the list is damaged.
    """
    path = settings.servers_file()
    try:
        data = json.loads(path.read_text("utf-8"))
        fields = {each.name for each in dataclasses.fields(NamedServer)}
        entries = [
            NamedServer(**{name: str(each[name]) for name in fields if name in each}) for each in data["servers"]
        ]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(
            f"The list of servers {path} cannot be read: {error}.", fix="Mend or remove it."
        ) from error
    return {entry.name: entry for entry in entries}


def names() -> list[str]:
    """Give what `server=` may say, for a chooser; a damaged list has no names here: who uses it is told."""
    try:
        return [LOCAL, *load()]
    except ParameterError:
        return [LOCAL]


def find(name: str) -> NamedServer:
    """Find a named server, whatever its entry says.

    Raises
    ------
    ParameterError
        When there is none; names the nearest ones.
    """
    known = load()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=2)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    told = ", ".join([LOCAL, *known])
    fix = f"{hint}Servers: {told}. `bioimg-fiji servers add NAME URL` adds one, as does BioImg Server... in Fiji."
    raise ParameterError.of("server", "the name of a server", name, fix=fix)


def usable(name: str) -> NamedServer:
    """Find a named server that may be talked to: the list may have been edited by hand since `add` looked at it.

    Raises
    ------
    ParameterError
        When there is none, or its token would go over the network unencrypted.
    """
    entry = find(name)
    try:
        _check_url(entry.url, entry.fingerprint)
    except ParameterError as error:
        fix = f"Mend the entry {name!r} of {settings.servers_file()}. {error.fix}"
        raise ParameterError(error.message, fix=fix.strip(), **error.details) from error
    return entry


def add(name: str, url: str, *, token_file: Path | None, token_text: str = "", pinned: str = "") -> NamedServer:
    """Add a server, or replace the one of that name.

    Parameters
    ----------
    token_file, token_text
        The file with its token; or the token itself, for which a file is made beside the list.
    pinned
        Fingerprint of its certificate, in any usual form; "" for none.

    Raises
    ------
    ParameterError
        When one of them cannot be, or the token would go over the network unencrypted.
    StorageError
        When the list cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", name) or name == LOCAL:
        raise ParameterError.of("NAME", f"up to 40 letters, digits, - and _, and not {LOCAL!r}", name)
    _check_url(url, pinned)
    if token_file is None:
        token_file = _keep(name, token.check(token_text.strip(), "The token"))
    entry = NamedServer(name, url.rstrip("/"), str(token_file.absolute()), fingerprint.parse(pinned) if pinned else "")
    token.check(entry.token, "The token")  # a wrong file is told now, not in the middle of a macro
    _store({**load(), name: entry})
    return entry


def remove(name: str) -> None:
    """Remove a server from the list, and its token where it was kept beside the list and no other entry has it.

    Raises
    ------
    ParameterError
        When there is none of that name.
    """
    known = load()
    entry = find(name)
    del known[name]
    _store(known)
    token_file = Path(entry.token_file)
    if token_file.parent == _tokens() and not _is_used(token_file, known):
        with contextlib.suppress(OSError):
            token_file.unlink()


def _check_url(url: str, pinned: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.username:
        raise ParameterError.of("URL", "an address like https://gpu.example.org:8443", url)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ParameterError.of(
            "URL", "an https address: token and images would go unencrypted", url, fix="Start the server with TLS."
        )
    if parts.scheme == "http" and pinned:
        raise ParameterError.of("--fingerprint", "left out: http has no certificate", pinned)


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches the host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tokens() -> Path:
    return settings.servers_file().absolute().parent / "tokens"


def _is_used(token_file: Path, entries: Mapping[str, NamedServer]) -> bool:
    """Whether an entry has that file: one that was renamed keeps the file of its old name."""
    return any(Path(entry.token_file) == token_file for entry in entries.values())


def _keep(name: str, text: str) -> Path:
    others = {key: entry for key, entry in load().items() if key != name}
    path = _tokens() / name
    while _is_used(path, others):
        path = path.with_name(f"{path.name}-")
    path.unlink(missing_ok=True)
    token.write(path, text)
    return path


def _store(entries: Mapping[str, NamedServer]) -> None:
    """Write the list, whole or not at all."""
    path = settings.servers_file().absolute()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    data: dict[str, Any] = {"servers": [dataclasses.asdict(each) for each in entries.values()]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise storage_error("Writing the list of servers to", path, error) from error
