"""From the bioimage.io model description 0.4 to 0.5: the same statements in newer words.

Lives here: what changed between both versions. Lives not here: whether the statements make sense (describe.py), files.
The rules follow the specification of 0.4: axes are letters, sizes a list per tensor, and an output's size is
`reference * scale + 2 * offset`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bioimg_fiji.errors import PackageError

_TYPES = {"b": "batch", "i": "index", "t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_OTHER_NAMES = {"pytorch_script": "torchscript"}
_LISTS = {"test_inputs": "inputs", "test_outputs": "outputs"}


def upgrade(content: Mapping[str, Any]) -> dict[str, Any]:
    """Say in version 0.5 what a description of version 0.4 says.

    Parameters
    ----------
    content
        The description's mapping; it is not changed.

    Returns
    -------
    A mapping with inputs, outputs and weights as version 0.5 has them; everything else is kept as it is.

    Raises
    ------
    PackageError
        When inputs, outputs or weights are not what version 0.4 has; the message names the field.
    """
    tests = {new: _files(content, old) for old, new in _LISTS.items()}
    inputs = [_tensor(t, "inputs", i, {}, tests["inputs"]) for i, t in enumerate(_tensors(content, "inputs"))]
    channels = {
        str(tensor["id"]): len(axis["channel_names"])
        for tensor in inputs
        for axis in tensor["axes"]
        if axis["type"] == "channel"
    }
    outputs = [_tensor(t, "outputs", i, channels, tests["outputs"]) for i, t in enumerate(_tensors(content, "outputs"))]
    return {**content, "inputs": inputs, "outputs": outputs, "weights": _weights(content)}


def _wrong(field: str, expected: str, got: Any) -> PackageError:
    found = "is missing" if got is None else f"is {str(got)[:80]!r}"
    return PackageError(
        f"The model description's {field} {found}; it must be {expected}.",
        fix="Correct the description, or get another package.",
        field=field,
    )


def _tensors(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = content.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        raise _wrong(name, "a list of mappings", value)
    return value


def _files(content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(name, "a list of files", value)
    return value


def _letters(tensor: Mapping[str, Any], field: str) -> str:
    axes = tensor.get("axes")
    letters = "".join(str(axis) for axis in axes) if isinstance(axes, list) else axes
    if not isinstance(letters, str) or not letters or any(letter not in _TYPES for letter in letters):
        raise _wrong(f"{field}.axes", f"letters of {''.join(_TYPES)}", axes)
    return letters


def _tensor(
    tensor: Mapping[str, Any], kind: str, number: int, channels: Mapping[str, int], tests: Sequence[Any]
) -> dict[str, Any]:
    field = f"{kind}[{number}]"
    letters = _letters(tensor, field)
    axes: list[dict[str, Any]] = []
    for place, letter in enumerate(letters):
        axis: dict[str, Any] = {"type": _TYPES[letter]}
        if letter in "zyx":
            axis["id"] = letter
        if letter != "b":
            axis |= _size(tensor.get("shape"), f"{field}.shape", place, letter, len(letters))
        if letter == "c":
            axis = {"type": "channel", "channel_names": _channel_names(axis, channels, field)}
        halo = tensor.get("halo")
        if halo is not None and letter not in "bci":
            axis["halo"] = _number(halo, place, f"{field}.halo", len(letters))
        axes.append(axis)
    ops = "preprocessing" if kind == "inputs" else "postprocessing"
    given = [] if tensor.get(ops) is None else tensor[ops]
    if not isinstance(given, list):
        raise _wrong(f"{field}.{ops}", "a list of operations", given)
    upgraded: dict[str, Any] = {
        "id": tensor.get("name"),
        "axes": axes,
        "data": {"type": tensor.get("data_type", "float32")},
        ops: [_op(op, f"{field}.{ops}[{i}]") for i, op in enumerate(given)],
    }
    if number < len(tests):
        upgraded["test_tensor"] = {"source": tests[number]}
    return upgraded


def _size(shape: Any, field: str, place: int, letter: str, count: int) -> dict[str, Any]:
    if isinstance(shape, list):
        return {"size": _number(shape, place, field, count)}
    if isinstance(shape, Mapping) and "min" in shape:
        least = _number(shape["min"], place, f"{field}.min", count)
        step = _number(shape.get("step"), place, f"{field}.step", count)
        return {"size": {"min": least, "step": step} if step else least}
    if not isinstance(shape, Mapping) or "reference_tensor" not in shape:
        raise _wrong(field, "a list of sizes, min and step, or reference_tensor, scale and offset", shape)
    offset = 2 * _number(shape.get("offset"), place, f"{field}.offset", count)
    scale = shape.get("scale")
    if not isinstance(scale, list) or len(scale) != count:
        raise _wrong(f"{field}.scale", f"a list of {count} numbers", scale)
    if not scale[place]:  # an axis that the reference has not
        return {"size": int(offset)}
    factor = _number(scale, place, f"{field}.scale", count)
    if int(offset) != offset:
        raise _wrong(f"{field}.offset", "multiples of 0.5", shape["offset"])
    tensor, _, axis = str(shape["reference_tensor"]).partition(".")
    axis = axis or letter
    size = {"tensor_id": tensor, "axis_id": axis if axis in "zyx" else _TYPES.get(axis, axis), "offset": int(offset)}
    return {"size": size, "scale": 1 / factor}


def _number(values: Any, place: int, field: str, count: int) -> Any:
    if not isinstance(values, list) or len(values) != count:
        raise _wrong(field, f"a list of {count} numbers", values)
    value = values[place]
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong(field, f"a list of {count} numbers", values)
    return value


def _channel_names(axis: Mapping[str, Any], channels: Mapping[str, int], field: str) -> list[str]:
    size = axis["size"]
    if isinstance(size, Mapping):
        if "min" in size or size["tensor_id"] not in channels:
            raise _wrong(f"{field}.shape", "a fixed number of channels", size)
        size = channels[size["tensor_id"]] / axis["scale"] + size["offset"]
    if not isinstance(size, (int, float)) or not 0 < size <= 2**16 or int(size) != size:
        raise _wrong(f"{field}.shape", "a whole number of channels above 0", size)
    return [f"channel{i}" for i in range(int(size))]


def _op(op: Any, field: str) -> dict[str, Any]:
    if not isinstance(op, Mapping):
        raise _wrong(field, "a mapping", op)
    name, kwargs = op.get("name"), op.get("kwargs") or {}
    if not isinstance(kwargs, Mapping):
        raise _wrong(f"{field}.kwargs", "a mapping", kwargs)
    kwargs = dict(kwargs)
    mode = kwargs.pop("mode", None)
    axes = kwargs.pop("axes", None)
    ids = None if axes is None else [letter if letter in "zyx" else _TYPES.get(letter, letter) for letter in axes]
    if name == "scale_linear":
        return {"id": name, "kwargs": kwargs | _one_axis(ids, kwargs.get("gain"), kwargs.get("offset"))}
    if name == "zero_mean_unit_variance" and mode == "fixed":
        kwargs.pop("eps", None)
        kwargs |= _one_axis(ids, kwargs.get("mean"), kwargs.get("std"))
        return {"id": "fixed_zero_mean_unit_variance", "kwargs": kwargs}
    if ids is not None:
        kwargs["axes"] = ["batch", *ids] if mode == "per_dataset" and "batch" not in ids else ids
    return {"id": name, "kwargs": kwargs}


def _one_axis(ids: list[str] | None, *values: Any) -> dict[str, Any]:
    """Give the axis along which several values run; version 0.4 tells the others for some operations."""
    if not any(isinstance(value, list) and len(value) > 1 for value in values):
        return {}
    return {"axis": ids[0] if ids is not None and len(ids) == 1 else "channel"}


def _weights(content: Mapping[str, Any]) -> dict[str, Any]:
    weights = content.get("weights")
    if not isinstance(weights, Mapping):
        raise _wrong("weights", "a mapping", weights)
    upgraded: dict[str, Any] = {}
    for name, entry in weights.items():
        new = dict(entry) if isinstance(entry, Mapping) else entry
        if name == "pytorch_state_dict" and isinstance(new, dict):
            new["architecture"] = _architecture(new)
        upgraded[_OTHER_NAMES.get(str(name), str(name))] = new
    return upgraded


def _architecture(entry: dict[str, Any]) -> dict[str, Any]:
    text = entry.get("architecture")
    kwargs = entry.get("kwargs") or {}
    if not isinstance(text, str) or not text:
        raise _wrong("weights.pytorch_state_dict.architecture", "FILE.py:NAME or MODULE.NAME", text)
    source, colon, name = text.rpartition(":")
    if colon:
        found: dict[str, Any] = {"source": source, "callable": name, "kwargs": kwargs}
        return found | ({"sha256": entry["architecture_sha256"]} if entry.get("architecture_sha256") else {})
    module, dot, name = text.rpartition(".")
    if not dot:
        raise _wrong("weights.pytorch_state_dict.architecture", "FILE.py:NAME or MODULE.NAME", text)
    return {"import_from": module, "callable": name, "kwargs": kwargs}
