"""Our commands in ImageJ's menu table, and how a command line is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bioimg_fiji import commands
from bioimg_fiji.commands import registry
from bioimg_fiji.commands.pinned import PREFIX
from bioimg_fiji.fiji.java import jclass

_COMMAND = "io.github.bioimgfiji.command.BioImg_Command"
_EXTENSIONS = {"BioImg Macro Extensions": "io.github.bioimgfiji.api.MacroExtensions"}
"""Entries of the menu that are no commands."""

_HEAD = "# The commands of bioimg-fiji in the menus of ImageJ and Fiji, written by scripts/golden from the registry."

_ALIASES = "Help>About Plugins"
"""Where the titles without dots stand: ImageJ runs only what is in a menu, and no menu can be without a place."""

_ORDER = ("run_model", "run_file", "run_batch", "train_denoiser", "train_restoration", "train_segmentation", "models")
"""Ids of commands in the order of the menu; others follow by title."""

_JAVA = (
    ("BioImg Macro Extensions", "io.github.bioimgfiji.api.MacroExtensions"),
    ("BioImg Server...", "io.github.bioimgfiji.menu.BioImg_Server"),
    ("BioImg Check Installation", "io.github.bioimgfiji.setup.BioImg_Check"),
    ("BioImg Help", "io.github.bioimgfiji.menu.BioImg_Help"),
)
"""Entries that are no commands of the registry, below these."""


def plugins_config() -> str:
    """Give the plugin's own plugins.config: the built-in commands, and what is done in Java alone."""
    builtin = [each for each in commands.load_commands().values() if each.function.__module__ in registry.BUILTIN]
    order = {name: place for place, name in enumerate(_ORDER)}
    fixed = [each for each in builtin if not each.title.startswith(PREFIX)]
    fixed.sort(key=lambda each: (order.get(each.id, len(order)), each.title))
    entries = [(each.menu, each.title, f'{_COMMAND}("{each.id}")') for each in fixed]
    entries += [(registry.MENU, title, name) for title, name in _JAVA]
    aliases = [(_ALIASES, title.rstrip("."), name) for _, title, name in entries if title.endswith(".")]
    return "".join(f"{line}\n" for line in [_HEAD, *(f'{m}, "{t}", {name}' for m, t, name in entries + aliases)])


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
