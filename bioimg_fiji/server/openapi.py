"""The routes as an OpenAPI 3.1 document: what docs/protocol.md says in prose, for programs that read descriptions.

One entry per route; a test holds the routes and this document together, and another sends what the document allows to a
real server and holds its answers against it.
"""

from __future__ import annotations

from typing import Any

import bioimg_fiji
from bioimg_fiji.jobs import JobState
from bioimg_fiji.server.options import PROTOCOL
from bioimg_fiji.server.wire import DTYPES

Schema = dict[str, Any]


def _object(properties: dict[str, Schema], *optional: str, more: bool = False) -> Schema:
    required = [name for name in properties if name not in optional]
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": more}
    return schema | ({"required": required} if required else {})


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_YES: Schema = {"type": "boolean"}
_ANY: Schema = {}

_HEADER_IN: Schema = {
    "type": "object",
    "description": 'Everything of an image but its pixels; docs/protocol.md, "Image header".',
    "properties": {
        "shape": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "exclusiveMaximum": 2**31},
            "maxItems": 6,
        },
        "dtype": {"enum": sorted(DTYPES)},
        "axes": _TEXT,
        "title": _TEXT,
    },
    "required": ["shape", "dtype"],
}

_SCHEMAS: dict[str, Schema] = {
    "Error": _object({"error": _ref("ErrorBody")}),
    "ErrorBody": _object({"code": _TEXT, "message": _TEXT, "fix": _TEXT, "details": _map(_ANY)}),
    "Progress": _object({"message": _TEXT, "current": _NUMBER, "maximum": _NUMBER, "figures": _map(_ANY)}, more=True),
    "State": {"enum": [state.value for state in JobState]},
    "Status": _object(
        {
            "id": _TEXT,
            "command": _TEXT,
            "state": _ref("State"),
            "progress": _ref("Progress"),
            "notes": _list(_TEXT),
            "error": _or_null(_ref("ErrorBody")),
            "result": _or_null({"type": "object"}),
            "live": _COUNT,
            "finishing": _YES,
            "kept": _YES,
        },
        more=True,
    ),
    "Short": _object(
        {
            "id": _TEXT,
            "command": _TEXT,
            "state": _ref("State"),
            "progress": _ref("Progress"),
            "notes": _list(_TEXT),
            "error": _or_null(_ref("ErrorBody")),
            "live": _COUNT,
            "finishing": _YES,
            "finishable": _YES,
            "times": _map(_NUMBER) | {"description": "Unix seconds at which it was queued, running, ended."},
            "figures": _map(_ANY),
            "files": _map(_ANY),
        },
        more=True,
    ),
    "Live": _object(
        {
            "curves": _map(_list({"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2})),
            "preview": _or_null(
                _object(
                    {
                        "step": _NUMBER,
                        "names": _list(_TEXT),
                        "shape": _list(_COUNT),
                        "display": _list(_NUMBER),
                        "pixels": _list(_TEXT | {"contentEncoding": "base64"}),
                    }
                )
            ),
            "finishable": _YES,
        }
    ),
    "JobRequest": _object(
        {
            "command": _TEXT,
            "parameters": _map(_ANY),
            "images": _map(
                {"anyOf": [_object({"header": _HEADER_IN, "buffer": _TEXT}, more=True), _object({"path": _TEXT})]}
            ),
            "accept": {"type": "array", "items": {"enum": sorted(DTYPES)}, "minItems": 1},
            "local": _YES,
            "lease": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e9},
            "client": {"type": "string", "maxLength": 200},
        },
        "parameters",
        "images",
        "accept",
        "local",
        "lease",
        "client",
    ),
    "BufferRequest": _object(
        {
            "size": _COUNT,
            "local": _YES,
            "on_disk": _YES,
            "lease": _or_null({"type": "number", "minimum": 0, "exclusiveMaximum": 1e9}),
        },
        "local",
        "on_disk",
        "lease",
        more=True,
    ),
    "Command": _object({"id": _TEXT, "title": _TEXT, "menu": _TEXT, "help": _TEXT, "schema": {"type": "object"}}),
    "Model": _object(
        {"name": _TEXT, "title": _TEXT, "task": _TEXT, "axes": _TEXT, "fits": _or_null(_YES), "why": _TEXT}, more=True
    ),
}

_JSON = "application/json"
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_ID = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
_REASONS = {
    "400": "The request is not one that the protocol has.",
    "401": "No token, or a wrong one.",
    "403": "Another Host or Origin than the server's own, a web form, an upgrade.",
    "404": "There is none of that id, or nothing to look at.",
    "408": "It came too slowly.",
    "409": "In use, or not the next part.",
    "413": "Too large.",
    "416": "The range is not within the buffer, or too long.",
    "429": "Too much at once: ask again after Retry-After seconds.",
    "503": "The server is ending, or not ready.",
    "507": "No space.",
    "500": "The server failed; the log has the details.",
}


def _answer(text: str, schema: Schema | None = None, headers: Schema | None = None) -> Schema:
    found: Schema = {"description": text}
    if schema is not None:
        found["content"] = {_JSON: {"schema": schema}}
    return found | ({"headers": headers} if headers else {})


def _route(
    summary: str,
    answers: dict[str, Schema],
    *errors: str,
    body: Schema | None = None,
    parameters: tuple[Schema, ...] = (),
) -> Schema:
    told = {status: _answer(_REASONS[status], _ref("Error")) for status in ("401", "403", *errors, "500")}
    operation: Schema = {"summary": summary, "responses": told | answers}
    if parameters:
        operation["parameters"] = list(parameters)
    if body is not None:
        pixels = "schema" not in body  # there may be none
        operation["requestBody"] = {"required": not pixels, "content": body if pixels else {_JSON: body}}
    return operation


def _json(schema: Schema) -> Schema:
    return {"schema": schema}


def _file(summary: str, kind: str) -> Schema:
    found = {"200": {"description": "The file.", "content": {kind: {"schema": _TEXT}}}}
    return _route(summary, found) | {"security": []}


_STATUS = _answer("The job's status.", _ref("Status"))
_CRC = {"name": "X-CRC32", "in": "header", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{8}$"}}
_CODING: Schema = {"type": "string", "pattern": "^((zstd|deflate)(; shuffle=[248])?)?$"}
_PART_SENT = (
    {
        "name": "Content-Range",
        "in": "header",
        "schema": {"type": "string", "pattern": r"^bytes \d{1,18}-\d{1,18}/\d{1,18}$"},
    },
    {"name": "X-CRC32-Whole", "in": "header", "schema": _CRC["schema"]},
    {"name": "X-Encoding", "in": "header", "schema": _CODING},
)
_PART_ASKED_FOR = (
    {"name": "Range", "in": "header", "schema": {"type": "string", "pattern": r"^bytes=\d{1,18}-\d{1,18}$"}},
    {"name": "X-Accept-Encoding", "in": "header", "schema": _CODING},
)
_READY = _object({"ready": _YES, "checks": _map(_YES)})

_PATHS: dict[str, dict[str, Schema]] = {
    "/": {"get": _file("The dashboard.", "text/html")},
    "/dashboard.css": {"get": _file("Part of the dashboard.", "text/css")},
    "/dashboard.js": {"get": _file("Part of the dashboard.", "text/javascript")},
    "/icon.svg": {"get": _file("Part of the dashboard.", "image/svg+xml")},
    "/healthz": {
        "get": _route("Whether the server lives.", {"200": _answer("It does.", _object({"status": _TEXT}))})
        | {"security": []}
    },
    "/readyz": {
        "get": _route(
            "Whether a job that comes now could be worked on.",
            {"200": _answer("It could.", _READY), "503": _answer("It could not; the checks say why.", _READY)},
        )
    },
    "/metrics": {
        "get": _route(
            "Counters for Prometheus.",
            {"200": {"description": "Its text form.", "content": {"text/plain": {"schema": _TEXT}}}},
        )
    },
    "/v1/openapi.json": {"get": _route("This document.", {"200": _answer("OpenAPI 3.1.", {"type": "object"})})},
    "/v1/info": {
        "get": _route(
            "Who answers.",
            {
                "200": _answer(
                    "Version, process and jobs.",
                    _object(
                        {
                            "protocol": {"const": PROTOCOL},
                            "version": _TEXT,
                            "pid": _COUNT,
                            "environment": _TEXT,
                            "jobs": _map(_COUNT),
                        },
                        more=True,
                    ),
                )
            },
        )
    },
    "/v1/commands": {
        "get": _route("All commands.", {"200": _answer("Commands.", _object({"commands": _list(_ref("Command"))}))})
    },
    "/v1/models": {
        "post": _route(
            "The models of the store, and whether each fits an image.",
            {"200": _answer("Models.", _object({"models": _list(_ref("Model"))}))},
            "400",
            "413",
            body=_json(_object({"image": _or_null(_HEADER_IN)}, "image", more=True)),
        )
    },
    "/v1/machine": {
        "get": _route(
            "What there is to compute on.",
            {
                "200": _answer(
                    "Devices and memory.",
                    _object(
                        {
                            "python": _TEXT,
                            "devices": _list(_TEXT),
                            "memory": _map(_COUNT),
                            "gpus": _list(_object({"name": _TEXT, "used": _COUNT, "total": _COUNT, "busy": _COUNT})),
                            "log": _TEXT,
                        },
                        more=True,
                    ),
                )
            },
            "503",
        )
    },
    "/v1/log": {
        "get": _route(
            "The end of the log.",
            {"200": _answer("Lines.", _object({"lines": _list(_TEXT)}))},
            "400",
            parameters=(
                {"name": "lines", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 2000}},
            ),
        )
    },
    "/v1/dashboard/codes": {
        "post": _route(
            "A one-time code for the dashboard.",
            {"201": _answer("The code.", _object({"code": _TEXT, "path": _TEXT, "seconds": _NUMBER}))},
        )
    },
    "/v1/dashboard/login": {
        "post": _route(
            "A code becomes a session: a cookie, and a key for the header X-BioImg-Session.",
            {"200": _answer("The key.", _object({"key": _TEXT, "seconds": _NUMBER}))},
            "400",
            "413",
            body=_json(_object({"code": _TEXT}, more=True)),
        )
        | {"security": []}
    },
    "/v1/dashboard/logout": {"post": _route("The session ends.", {"204": _answer("It has ended.")})},
    "/v1/buffers": {
        "post": _route(
            "An empty buffer for pixels.",
            {"201": _answer("The buffer.", _object({"id": _TEXT, "size": _COUNT, "path": _or_null(_TEXT)}, more=True))},
            "400",
            "413",
            "507",
            body=_json(_ref("BufferRequest")),
        )
    },
    "/v1/buffers/{id}": {
        "put": _route(
            "The bytes of a buffer, or with Content-Range the next part of them.",
            {"204": _answer("They have come.")},
            "400",
            "404",
            "408",
            "409",
            "413",
            "507",
            body=_BYTES,
            parameters=(_ID, _CRC, *_PART_SENT),
        ),
        "get": _route(
            "The bytes of a buffer, or with Range a part of them.",
            {
                status: {
                    "description": text,
                    "content": _BYTES,
                    "headers": {"X-CRC32": {"schema": _TEXT, "required": True}},
                }
                for status, text in (("200", "Bytes."), ("206", "A part."))
            },
            "400",
            "404",
            "416",
            "507",
            parameters=(_ID, *_PART_ASKED_FOR),
        ),
        "delete": _route("Free a buffer.", {"204": _answer("It is gone.")}, "409", parameters=(_ID,)),
    },
    "/v1/buffers/{id}/state": {
        "get": _route(
            "How much of a buffer is there.",
            {"200": _answer("It.", _object({"size": _COUNT, "received": _COUNT, "crc32": _TEXT}))},
            "404",
            "507",
            parameters=(_ID,),
        )
    },
    "/v1/jobs": {
        "get": _route(
            "All jobs in short, the newest first.",
            {"200": _answer("Jobs.", _object({"jobs": _list(_ref("Short"))}))},
        ),
        "post": _route(
            "Take a job.",
            {"202": _answer("It is queued.", _object({"id": _TEXT, "state": _ref("State")}, more=True))},
            "400",
            "404",
            "413",
            "429",
            "503",
            body=_json(_ref("JobRequest")),
            parameters=({"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}},),
        ),
    },
    "/v1/jobs/{id}": {
        "get": _route("A job's status.", {"200": _STATUS}, "404", parameters=(_ID,)),
        "delete": _route("Forget a job.", {"204": _answer("It is gone.")}, parameters=(_ID,)),
    },
    "/v1/jobs/{id}/events": {
        "get": _route(
            "A job's events until it has ended.",
            {"200": {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": _TEXT}}}},
            "404",
            parameters=(_ID,),
        )
    },
    "/v1/jobs/{id}/cancel": {
        "post": _route("Ask a job to stop.", {"202": _STATUS}, "404", parameters=(_ID,)),
    },
    "/v1/jobs/{id}/finish": {
        "post": _route("Ask a job to end early.", {"202": _STATUS}, "404", parameters=(_ID,)),
    },
    "/v1/jobs/{id}/live": {
        "get": _route(
            "What can be looked at while a job runs.",
            {"200": _answer("Curves and preview.", _ref("Live"))},
            "404",
            parameters=(_ID,),
        )
    },
    "/v1/shutdown": {"post": _route("The server ends.", {"202": _answer("It will.", {"type": "object"})})},
}


def document() -> dict[str, Any]:
    """Give the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bioimg-fiji model server",
            "version": bioimg_fiji.__version__,
            "description": "docs/protocol.md says the same in prose.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "paths": _PATHS,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }
