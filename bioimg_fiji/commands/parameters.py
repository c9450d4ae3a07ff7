"""One declaration of a command's parameters: a pydantic model whose JSON Schema every face of the command reads."""

from __future__ import annotations

import copy
import difflib
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from bioimg_fiji.errors import ParameterError, UnknownKeyError
from bioimg_fiji.image import Image
from bioimg_fiji.remote.named import LOCAL

SERVER = "server"
"""Key that every command has without declaring it: the name of the server that runs it."""

ON_SERVER = "server:"
"""Start of the name of an image that the server has already: server:ROOT/path/in/it.tif."""

Widget = Literal["file", "folder", "path", "save", "model", "models", "password"]

LIST = ";"
"""Between several values of one key: models, suites."""


class _ImageMarker:
    """Tells pydantic how an image input is checked and described."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.is_instance_schema(Image)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "x-image": True}


ImageInput = Annotated[Image, _ImageMarker]
"""Type of a parameter that is an image: the active one in Fiji, a file in a shell."""


ImageList = tuple[ImageInput, ...]
"""Type of a parameter that is any number of images: the values `key.0`, `key.1`, … or a sequence."""


class OneOf:
    """In `Annotated[str, OneOf(names)]`: the type `Literal` of names that are only known when the program runs."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.literal_schema(self._names)


class Parameters(BaseModel):
    """Base of every command's parameters: frozen, no unknown keys, defaults checked."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )

    @classmethod
    def image_keys(cls) -> list[str]:
        """Keys of the image inputs, in their order."""
        return [name for name, entry in entries(cls).items() if entry.get("x-image")]

    @classmethod
    def image_list_keys(cls) -> list[str]:
        """Keys of the lists of image inputs, in their order."""
        return [name for name, entry in entries(cls).items() if entry.get("x-images")]

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Parameters:
        """Check values (JSON values, the strings of a macro line, images) and give the parameters.

        Raises
        ------
        UnknownKeyError
            For a key that the command has not; names the nearest ones.
        ParameterError
            For a value of the wrong type, out of range, or missing.
        """
        known = entries(cls)
        values = {name: value for name, value in values.items() if name != SERVER}
        aliases = {alias: name for name, entry in known.items() for alias in entry.get("x-aliases", ())}
        renamed: dict[str, Any] = {}
        for name, value in _with_lists(values, known).items():
            target = aliases.get(name, name)
            if target not in known:
                raise _unknown(name, list(known))
            if target in renamed:
                raise ParameterError(f"{target} is given twice.", fix="Give it once.", field=target)
            if not (value == "" and known[target].get("x-optional")):
                renamed[target] = value
        try:
            return cls.model_validate(renamed)
        except pydantic.ValidationError as error:
            raise _explain(error, known) from error


def key(
    default: Any = ...,
    *,
    title: str,
    help: str,  # noqa: A002 - the word of argparse, click and ImageJ's dialogs
    unit: str = "",
    widget: Widget | None = None,
    suffix: str = "",
    expert: bool = False,
    aliases: tuple[str, ...] = (),
    unless: tuple[str, ...] = (),
    regions_unless: tuple[str, ...] = (),
    **limits: Any,
) -> Any:
    """Declare one parameter; without a default it is required.

    Parameters
    ----------
    default
        Default value; None makes the parameter optional.
    title, help, unit
        Label, one or two sentences, and the unit shown behind the field.
    widget, suffix
        Kind of field where the type does not tell it (a path is a file or a folder); extension of a file to be saved.
    expert
        Whether it belongs to the expert section.
    aliases
        Older names of the key.
    unless
        Of an optional image: keys, any of which makes it unnecessary; without them it is the active image.
    regions_unless
        Of an image: keys, without any of which the regions of ImageJ's ROI Manager go with an image without overlay.
    limits
        pydantic's ge, gt, le, lt.
    """
    extra: dict[str, Any] = {"x-expert": True} if expert else {}
    named = {"x-unit": unit, "x-widget": widget, "x-suffix": suffix, "x-aliases": list(aliases)}
    named |= {"x-unless": list(unless), "x-regions-unless": list(regions_unless)}
    extra |= {name: value for name, value in named.items() if value}
    return Field(default, title=title, description=help, json_schema_extra=extra, **limits)


def several(text: str | None) -> list[str]:
    """Give the values of a text with `LIST` between them."""
    return [part.strip() for part in (text or "").split(LIST) if part.strip()]


def schema(parameters: type[Parameters]) -> dict[str, Any]:
    """Give the flat JSON Schema of docs/protocol.md ("Commands")."""
    return copy.deepcopy(_schema(parameters))


def entries(parameters: type[Parameters]) -> Mapping[str, Any]:
    """Give the properties of the schema, to be read only: they are made once."""
    found: Mapping[str, Any] = _schema(parameters)["properties"]
    return found


@functools.lru_cache(maxsize=64)
def _schema(parameters: type[Parameters]) -> dict[str, Any]:
    raw = parameters.model_json_schema()
    properties = {}
    # Keys that several commands share come after the command's own.
    entries = sorted(raw.get("properties", {}).items(), key=lambda each: each[0] not in parameters.__annotations__)
    for order, (name, entry) in enumerate(entries):
        flat = {"x-order": order} | _flatten(entry, raw.get("$defs", {}))
        if flat.get("items", {}).get("x-image"):
            flat |= {"items": {"type": "string"}, "x-images": True, "default": None}
        if flat.get("default", ...) is None:
            del flat["default"]
            flat["x-optional"] = True
        properties[name] = flat
    properties[SERVER] = _server(len(entries))
    required = [
        name
        for name, entry in properties.items()
        if "default" not in entry and not entry.get("x-optional") and not entry.get("x-image")
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _server(order: int) -> dict[str, Any]:
    return {
        "x-order": order,
        "x-expert": True,
        "default": LOCAL,
        "title": "Server",
        "description": "Where to run: local is this computer, other names are those of BioImg Server... and of "
        "`bioimg-fiji servers`. Paths are then the server's.",
        "type": "string",
    }


def _flatten(entry: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Take `X | None` for X, a reference for its target, and a path for a string."""
    flat = {name: value for name, value in entry.items() if name not in ("anyOf", "$ref", "format", "const")}
    if "const" in entry:
        flat["enum"] = [entry["const"]]
        flat.setdefault("type", "string")
    for choice in entry.get("anyOf", ()):
        if choice.get("type") != "null":
            flat = _flatten(choice, definitions) | flat
    if "$ref" in entry:
        flat = _flatten(dict(definitions[entry["$ref"].rsplit("/", 1)[-1]]), definitions) | flat
    return flat


