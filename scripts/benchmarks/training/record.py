"""Results of long measurements, kept in a JSON file as soon as each is known.

A measurement is known by its section and its settings (seed included). It is taken from the file when it was made with
the same code: the file tells the hash of the packages that decide what a training gives. A training that was broken
off goes on from its checkpoint, which lies beside the file until its result is there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.training.options import ROOT, Options

FORMAT = 1
DECISIVE = ("train", "nets", "metrics.py", "metrics")
"""Parts of bioimg_fiji whose code decides a result."""
CHECKPOINTS = 40
"""Checkpoints in a training."""


class Record:
    """The file and what is measured into it."""

    def __init__(self, options: Options) -> None:
        self._path = options.out
        self._older = options.older
        self._code = code_hash(ROOT / "bioimg_fiji")
        self._fresh = options.fresh
        self._made: set[tuple[str, str]] = set()
        self._current = ""
        self._checkpoints: list[Path] = []

    def measured(
        self, section: str, settings: Mapping[str, Any], measure: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Give the values of a measurement: from the file, or by `measure`, and then into the file."""
        key = json.dumps(dict(settings), sort_keys=True)
        known = self._read()["measurements"].get(section, {}).get(key)
        if known is not None and self._usable(section, key, known):
            values: dict[str, Any] = known["values"]
            return values
        print(f"{section}: {key}", file=sys.stderr, flush=True)
        self._current, self._checkpoints = f"{section}{key}{self._code}", []
        values = measure()
        entry = {"values": values, "code": self._code, **_circumstances()}
        self._change(lambda data: data["measurements"].setdefault(section, {}).update({key: entry}))
        self._made.add((section, key))
        for path in self._checkpoints:
            path.unlink(missing_ok=True)
        return values

    def keep(self, section: str, figures: Sequence[Mapping[str, Any]]) -> None:
        """Write the figures that a section has given so far."""
        self._change(lambda data: data["figures"].update({section: [dict(figure) for figure in figures]}))

    def fit(self, images: Sequence[Any], config: Any, targets: Sequence[Any] = ()) -> Any:
        """Train a model; a training that was broken off goes on."""
        from bioimg_fiji.train import train

        told = json.dumps(config.to_json(), sort_keys=True)
        name = hashlib.sha256(f"{self._current}{len(self._checkpoints)}{told}".encode()).hexdigest()[:16]
        path = self._path.parent / "bench-train" / f"{name}.checkpoint"
        self._checkpoints.append(path)
        config = replace(config, checkpoint_every=max(50, config.steps // CHECKPOINTS))
        return train(images, config, targets=targets, checkpoint=path, resume=True)

    def _usable(self, section: str, key: str, known: Mapping[str, Any]) -> bool:
        if (section, key) in self._made:
            return True
        return not self._fresh and (self._older or known["code"] == self._code)

    def _read(self) -> dict[str, Any]:
        if not self._path.exists():
            return {"format": FORMAT, "measurements": {}, "figures": {}}
        data: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return data

    def _change(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Read, change and replace the file, so that it is whole at any moment."""
        data = self._read()
        change(data)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
        Path(temporary).replace(self._path)


def code_hash(package: Path) -> str:
    """Give a hash of the code that decides what a training gives and how it is judged."""
    told = hashlib.sha256()
    for part in DECISIVE:
        path = package / part
        files = [path] if path.is_file() else sorted(path.rglob("*.py")) if path.is_dir() else []
        for file in files:
            told.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    return told.hexdigest()[:16]


def _circumstances() -> dict[str, Any]:
    import torch

    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return {"when": now, "torch": str(torch.__version__), "cores": os.cpu_count(), "system": platform.system()}
