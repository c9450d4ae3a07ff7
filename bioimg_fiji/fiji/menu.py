"""Our commands in ImageJ's menu table, and how a command line is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bioimg_fiji.fiji.java import jclass

_COMMAND = "io.github.bioimgfiji.command.BioImg_Command"
_EXTENSIONS = {"BioImg Macro Extensions": "io.github.bioimgfiji.api.MacroExtensions"}
"""Entries of the menu that are no commands."""


class Menu:
    """Puts commands into ImageJ's table, under their titles with and without the dots, and takes them out again."""

    def __init__(self) -> None:
        self._replaced: dict[str, Any] = {}
        self._extensions: dict[str, Any] = {}

    def add(self, described: Sequence[Mapping[str, Any]]) -> None:
        """Add commands by their descriptions ("Commands" in docs/protocol.md)."""
        table = _table()
        self._extensions = {title: table.put(title, plugin) for title, plugin in _EXTENSIONS.items()}
        for each in described:
            for title in {str(each["title"]), str(each["title"]).rstrip(".")}:
                self._replaced[title] = table.put(title, f'{_COMMAND}("{each["id"]}")')

    def has(self, title: str) -> bool:
        """Whether a title is one of ours."""
        return title in self._replaced

    def remove(self) -> None:
        """Put back what was there before."""
        table = _table()
        for title, before in {**self._replaced, **self._extensions}.items():
            if before is None:
                table.remove(title)
            else:
                table.put(title, before)
        self._replaced, self._extensions = {}, {}


def options_line(keys: Mapping[str, Any]) -> str:
    """Write the options of an ImageJ command: True is the key alone, False leaves it out, spaces need brackets."""
    parts = []
    for name, value in keys.items():
        if isinstance(value, bool):
            parts += [name] if value else []
        else:
            text = str(value)
            parts.append(
                f"{name}=[{text}]" if not text or any(letter.isspace() for letter in text) else f"{name}={text}"
            )
    return " ".join(parts)


def quoted(text: str) -> str:
    """Write a text as a string of ImageJ's macro language."""
    return json.dumps(text, ensure_ascii=False)


def _table() -> Any:
    """Give ImageJ's table of commands, which does not exist before the first macro."""
    if jclass("ij.Menus").getCommands() is None:
        jclass("ij.IJ").runMacro("", "")
    return jclass("ij.Menus").getCommands()
