"""The training methods by name, loaded from where the catalogue says they are."""

from __future__ import annotations

import importlib

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.train.catalogue import CATALOGUE, Entry
from bioimg_fiji.train.method import Method


def _load(entry: Entry) -> Method:
    module, name = entry.home.split(":")
    method: Method = getattr(importlib.import_module(f"bioimg_fiji.train.{module}"), name)()
    return method


METHODS: dict[str, Method] = {entry.name: _load(entry) for entry in CATALOGUE.values()}


def method_named(name: str) -> Method:
    """Give the method of that name.

    Raises
    ------
    ParameterError
        When there is none.
    """
    if name not in METHODS:
        raise ParameterError.of("method", "one of " + ", ".join(METHODS), name)
    return METHODS[name]
