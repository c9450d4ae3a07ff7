"""Our commands in ImageJ's menu table, and how a command line is written."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from bioimg_fiji import commands
from bioimg_fiji.commands import Command, registry
from bioimg_fiji.commands.pinned import PREFIX
from bioimg_fiji.fiji.java import jclass

_COMMAND = "io.github.bioimgfiji.command.BioImg_Command"
_EXTENSIONS = {"BioImg Macro Extensions": "io.github.bioimgfiji.api.MacroExtensions"}
"""Entries of the menu that are no commands."""

_HEAD = "# The commands of bioimg-fiji in the menus of ImageJ and Fiji, written by scripts/golden from the registry."

_ALIASES = "Help>About Plugins"
"""Where the titles without dots stand: ImageJ runs only what is in a menu, and no menu can be without a place."""

_ORDER = (
    "run_model",
    "run_file",
    "run_batch",
    "evaluate",
    "calibrate",
    "error_map",
    "explain",
    "feature_maps",
    "benchmark",
    "train_denoiser",
    "train_restoration",
    "train_segmentation",
    "models",
)
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
        self._ids: dict[str, str] = {}
        self._replaced: dict[str, Any] = {}
        self._extensions: dict[str, Any] = {}
        self._lock = threading.Lock()

    def update(self, present: Iterable[Command]) -> None:
        """Have these commands in it: add those that are new, and take out those that are none any more."""
        wanted = {title: each.id for each in present for title in (each.title, each.title.rstrip("."))}
        with self._lock:
            changed = wanted != self._ids
            if changed:
                self._change(wanted)
        if changed:
            self._tell()

    def _change(self, wanted: dict[str, str]) -> None:
        table = _table()
        if not self._extensions:
            self._extensions = {title: table.put(title, plugin) for title, plugin in _EXTENSIONS.items()}
        for title in self._ids.keys() - wanted.keys():
            _put_back(table, title, self._replaced.pop(title))
        for title, name in wanted.items():
            if self._ids.get(title) != name:
                before = table.put(title, f'{_COMMAND}("{name}")')
                self._replaced.setdefault(title, before)
        self._ids = wanted

    def has(self, title: str) -> bool:
        """Whether a title is one of ours."""
        return title in self._ids

    def remove(self) -> None:
        """Put back what was there before."""
        table = _table()
        for title, before in {**self._replaced, **self._extensions}.items():
            _put_back(table, title, before)
        self._ids, self._replaced, self._extensions = {}, {}, {}
        self._tell()

    def _tell(self) -> None:
        """Tell SciJava, where there is one, and whoever else lists the commands in Java.

        NB: without the lock: those who are told may wait for the thread of the windows, which may want it.
        """
        told = None
        while told is not self._ids:  # another thread may have changed them, and told it before
            told = self._ids
            known = json.dumps({"commands": commands.describe_all()}) if told else ""
            jclass("io.github.bioimgfiji.options.KnownCommands").tell(known)


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


def _put_back(table: Any, title: str, before: Any) -> None:
    if before is None:
        table.remove(title)
    else:
        table.put(title, before)


def _table() -> Any:
    """Give ImageJ's table of commands, which does not exist before the first macro."""
    if jclass("ij.Menus").getCommands() is None:
        jclass("ij.IJ").runMacro("", "")
    return jclass("ij.Menus").getCommands()
