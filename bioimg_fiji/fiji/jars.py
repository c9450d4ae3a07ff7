"""The jars of Maven coordinates: taken from the caches of this computer, fetched where they may be, or told as missing.

jgo resolves the coordinates and keeps what it has fetched: single artifacts in the local Maven repository
(~/.m2/repository, or M2_REPO), and folders of jars that belong together (~/.jgo). Its `build`, which scyjava and
pyimagej call, always asks the network for what it has not; `offline` keeps it from that.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bioimg_fiji.errors import EndpointError
from bioimg_fiji.locks import LockFile

_POLL_SECONDS = 0.1
_log = logging.getLogger(__name__)

EMBEDDED_JARS = {
    "net.imagej:ij:1.54p": "2e1a09961dfb41cee66ddc821b2577a41a072566ce45a49bae69267099741e20",
    "net.imagej:ij1-patcher:2.0.0": "b68810263f9521ddb34bac272816613ebb71607775c1fc337079a0476c2b581a",
    "org.javassist:javassist:3.27.0-GA": "0730bdb1547a5a3f458d60400d804078d80f329c5b5dbc2498a4e220de8f7013",
    "io.github.classgraph:classgraph:4.8.162": "ea30b2d5e29e89d52706bcecf7a6ae3b44682d4a1566a5f22b9453f9be2a970c",
}
"""What embedded ImageJ is made of, with the SHA-256. ij1-patcher lets dialogs take their values without a display."""


def embedded_jars(*, offline: bool) -> list[Path]:
    """Give the jars of embedded ImageJ; what is missing is fetched from Maven Central and nowhere else.

    Raises
    ------
    EndpointError
        When one is missing or damaged, and cannot be fetched.
    """
    folder = _repository()
    paths = {name: folder / _place(name) for name in EMBEDDED_JARS}
    wrong = [name for name, path in paths.items() if not _is_whole(path, EMBEDDED_JARS[name])]
    if wrong and offline:
        raise missing(wrong, [paths[name] for name in wrong], "embedded")
    if wrong:
        with _alone(folder):  # another process may have fetched them meanwhile
            for name in wrong:
                if not _is_whole(paths[name], EMBEDDED_JARS[name]):
                    _fetch(name, paths[name])
    return list(paths.values())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process fetches: each takes half a file for that of a start that was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = LockFile(folder / "bioimg-fiji.lock")
    while not lock.acquire():
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def only_cached(endpoint: str) -> Iterator[None]:
    """Have jgo take what is cached meanwhile, and raise what is missing instead of asking the network."""
    import jgo

    build = jgo.build

    def build_cached(endpoint: str, *, cache_dir: Any = None, **_: Any) -> Any:
        from jgo.env import EnvironmentBuilder

        return EnvironmentBuilder(context=_context(endpoint), cache_dir=cache_dir).from_endpoint(endpoint)

    jgo.build = build_cached  # type: ignore[assignment]
    try:
        yield
    except EndpointError:
        raise
    except RuntimeError as error:
        if "Could not resolve" not in str(error):
            raise
        raise EndpointError(
            f"{endpoint} is not in the cache: {error}, which needs the network.", fix=_advice(endpoint)
        ) from error
    finally:
        jgo.build = build


def missing(names: list[str], places: list[Path], endpoint: str) -> EndpointError:
    """Tell what an offline computer would have to have, and where it was looked for."""
    told = "; ".join(
        f"{name} ({place}{' is damaged' if place.exists() else ' is not there'})"
        for name, place in zip(names, places, strict=True)
    )
    return EndpointError(
        f"{endpoint} cannot be opened offline, the cache lacks: {told}.",
        fix=_advice(endpoint),
        endpoint=endpoint,
        missing=names,
    )


def _advice(endpoint: str) -> str:
    return (
        f"Open {endpoint} once with a network and without offline, or copy {_repository()} and ~/.jgo from a computer "
        "that has, or name the folder of a Fiji."
    )


def _context(endpoint: str) -> Any:
    """Give a view of the local Maven repository that has no other place to look."""
    from jgo.maven import MavenContext, PythonResolver

    class Cached(PythonResolver):
        """Raises what it would have to download."""

        def download(self, artifact: Any) -> Path:
            name = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            kind = "" if artifact.packaging == "jar" else f" ({artifact.packaging})"
            raise missing([name + kind], [artifact.cached_path], endpoint)

    return MavenContext(resolver=Cached(lenient=True), repo_cache=_repository(), remote_repos={})


def _repository() -> Path:
    from jgo.config import GlobalSettings

    return Path(GlobalSettings.load().repo_cache)


def _place(name: str) -> Path:
    group, artifact, version = name.split(":")
    return Path(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def _is_whole(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _fetch(name: str, path: Path) -> None:
    """Have jgo fetch one artifact into the local Maven repository; half a file, of a start that was killed, goes."""
    from jgo.maven import MavenContext

    _log.info("fetching %s from Maven Central", name)
    path.unlink(missing_ok=True)
    group, artifact, version = name.split(":")
    context = MavenContext(repo_cache=_repository())
    context.project(group, artifact).at_version(version).artifact().resolve()
    if not _is_whole(path, EMBEDDED_JARS[name]):
        path.unlink(missing_ok=True)
        raise EndpointError(
            f"{name} came from Maven Central with another SHA-256 than {EMBEDDED_JARS[name]}.",
            fix="Try again; if it stays so, a proxy or a mirror changes what is fetched.",
        )
