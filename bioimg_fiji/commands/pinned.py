"""Pinned models as commands of their own: `BioImg: <nickname>` runs that model, with the keys of BioImg Run Model."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bioimg_fiji.commands.registry import Command
    from bioimg_fiji.package.store import Entry

PREFIX = "BioImg: "
"""Beginning of the titles. No other command has the colon: see `registry.command`."""


def pinned_commands(taken: Container[str]) -> list[Command]:
    """Give a command for each pinned model, but none whose id is taken."""
    from bioimg_fiji.package.pins import pins

    commands = [_command(entry) for entry in pins()]
    return [command for command in commands if command.id not in taken]


def _command(entry: Entry) -> Command:
    import pydantic

    from bioimg_fiji.commands.builtin import RunModel, run_model
    from bioimg_fiji.commands.parameters import key
    from bioimg_fiji.commands.registry import MENU, Command

    model = key(
        Path(entry.name), title="Model", widget="model", expert=True, help="The pinned model, or another in its place."
    )
    parameters = pydantic.create_model("Pinned", __base__=RunModel, model=(Path, model))
    return Command(
        f"pinned_{entry.nickname.replace('-', '_')}",
        PREFIX + entry.nickname,
        MENU,
        parameters,
        run_model,
        f"Run the model {entry.name} on an image; the result keeps calibration, labels, colours and overlay.",
    )
