"""One file from an address: resumed, capped, checked, put in place by a rename."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from bioimg_fiji.errors import DownloadError, storage_error
from bioimg_fiji.jobs import Job

MAX_BYTES = 8 * 2**30
"""Cap of one file."""

TRIES = 4
_REDIRECTIONS = 5
_TIMEOUT = httpx.Timeout(30.0, connect=15.0)


def download(
    address: str, target: Path, sha256: str | None = None, cap: int = MAX_BYTES, job: Job | None = None
) -> str:
    """Fetch a file.

    A connection that breaks is taken up where it broke, now or when the same file is asked for again; what was fetched
    so far stays beside the target as `<name>.part`.

    Parameters
    ----------
    address
        https address; http is allowed to this computer alone.
    target
        Where the file is put once it is whole and right.
    sha256
        The hash that it must have; None: any.
    cap
        Most bytes.
    job
        For progress and cancelling.

    Returns
    -------
    str
        The SHA-256, 64 hexadecimal digits.

    Raises
    ------
    DownloadError
        When the address is not allowed, does not answer, or gives another file than expected or a larger one.
    StorageError
        When the disk is full.
    JobCancelledError
        When the user asked to stop.
    """
    job = job or Job()
    part, mark = target.with_name(target.name + ".part"), target.with_name(target.name + ".part-of")
    with _guarded(target):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=False) as client:
            for number in range(TRIES):
                try:
                    _once(client, address, part, mark, cap, job)
                    break
                except (httpx.TransportError, _BrokenError) as error:
                    if number == TRIES - 1:
                        raise DownloadError(
                            f"{_host(address)} does not answer: {error}.",
                            fix="Check the network; ask again, and it goes on where it stopped.",
                        ) from error
                    job.note(f"The connection to {_host(address)} broke: going on.")
                    time.sleep(0.2 * 2**number)
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        mark.unlink(missing_ok=True)
        if sha256 is not None and found != sha256.lower():
            part.unlink()
            raise DownloadError(
                f"{address} gave another file than was promised (SHA-256 {found[:16]}..., not {sha256[:16]}...).",
                fix="Do not use it; ask those who offer it.",
            )
        part.replace(target)
    return found


class _BrokenError(Exception):
    """The connection ended before the file did."""


@contextlib.contextmanager
def _guarded(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error("Downloading to", target, error) from error


def _once(client: httpx.Client, address: str, part: Path, mark: Path, cap: int, job: Job) -> None:
    """Fetch what is missing of the file."""
    begun = part.stat().st_size if part.is_file() and mark.is_file() else 0
    headers = {"Accept-Encoding": "identity"}
    if begun:
        headers |= {"Range": f"bytes={begun}-", "If-Range": mark.read_text("utf-8")}
    with _opened(client, address, headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and begun:
            part.unlink()
            raise _BrokenError("the file has changed")
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            _refuse(address, answer.status_code)
        begun = begun if answer.status_code == httpx.codes.PARTIAL_CONTENT else 0
        whole = begun + int(answer.headers["content-length"]) if "content-length" in answer.headers else None
        _check_size(address, whole or 0, cap)
        version = answer.headers.get("etag") or answer.headers.get("last-modified") or ""
        if version and not version.startswith("W/"):
            mark.write_text(version, "utf-8")
        else:
            mark.unlink(missing_ok=True)
        done = begun
        with part.open("ab" if begun else "wb") as file:
            for chunk in answer.iter_raw():
                done += len(chunk)
                _check_size(address, done, cap)
                file.write(chunk)
                if whole:
                    job.progress(f"Downloading {Path(urlsplit(address).path).name}", done, whole)
                job.check()
        if whole is not None and done < whole:
            raise _BrokenError(f"{done} of {whole} bytes came")


@contextlib.contextmanager
def _opened(client: httpx.Client, address: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """Follow redirections by hand, so that each address is looked at."""
    for _ in range(_REDIRECTIONS):
        _check_address(address)
        with client.stream("GET", address, headers=headers) as answer:
            if not answer.is_redirect:
                yield answer
                return
            address = urljoin(address, answer.headers["location"])
    raise DownloadError(f"{_host(address)} redirects again and again.", fix="Check the address.")


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    with contextlib.suppress(ValueError):
        if parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback:
            return
    raise DownloadError(f"{address} is no https address.", fix="Give one that begins with https://.")


def _check_size(address: str, size: int, cap: int) -> None:
    if size > cap:
        raise DownloadError(f"{address} is larger than {cap} bytes.", fix="Get it by hand if you trust it.")


def _refuse(address: str, status: int) -> None:
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise _BrokenError(f"status {status}")
    raise DownloadError(f"{address} is not to be had (status {status}).", fix="Check the address or the id.")


def _host(address: str) -> str:
    return urlsplit(address).hostname or address
