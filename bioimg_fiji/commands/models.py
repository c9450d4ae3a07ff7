"""The model store from Fiji's menu and macros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bioimg_fiji.commands.parameters import Parameters, key
from bioimg_fiji.commands.pinned import PREFIX
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Result, Table
from bioimg_fiji.errors import BioimgError, ParameterError
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.package import ModelPackage


class Models(Parameters):
    """Parameters of `models`."""

    action: Literal["list", "add", "remove", "trust", "describe", "pin", "unpin"] = key(
        "list",
        title="Do",
        help="List the models of the store, add one to it, remove one, let a package run the code that it brings, tell "
        "what a model takes and gives, or put one into the menu as BioImg: NICKNAME (pin) or take it out (unpin).",
    )
    source: str | None = key(
        None,
        title="Model",
        widget="model",
        help="To add: a path, an https address of a .zip, or the id of a model of the zoo. Otherwise: its name.",
    )
    nickname: str | None = key(
        None, title="Nickname", expert=True, help="Its name in the store; empty: what it calls itself."
    )
    trust: str | None = key(
        None,
        title="SHA-256",
        expert=True,
        help="To trust: 16 or more digits of the package's SHA-256, as the refusal names them.",
    )


@command(id="models", title="BioImg Models...", menu=MENU)
def models(parameters: Models, job: Job) -> Result:
    """List, add, remove and pin the models of the store, which commands take by name; trust one that brings code."""
    from bioimg_fiji.package import pins, store

    notes: tuple[str, ...] = ()
    figures: dict[str, str] = {}
    if parameters.action != "list":
        if not parameters.source:
            raise ParameterError.of("source", f"the model to {parameters.action}", "")
        if parameters.action == "add":
            from bioimg_fiji.zoo import get_model

            name = get_model(parameters.source, parameters.nickname, job).name
            notes = (f"Added. Name it model={name}",)
        elif parameters.action == "pin":
            entry = pins.pin(parameters.source)
            name = entry.name
            notes = (f"Pinned. Run it as {PREFIX}{entry.nickname}",)
        elif parameters.action == "unpin":
            name = pins.unpin(parameters.source)
            notes = (f"{name} is no longer in the menu.",)
        elif parameters.action == "trust":
            name = _trust(parameters.source, parameters.trust or "")
            notes = (f"{name} may run the code that it brings, until a file of it changes.",)
        elif parameters.action == "describe":
            return _described(parameters.source)
        else:
            name = store.remove(parameters.source).name
            notes = (f"Removed {name}.",)
        figures = {"model": name}
    return Result(tables={"models": _table()}, figures=figures, notes=notes)


def properties(package: ModelPackage) -> dict[str, str]:
    """Tell what a model takes and gives, its weights, and the code that it brings along: texts by property."""
    from bioimg_fiji.package.trust import content_hash, trusted
    from bioimg_fiji.runtime.choose import code_of

    digest = content_hash(package)
    return {
        "name": package.name,
        "description": package.description,
        "format": package.format_version,
        **{f"input {tensor.id}": f"{tensor.letters} {tensor.dtype}" for tensor in package.inputs},
        **{f"output {tensor.id}": f"{tensor.letters} {tensor.dtype}" for tensor in package.outputs},
        "weights": ", ".join(package.weights),
        "code": ", ".join(code_of(package)) or "none",
        "sha256": digest,
        "trusted": "yes" if digest in trusted() else "no",
    }


def _described(source: str) -> Result:
    from pathlib import Path

    from bioimg_fiji.package import open_package

    rows = tuple(properties(open_package(Path(source))).items())
    return Result(tables={"model": Table(("property", "value"), rows)})


def _trust(source: str, digits: str) -> str:
    from pathlib import Path

    from bioimg_fiji.package import open_package
    from bioimg_fiji.package.trust import DIGITS, content_hash, trust

    package = open_package(Path(source))
    if len(digits) < DIGITS or not content_hash(package).startswith(digits.lower()):
        raise ParameterError.of("trust", f"{DIGITS} or more digits of the package's SHA-256", digits)
    trust(package)
    return package.name


def _table() -> Table:
    from bioimg_fiji.package import open_package, store

    rows = []
    for entry in store.entries():
        try:
            package = open_package(entry.path)
            rows.append((entry.name, package.name, ", ".join(package.weights)))
        except BioimgError as error:
            rows.append((entry.name, f"damaged: {error.message}", ""))
    return Table(("model", "what it is", "weights"), tuple(rows))
