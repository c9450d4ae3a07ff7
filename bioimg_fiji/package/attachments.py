"""Files of a package that our runs read and other software leaves alone: bioimage.io `attachments`.

The description lists them where its version wants it, and `config.bioimg_fiji.trust.attachments` has their hashes in
every version. They are read only when they are asked for, so a package opens as fast with them as without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bioimg_fiji.package.model import ModelPackage, PackageFile

TOLD_ONNX, TOLD_HEAD = "told.onnx", "told.pt"
"""The network with more outputs, and the weights of its second head (`bioimg_fiji.runtime.told`)."""

_KEY = "attachments"


def attachments_of(package: ModelPackage) -> dict[str, PackageFile]:
    """Give the attachments of our own by name; `PackageFile.read` checks the hash."""
    known = _mapping(package.own.get("trust")).get(_KEY)
    return {
        name: PackageFile(name, package.root / name, digest.lower())
        for name, digest in _mapping(known).items()
        if isinstance(name, str) and isinstance(digest, str) and is_plain(name)
    }


def is_plain(name: str) -> bool:
    """Whether an attachment may have this name: that of a file right in the package's folder, on every system."""
    return bool(name) and name != ".." and not set(name) & set('/\\:\0*?"<>|') and not name.endswith((".", " "))


def with_attached(content: Mapping[str, Any], hashes: Mapping[str, str], own: Mapping[str, Any]) -> dict[str, Any]:
    """Give a description that lists attachments besides what it says.

    Parameters
    ----------
    content
        The description's mapping, of version 0.4 or 0.5; it is not changed.
    hashes
        SHA-256 of each attachment by its name; those of the same name are replaced.
    own
        Entries of `config.bioimg_fiji.trust`, merged into those that are there.
    """
    config = _mapping(content.get("config"))
    ours = _mapping(config.get("bioimg_fiji"))
    trust = {**_mapping(ours.get("trust")), **own}
    trust[_KEY] = {**_mapping(_mapping(ours.get("trust")).get(_KEY)), **hashes}
    listed = _listed(content, hashes)
    return {**content, _KEY: listed, "config": {**config, "bioimg_fiji": {**ours, "trust": trust}}}


def _listed(content: Mapping[str, Any], hashes: Mapping[str, str]) -> Any:
    """Give the description's list: of names in version 0.4, of files with their hashes since 0.5."""
    before = content.get(_KEY)
    if str(content.get("format_version", "")).startswith("0.4."):
        others = _mapping(before)
        names = [name for name in others.get("files") or () if name not in hashes]
        return {**others, "files": [*names, *hashes]}
    entries = before if isinstance(before, list) else []
    kept = [each for each in entries if str(_mapping(each).get("source", each)) not in hashes]
    return [*kept, *({"source": name, "sha256": digest} for name, digest in hashes.items())]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
