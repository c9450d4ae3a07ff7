"""From the description's YAML values to `bioimg_fiji.package.model`, each error naming its field.

Follows the bioimage.io model description 0.5. Only what running and showing a model needs is read; the whole
specification is checked by bioimageio.spec when a package is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bioimg_fiji.errors import PackageError
from bioimg_fiji.package.model import (
    Architecture,
    OpSpec,
    PackageFile,
    Size,
    SizeReference,
    TensorAxis,
    TensorSpec,
    Weights,
)

DEFAULT_IDS = {"batch": "batch", "channel": "channel", "index": "index", "time": "time", "space": "x"}
"""Axis types of the description and the ids that their axes have when none is given."""

Opener = Callable[[str, str | None, str], PackageFile]
"""(name, expected SHA-256 or None, field) -> file."""


class Description:
    """One mapping of the description, with its place in the whole for messages."""

    def __init__(self, content: Mapping[str, Any], files: Opener, place: str = "") -> None:
        self.content, self.files, self.place = content, files, place

    def field(self, name: str) -> str:
        """Give the full name of a field."""
        return f"{self.place}.{name}" if self.place else name

    def wrong(self, name: str, expected: str) -> PackageError:
        """Make the error for a field."""
        got = self.content.get(name)
        found = "is missing" if got is None else f"is {str(got)[:80]!r}"
        field = self.field(name)
        return PackageError(
            f"The model description's {field} {found}; it must be {expected}.",
            fix="Correct the description, or get another package.",
            field=field,
        )

    def text(self, name: str) -> str:
        """Give a text that must be there."""
        value = self.content.get(name)
        if not isinstance(value, (str, int, float)) or isinstance(value, bool) or str(value) == "":
            raise self.wrong(name, "a text")
        return str(value)

    def optional_text(self, name: str, default: str) -> str:
        """Give a text, or the default."""
        return default if self.content.get(name) is None else self.text(name)

    def whole(self, name: str, default: int | None = None, least: int = 0) -> int:
        """Give a whole number of at least `least`."""
        value = self.content.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.wrong(name, f"a whole number of at least {least}")
        return value

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Give a mapping, empty where there is none."""
        value = self.content.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.wrong(name, "a mapping")
        return value

    def child(self, name: str) -> Description:
        """Give a mapping that must be there."""
        if not isinstance(self.content.get(name), Mapping):
            raise self.wrong(name, "a mapping")
        return Description(self.mapping(name), self.files, self.field(name))

    def children(self, name: str, *, needed: bool = False) -> list[Description]:
        """Give a list of mappings."""
        value = self.content.get(name)
        if value is None and not needed:
            return []
        if not isinstance(value, Sequence) or isinstance(value, str) or (needed and not value):
            raise self.wrong(name, "a list")
        if not all(isinstance(item, Mapping) for item in value):
            raise self.wrong(name, "a list of mappings")
        return [Description(item, self.files, f"{self.field(name)}[{i}]") for i, item in enumerate(value)]

    def file(self, name: str) -> PackageFile:
        """Give a file that must be there: a name, or a mapping with `source` and perhaps `sha256`."""
        value = self.content.get(name)
        if isinstance(value, Mapping):
            return self.child(name).file_here()
        return self.files(self.text(name), None, self.field(name))

    def file_here(self) -> PackageFile:
        """Give the file that this mapping's own `source` and `sha256` name."""
        digest = self.content.get("sha256")
        return self.files(self.text("source"), None if digest is None else str(digest), self.field("source"))


def parse_inputs(description: Description) -> tuple[TensorSpec, ...]:
    """Read the inputs."""
    return tuple(_tensor(d, "input", "preprocessing") for d in description.children("inputs", needed=True))


def parse_outputs(description: Description) -> tuple[TensorSpec, ...]:
    """Read the outputs."""
    return tuple(_tensor(d, "output", "postprocessing") for d in description.children("outputs", needed=True))


