"""A job request: JSON from outside, checked field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bioimg_fiji.commands.parameters import ON_SERVER, Parameters, entries
from bioimg_fiji.errors import ParameterError, ProtocolError
from bioimg_fiji.server.wire import DTYPES, byte_size

LONGEST_CLIENT = 200
"""Characters of a client's name."""


@dataclass(frozen=True)
class ImagePart:
    """One image input: its header and the buffer with its pixels."""

    header: dict[str, Any]
    buffer: str


@dataclass(frozen=True)
class JobRequest:
    """What a client asks for (docs/protocol.md, "Job request").

    `files` are the images that the server has already, as ROOT/path by key.
    """

    command: str
    parameters: dict[str, Any]
    images: dict[str, ImagePart]
    files: dict[str, str] = field(default_factory=dict)
    accept: tuple[str, ...] | None = None
    local: bool = False
    lease: float | None = None
    client: str = ""

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> JobRequest:
        """Check the request's form; the command's own rules come later.

        Raises
        ------
        ProtocolError
            Naming the field that is missing or of the wrong type.
        """
        unknown = set(data) - {"command", "parameters", "images", "accept", "local", "lease", "client"}
        if unknown:
            raise ProtocolError(f"A job request has no field {min(unknown)!r}.")
        parameters = _field(data, "parameters", dict, {})
        given = _field(data, "images", dict, {})
        files = {name: _field(part, "path", str, ...) for name, part in given.items() if _is_file(part)}
        images = {name: _image(name, part) for name, part in given.items() if name not in files}
        both = set(parameters) & set(given)
        if both:
            raise ProtocolError(f"{min(both)!r} stands in parameters and in images.", fix="Give it once.")
        accept = _field(data, "accept", list, None)
        if accept is not None and not (accept and set(map(str, accept)) <= DTYPES):
            raise ProtocolError(f"accept is a list of pixel types, not {accept!r}.", fix=f"Known: {sorted(DTYPES)}.")
        lease = _field(data, "lease", (int, float), None)
        if lease is not None and not 0 < lease < 1e9:
            raise ProtocolError(f"lease is a number of seconds above 0, not {lease!r}.")
        client = _field(data, "client", str, "")
        if len(client) > LONGEST_CLIENT:
            raise ProtocolError(f"client is a name of at most {LONGEST_CLIENT} characters, not of {len(client)}.")
        return cls(
            _field(data, "command", str, ...),
            parameters,
            images,
            files,
            None if accept is None else tuple(accept),
            _field(data, "local", bool, False),
            lease,
            client,
        )

    def with_files(self, parameters: type[Parameters]) -> JobRequest:
        """Give the request with the image inputs whose value is `server:ROOT/path` among its files."""
        known = entries(parameters)
        files, rest = dict(self.files), dict(self.parameters)
        for name, value in self.parameters.items():
            single, several = "x-image" in known.get(name, {}), "x-images" in known.get(name, {})
            if not (isinstance(value, str) and value.startswith(ON_SERVER) and (single or several)):
                continue
            del rest[name]
            paths = [part.strip().removeprefix(ON_SERVER) for part in (value.split("|") if several else [value])]
            files |= {f"{name}.{number}" if several else name: path for number, path in enumerate(paths)}
        return dataclasses.replace(self, parameters=rest, files=files)

    def check_images(self, parameters: type[Parameters]) -> None:
        """Check that each image goes to an image input of the command.

        Raises
        ------
        ParameterError
            Naming the one that does not, and the inputs that there are.
        """
        lists = parameters.image_list_keys()
        single = parameters.image_keys()
        inputs = [*single, *(f"{key}.0, {key}.1 and so on" for key in lists)]
        known = entries(parameters)
        single += [alias for key in single for alias in known[key].get("x-aliases", ())]
        for name in (*self.images, *self.files):
            start, _, number = name.rpartition(".")
            # NB: "01" and "1" would be the same place.
            if name in single or (start in lists and number.isdecimal() and str(int(number)) == number):
                continue
            raise ParameterError(
                f"{name!r} is no image input of {self.command}.",
                fix=f"Its image inputs are {', '.join(inputs)}." if inputs else "It takes no images.",
                field=name,
                expected=inputs,
                got=name,
            )


def _is_file(part: Any) -> bool:
    return isinstance(part, dict) and "path" in part and "buffer" not in part


def _image(name: str, part: Any) -> ImagePart:
    if not isinstance(part, dict):
        raise ProtocolError(f"The image {name!r} is an object with header and buffer.")
    header = _field(part, "header", dict, ...)
    byte_size(header)
    return ImagePart(header, _field(part, "buffer", str, ...))


def _field(data: Mapping[str, Any], name: str, kind: type | tuple[type, ...], default: Any) -> Any:
    value = data.get(name)
    if value is None:
        if default is ...:
            raise ProtocolError(f"The field {name!r} is missing.")
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ProtocolError(f"The field {name!r} has the wrong type: {type(value).__name__}.")
    return value
