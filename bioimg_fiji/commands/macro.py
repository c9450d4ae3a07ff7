"""Macro lines: `key=value` pairs as ImageJ's recorder writes them (docs/protocol.md, "Macro lines")."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioimg_fiji.commands.parameters import LIST, SERVER, Parameters, entries, several
from bioimg_fiji.commands.result import Result
from bioimg_fiji.errors import BioimgError, ParameterError
from bioimg_fiji.remote.named import LOCAL

if TYPE_CHECKING:
    from bioimg_fiji.commands.registry import Command

PROPERTY = "BioImg Macro"
"""Image property with the macro line that has made the image."""

_ESCAPES = {"\\": "\\", '"': '"', "n": "\n"}


def format_line(values: Mapping[str, Any]) -> str:
    """Write values as a macro line, in their order; a blank follows each pair."""
    return "".join(f"{name}={_quote(_text(value))} " for name, value in values.items())


def record(command: Command, values: Mapping[str, Any]) -> str:
    """Write the full line of a command: every key in the dialog's order, defaults filled in.

    Defaults are written too, because they may change and a recorded macro must not; what is not set is empty. Of images
    only those that are not given are written, as empty; the one that the active image stands in for never is.
    """
    known = entries(command.parameters)
    images = [name for name, entry in known.items() if _may_be_active(entry)]
    full = {}
    for name, entry in known.items():
        value = values.get(name, entry.get("default"))
        given_image = _is_image(entry) and value not in (None, ())
        if not given_image and [name] != images and entry.get("x-widget") != "password":
            full[name] = "" if value in (None, (), []) else value
    return format_line(full)


def _is_image(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("x-image") or entry.get("x-images"))


def _may_be_active(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("x-image")) and (not entry.get("x-optional") or bool(entry.get("x-unless")))


def told(command: Command, parameters: Parameters, result: Result, server: str = LOCAL) -> Result:
    """Write the macro line that gives a result again into its images, as the property `PROPERTY`.

    Paths are complete ones, a model of the store is named with its hash, and passwords are left out.
    """
    if not result.images:
        return result
    text = line(command, parameters, server)
    images = {
        name: dataclasses.replace(image, properties={**image.properties, PROPERTY: text})
        for name, image in result.images.items()
    }
    return dataclasses.replace(result, images=images)


def line(command: Command, parameters: Parameters, server: str = LOCAL) -> str:
    """Give the macro line that runs a command with these parameters again; see `told`."""
    known = entries(command.parameters)
    values = {
        name: _path(value, known[name].get("x-widget", ""))
        for name, value in parameters
        if value is not None and known[name].get("x-widget") != "password"
    }
    values[SERVER] = server
    return f"run({json.dumps(command.title)}, {json.dumps(record(command, values), ensure_ascii=False)});"


def _path(value: Any, widget: str) -> Any:
    """Give a value that holds everywhere on this computer: paths complete, models of the store with their hash."""
    if widget == "models":
        return LIST.join(_path(Path(each), "model") for each in several(value))
    if not isinstance(value, Path):
        return value
    if widget == "model" and not value.exists():
        from bioimg_fiji.package import store

        with contextlib.suppress(BioimgError):
            return store.find(str(value)).name
        return str(value)
    return str(value.absolute())


def parse_line(line: str) -> dict[str, str]:
    """Read a macro line.

    Returns
    -------
    dict
        Text of each key; a key alone gives "true".

    Raises
    ------
    ParameterError
        For a bracket or quote that is not closed, a key twice, a value without a key.
    """
    found: dict[str, str] = {}
    place = 0
    while place < len(line):
        if line[place].isspace():
            place += 1
            continue
        start = place
        while place < len(line) and line[place] != "=" and not line[place].isspace():
            place += 1
        name = line[start:place]
        if not name:
            raise ParameterError(f"A value without a key: {line[start:]!r}.", fix="Write key=value.", field=line)
        value = "true"
        if place < len(line) and line[place] == "=":
            value, place = _value(line, place + 1, name)
            if line[place : place + 1].strip():
                raise ParameterError(
                    f"{line[place:].split(maxsplit=1)[0]!r} follows the value of {name} without a blank.",
                    fix=f"Write {name}=[value] and a blank behind it.",
                    field=name,
                )
        if name in found:
            raise ParameterError(f"{name} is given twice.", fix="Give it once.", field=name)
        found[name] = value
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return json.dumps(value)
    return str(value)


def _quote(text: str) -> str:
    if not _balanced(text) or "\n" in text:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if not text or any(letter.isspace() for letter in text) or text[0] in '["':
        return f"[{text}]"
    return text


def _balanced(text: str) -> bool:
    depth = 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if depth < 0:
            return False
    return depth == 0


def _value(line: str, place: int, name: str) -> tuple[str, int]:
    if line[place : place + 1] == "[":
        return _bracketed(line, place, name)
    if line[place : place + 1] == '"':
        return _quoted(line, place, name)
    start = place
    while place < len(line) and not line[place].isspace():
        place += 1
    return line[start:place], place


def _bracketed(line: str, place: int, name: str) -> tuple[str, int]:
    depth = 0
    for index in range(place, len(line)):
        depth += (line[index] == "[") - (line[index] == "]")
        if depth == 0:
            return line[place + 1 : index], index + 1
    raise ParameterError(f"The bracket of {name} is not closed.", fix="Write key=[value].", field=name)


def _quoted(line: str, place: int, name: str) -> tuple[str, int]:
    letters: list[str] = []
    index = place + 1
    while index < len(line):
        if line[index] == '"':
            return "".join(letters), index + 1
        if line[index] == "\\" and line[index + 1 : index + 2] in _ESCAPES:
            index += 1
            letters.append(_ESCAPES[line[index]])
        else:
            letters.append(line[index])
        index += 1
    raise ParameterError(f"The quote of {name} is not closed.", fix='Write key="value".', field=name)