def parse_weights(description: Description) -> Mapping[str, Weights]:
    """Read the weights of every format; a format given as null is none."""
    found = {}
    weights = description.child("weights")
    for name, content in weights.content.items():
        if content is None:
            continue
        entry = weights.child(str(name))
        architecture = _architecture(entry.child("architecture")) if name == "pytorch_state_dict" else None
        external = entry.file("external_data") if entry.content.get("external_data") else None
        found[str(name)] = Weights(str(name), entry.file_here(), architecture, external)
    if not found:
        raise description.wrong("weights", "a mapping with at least one format")
    return found


def _tensor(d: Description, default_id: str, ops: str) -> TensorSpec:
    axes = tuple(_axis(axis) for axis in d.children("axes", needed=True))
    if len({axis.id for axis in axes}) != len(axes):
        raise d.wrong("axes", "a list of axes with different ids")
    dtype = _dtype(d)
    implied = _implied([OpSpec(op.text("id"), op.mapping("kwargs")) for op in d.children(ops)], dtype, ops)
    return TensorSpec(
        id=d.optional_text("id", default_id),
        axes=axes,
        dtype=dtype,
        ops=implied,
        optional=bool(d.content.get("optional", False)),
        test_tensor=d.file("test_tensor") if d.content.get("test_tensor") else None,
    )


def _dtype(d: Description) -> str:
    data = d.content.get("data")
    if isinstance(data, Sequence) and not isinstance(data, str) and data:
        data = data[0]
    if isinstance(data, Mapping):
        return Description(data, d.files, d.field("data")).optional_text("type", "float32")
    return "float32"


def _implied(ops: list[OpSpec], dtype: str, kind: str) -> tuple[OpSpec, ...]:
    """Add the type conversions that the specification implies at the ends."""
    ensure = OpSpec("ensure_dtype", {"dtype": dtype})
    if kind == "preprocessing" and (not ops or ops[0].id != "ensure_dtype"):
        ops = [ensure, *ops]
    if not ops or ops[-1].id not in ("ensure_dtype", "binarize"):
        ops = [*ops, ensure]
    return tuple(ops)


def _axis(d: Description) -> TensorAxis:
    kind = d.text("type")
    if kind not in DEFAULT_IDS:
        raise d.wrong("type", "one of " + ", ".join(DEFAULT_IDS))
    scale = d.content.get("scale", 1.0)
    if not isinstance(scale, (int, float)) or isinstance(scale, bool) or scale <= 0:
        raise d.wrong("scale", "a number above 0")
    names: tuple[str, ...] = ()
    size: Size | SizeReference | None
    if kind == "channel":
        given = d.content.get("channel_names")
        if not isinstance(given, Sequence) or isinstance(given, str) or not given:
            raise d.wrong("channel_names", "a list of names")
        names = tuple(str(name) for name in given)
        size = Size(len(names))
    else:
        size = _size(d)
    return TensorAxis(
        id=d.optional_text("id", DEFAULT_IDS[kind]),
        type=kind,
        size=size,
        halo=d.whole("halo", 0),
        scale=float(scale),
        unit=d.optional_text("unit", ""),
        channel_names=names,
    )


def _size(d: Description) -> Size | SizeReference | None:
    value = d.content.get("size")
    if value is None:
        if d.content["type"] != "batch":
            raise d.wrong("size", "a size")
        return None
    if not isinstance(value, Mapping):
        return Size(d.whole("size", least=1))
    size = d.child("size")
    if "tensor_id" in value:
        offset = value.get("offset", 0)
        if not isinstance(offset, int):
            raise size.wrong("offset", "a whole number")
        return SizeReference(size.text("tensor_id"), size.text("axis_id"), offset)
    if "step" in value:
        return Size(size.whole("min", least=1), size.whole("step", least=1))
    size.whole("min", 1, least=1)
    return None


def _architecture(d: Description) -> Architecture:
    library = d.optional_text("import_from", "")
    file = None if library else d.file_here()
    return Architecture(d.text("callable"), dict(d.mapping("kwargs")), file, library)
