"""What the zoo would want of a package before it takes it in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bioimg_fiji.package.model import ModelPackage
from bioimg_fiji.package.read import read_description

_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")


@dataclass(frozen=True)
class Finding:
    """One field: whether it is as the zoo wants it, what was found, what to do."""

    ok: bool
    field: str
    found: str
    fix: str = ""


def check(package: ModelPackage) -> list[Finding]:
    """Look at what the description says of the model besides how to run it.

    The fields are those that the bioimage.io specification asks for or recommends of a published model.
    """
    content = read_description(package)
    return list(_findings(content, package))


def _findings(content: Mapping[str, Any], package: ModelPackage) -> Iterator[Finding]:
    names = _maps(content.get("authors"))
    yield _filled("authors", ", ".join(str(each.get("name", "")) for each in names), "Name those who made the model.")
    without = [str(each.get("name", "?")) for each in names if not _is_orcid(str(each.get("orcid", "")))]
    text = f"missing or wrong for {', '.join(without)}" if without else "all"
    yield Finding(
        bool(names) and not without, "authors: orcid", text, "Give each author's ORCID iD." if without else ""
    )
    cited = [each for each in _maps(content.get("cite")) if each.get("text") and (each.get("doi") or each.get("url"))]
    yield _filled("cite", f"{len(cited)}" if cited else "", "Cite the paper, with a DOI or an address.")
    yield _filled("license", content.get("license"), "Give an SPDX licence, CC-BY-4.0 for example.")
    yield _filled("training_data", _id(content.get("training_data")), "Name the data set, by its id or a description.")
    parent = _id(content.get("parent"))
    yield Finding(True, "parent", parent or "none", "" if parent else "Name it, if the model was made from another.")
    yield _filled("covers", ", ".join(map(str, content.get("covers") or ())), "Add a picture, at most 500 KB.")
    yield _filled("documentation", package.documentation and package.documentation.name, "Add a documentation.md.")
    yield _filled("tags", ", ".join(map(str, content.get("tags") or ())), "Add words to find it by: tissue, method.")
    yield _filled("description", package.description, "Say in a sentence what the model does.")
    tested = all(tensor.test_tensor is not None for tensor in (*package.inputs, *package.outputs))
    yield Finding(
        tested, "test tensors", "all" if tested else "missing", "" if tested else "Add a test tensor for each."
    )


def _filled(field: str, value: Any, fix: str) -> Finding:
    return Finding(bool(value), field, str(value or "missing"), "" if value else fix)


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _id(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("id") or value.get("name") or "")
    return str(value or "")


def _is_orcid(text: str) -> bool:
    """Check the digits and the check digit (ISO 7064 11,2)."""
    if not _ORCID.fullmatch(text):
        return False
    total = 0
    for digit in text.replace("-", "")[:-1]:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11] == text[-1]
