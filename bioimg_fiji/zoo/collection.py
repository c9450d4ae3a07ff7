"""The zoo's list of models, kept in the cache so that a browse works offline."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bioimg_fiji import settings
from bioimg_fiji.errors import DownloadError
from bioimg_fiji.jobs import Job
from bioimg_fiji.zoo.download import download

MAX_LIST = 64 * 2**20


@dataclass(frozen=True)
class ZooModel:
    """Where the description of a zoo's model is, and the SHA-256 that it has (empty: not known)."""

    id: str
    source: str
    sha256: str


@dataclass(frozen=True)
class Listing:
    """The list, when it was fetched (seconds since 1970), and why it is no newer (empty: it was fetched now)."""

    models: Mapping[str, ZooModel]
    fetched: float
    offline: str = ""


def collection(job: Job | None = None) -> Listing:
    """Fetch the list; without a network, give the one fetched last.

    Raises
    ------
    DownloadError
        When there is no network and no list either, or the list is none.
    """
    path = settings.cache_folder() / "zoo.json"
    fresh = path.with_name("zoo-new.json")
    try:
        download(settings.get("zoo"), fresh, cap=MAX_LIST, job=job)
        models = _read(fresh)
        fresh.replace(path)
    except DownloadError as error:
        with contextlib.suppress(OSError):
            return Listing(_read(path), path.stat().st_mtime, error.message)
        raise
    return Listing(models, time.time())


def _read(path: Path) -> Mapping[str, ZooModel]:
    try:
        content = json.loads(path.read_text("utf-8"))
        return {
            name: ZooModel(name, str(entry["source"]), str(entry.get("sha256") or ""))
            for name, entry in sorted(content.items())
        }
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise DownloadError(f"The zoo's list is damaged: {error}.", fix="Try again later.") from error
