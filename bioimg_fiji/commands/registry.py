"""The registry: a decorator makes a typed function a command, entry points bring those of other packages."""

from __future__ import annotations

import difflib
import importlib
import logging
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Literal

from bioimg_fiji.commands.macro import told
from bioimg_fiji.commands.parameters import SERVER, Parameters, schema
from bioimg_fiji.commands.pinned import PREFIX, pinned_commands
from bioimg_fiji.commands.result import Result
from bioimg_fiji.errors import InputError, ParameterError, UnknownCommandError
from bioimg_fiji.jobs import Job
from bioimg_fiji.progress import watched
from bioimg_fiji.remote import named

ENTRY_POINTS = "bioimg_fiji.commands"
MENU = "Plugins>BioImg"
"""Menu of the built-in commands."""

TRAIN_MENU = f"{MENU}>Train"
"""Its sub-menu of the trainings."""

Work = Literal["run", "batch", "training"]
"""What a command's work is to a server: somebody waits for a run; a batch and a training take their time."""

BUILTIN = tuple(
    f"bioimg_fiji.commands.{name}"
    for name in (
        "builtin",
        "training",
        "batch",
        "confidence",
        "evaluate",
        "error_map",
        "explain",
        "feature_maps",
        "benchmark",
        "models",
    )
)
_log = logging.getLogger(__name__)
_commands: dict[str, Command] = {}
_loaded = False


@dataclass(frozen=True)
class Command:
    """A registered command.

    Parameters
    ----------
    id
        Name for programs, lower snake case; never changes.
    title
        Name in Fiji's menu and in macros; begins with "BioImg".
    menu
        Menu path, for example "Plugins>BioImg".
    parameters
        Its parameters' model.
    function
        Does the work: `function(parameters, job) -> Result`.
    help
        The function's docstring.
    work
        What a server does beside it, and before it (docs/architecture.md, "Who waits for whom").
    batch_with
        Keys that name many images: where one of them is given, a run is a batch (`work_of`).
    """

    id: str
    title: str
    menu: str
    parameters: type[Parameters]
    function: Callable[[Any, Job], Result]
    help: str
    work: Work = "run"
    batch_with: tuple[str, ...] = ()

    def work_of(self, values: Mapping[str, Any]) -> Work:
        """Give the kind of work that a call with these values is, as a macro line or a program gives them."""
        return "batch" if any(values.get(name) not in (None, "") for name in self.batch_with) else self.work

    def describe(self) -> dict[str, Any]:
        """Give the JSON form that Fiji, the shell and the server read; with the store's models where one is chosen."""
        declared = schema(self.parameters)
        servers = named.names()
        if len(servers) > 1:
            declared["properties"][SERVER]["x-suggestions"] = servers
        models = [entry for entry in declared["properties"].values() if entry.get("x-widget") == "model"]
        if models:
            from bioimg_fiji.package import store

            names = [entry.name for entry in store.entries()]
            for entry in models if names else ():
                entry["x-suggestions"] = names
        return {
            "id": self.id,
            "title": self.title,
            "menu": self.menu,
            "help": self.help,
            "schema": declared,
        }

    def run(self, values: Mapping[str, Any], job: Job | None = None, *, known_as: str = named.LOCAL) -> Result:
        """Check the values and run here; the images tell the macro line that gives them again.

        Parameters
        ----------
        known_as
            Name by which whoever asks knows this computer, and which `server` may say.

        Raises
        ------
        BioimgError
            For wrong values, and whatever the work itself raises.
        """
        server = str(values.get(SERVER, known_as)) or known_as
        if server != known_as:
            raise ParameterError.of(
                SERVER, f"{known_as!r} in a call that runs here", server, fix=f'Use connect("{server}").run(...).'
            )
        parameters = self.parameters.parse(values)
        with watched(job) as watcher:
            return told(self, parameters, self.function(parameters, watcher), server)


def command(
    *,
    id: str,  # noqa: A002
    title: str,
    menu: str,
    work: Work = "run",
    batch_with: tuple[str, ...] = (),
) -> Callable[[Callable[[Any, Job], Result]], Callable[[Any, Job], Result]]:
    """Register a function `(parameters: a subclass of Parameters, job: Job) -> Result` as a command.

    Raises
    ------
    InputError
        When the id or the title is taken or malformed: a package's mistake, told at import.
    """

    def register(function: Callable[[Any, Job], Result]) -> Callable[[Any, Job], Result]:
        hints = typing.get_type_hints(function)
        parameters = hints.get(next(iter(hints), ""), None)
        if not (isinstance(parameters, type) and issubclass(parameters, Parameters)):
            raise InputError(f"The first parameter of {function.__name__} must be annotated with a Parameters model.")
        if not title.startswith("BioImg"):
            raise InputError(f"The title {title!r} must begin with BioImg: titles are global in ImageJ.")
        if SERVER in parameters.model_fields:
            raise InputError(f"The command {id!r} declares the key {SERVER!r}, which every command has already.")
        if title.startswith(PREFIX):
            raise InputError(f"The title {title!r} is one of a pinned model: leave out the colon.")
        help_ = " ".join((function.__doc__ or "").split())
        new = Command(id, title, menu, parameters, function, help_, work, batch_with)
        for other in _commands.values():
            if other.function.__module__ != function.__module__ and (other.id == id or other.title == title):
                raise InputError(f"The command {id!r} ({title}) is taken by {other.function.__module__}.")
        _commands[id] = new
        return function

    return register


def load_commands() -> dict[str, Command]:
    """Import the built-in commands and those of installed packages, once; give all by id, in menu order.

    The pinned models of the store are among them, as they are at the moment. A third-party package that fails to import
    is left out and logged: it must not take the others along.
    """
    global _loaded  # noqa: PLW0603 - the registry is one per process
    if not _loaded:
        for module in BUILTIN:
            importlib.import_module(module)
        for point in entry_points(group=ENTRY_POINTS):
            if point.value not in BUILTIN:
                try:
                    point.load()
                except Exception:  # noqa: BLE001 - whatever a foreign package raises
                    _log.exception("the commands of %s could not be loaded", point.value)
        _loaded = True
    pinned = {each.id: each for each in pinned_commands(_commands)}
    return dict(sorted({**_commands, **pinned}.items(), key=lambda item: (item[1].menu, item[1].title)))


def describe_all() -> list[dict[str, Any]]:
    """Give every command's description, in menu order."""
    return [each.describe() for each in load_commands().values()]


def find(name: str) -> Command:
    """Find a command by id or title, with or without the dots.

    Raises
    ------
    UnknownCommandError
        When there is none; names the nearest ones.
    """
    commands = load_commands()
    if name in commands:
        return commands[name]
    titles = {each.title.rstrip("."): each for each in commands.values()}
    if name.rstrip(".") in titles:
        return titles[name.rstrip(".")]
    near = difflib.get_close_matches(name, [*commands, *titles], n=2)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UnknownCommandError(f"There is no command {name!r}.", fix=f"{hint}The commands are {', '.join(commands)}.")