def _with_lists(values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Gather the images `key.0`, `key.1`, … of a list under its key, by their numbers."""
    gathered: dict[str, Any] = {}
    lists: dict[str, dict[int, Any]] = {}
    for name, value in values.items():
        start, dot, number = name.rpartition(".")
        if dot and number.isdecimal() and known.get(start, {}).get("x-images"):
            lists.setdefault(start, {})[int(number)] = value
        else:
            gathered[name] = value
    for name, images in lists.items():
        if name in gathered:
            raise ParameterError(f"{name} is given twice.", fix="Give it once.", field=name)
        gathered[name] = tuple(images[number] for number in sorted(images))
    return gathered


def _unknown(name: str, known: list[str]) -> UnknownKeyError:
    near = difflib.get_close_matches(name, known, n=3)
    fix = f"Did you mean {' or '.join(near)}? " if near else ""
    return UnknownKeyError(
        f"There is no key {name!r}.",
        fix=f"{fix}The keys are {', '.join(known)}.",
        field=name,
        expected=known,
        got=name,
    )


def _explain(error: pydantic.ValidationError, known: Mapping[str, Any]) -> ParameterError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "the parameters"
    if first["type"] == "missing":
        what = "an image" if known.get(name, {}).get("x-image") else known.get(name, {}).get("title", "a value")
        return ParameterError(
            f"{name} is missing ({what}).", fix=f"Add {name}=...", field=name, expected=what, got=None
        )
    got = first["input"]
    got = str(got) if isinstance(got, Path) else got
    message = f"{name}: {first['msg']}, but it is {got!r}."
    return ParameterError(
        message, fix=_range_text(name, known.get(name, {})), field=name, expected=first["msg"], got=repr(got)
    )


def _range_text(name: str, entry: Mapping[str, Any]) -> str:
    if "enum" in entry:
        return f"{name} is one of {', '.join(str(v) for v in entry['enum'])}."
    limits = [
        f"{word} {entry[limit]}"
        for limit, word in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if limit in entry
    ]
    default = f", by default {entry['default']}" if "default" in entry else ""
    return f"{name} is of type {entry.get('type', 'string')}{', ' if limits else ''}{' and '.join(limits)}{default}."
