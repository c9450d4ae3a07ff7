"""`bioimg-fiji models`: the model store, what a package is, whether it gives its own test outputs, who may run code."""

from __future__ import annotations

import time
from pathlib import Path

import click

from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.errors import BioimgError

EXIT_FAILED = 1
TOLERANCE = 1e-3
"""Largest difference relative to the output's range that `models test` lets pass, as the zoo's own test does."""


@click.group()
def models() -> None:
    """Keep models in a store, look at packages, test them, and say which may run code of their own."""


@models.command()
@click.argument("source")
@click.option("--nickname", help="Its name in the store. Default: what the model calls itself.")
def add(source: str, nickname: str | None) -> None:
    """Add a model to the store: SOURCE is a path, an https address or the id of a model of the zoo."""
    from bioimg_fiji.zoo import get_model

    terminal = Terminal()
    with terminal.job() as job:
        entry = get_model(source, nickname, job)
    terminal.out.print(f"Added. Name it model={entry.name}", markup=False)


@models.command("list")
@click.argument("text", required=False)
@click.option("--zoo", is_flag=True, help="The zoo's models, of which TEXT may be a part of the name.")
def list_models(text: str | None, zoo: bool) -> None:
    """List the models of the store, or of the zoo; without a network, as it was when last seen."""
    from bioimg_fiji.package import open_package, store

    terminal = Terminal()
    if zoo:
        from bioimg_fiji.zoo import collection

        listing = collection()
        if listing.offline:
            day = time.strftime("%Y-%m-%d", time.localtime(listing.fetched))
            terminal.err.print(f"{listing.offline} This is the list of {day}.", markup=False)
        rows = [(name, model.source) for name, model in listing.models.items() if (text or "") in name]
        terminal.table("", ("id", "description"), rows)
        return
    found = [entry for entry in store.entries() if (text or "") in entry.name]
    described = []
    for entry in found:
        try:
            package = open_package(entry.path)
            described.append((entry.name, package.name, ", ".join(package.weights)))
        except BioimgError as error:
            described.append((entry.name, f"damaged: {error.message}", ""))
    terminal.table("", ("model", "what it is", "weights"), described)


@models.command()
@click.argument("name")
def remove(name: str) -> None:
    """Take the model NAME out of the store."""
    from bioimg_fiji.package import store

    Terminal().out.print(f"Removed {store.remove(name).name}", markup=False)


@models.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, required=True, help="Only look; nothing is sent.")
def publish(model: Path, check: bool) -> int:
    """Say what the zoo would want of a MODEL before it takes it in; ends with 1 when something is missing."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.package import publish as wishes

    findings = wishes.check(open_package(model)) if check else []
    rows = [("ok" if each.ok else "!!", each.field, each.found, each.fix) for each in findings]
    Terminal().table("", ("", "field", "found", "fix"), rows)
    return 0 if all(each.ok for each in findings) else EXIT_FAILED


@models.command()
@click.argument("model", type=click.Path(path_type=Path))
def info(model: Path) -> None:
    """Show what a MODEL takes and gives, its weights, and the code that it brings along."""
    from bioimg_fiji.commands.models import properties
    from bioimg_fiji.package import open_package

    rows = tuple(properties(open_package(model)).items())
    Terminal().table("", ("what", "value"), rows)


@models.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--device", default="auto", show_default=True, help="Where to compute.")
@click.option("--trust", default="", help="16 or more digits of the SHA-256 of a package that brings code.")
def test(model: Path, device: str, trust: str) -> int:
    """Run a MODEL's own test tensors with every weights format that runs here; ends with 1 when one differs."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.runtime import choose
    from bioimg_fiji.runtime.verify import differences

    package = open_package(model)
    rows: list[tuple[str, str, str, str, str]] = []
    for weights in package.weights:
        try:
            adapter = choose(package, weights, device, trust=trust)
            try:
                found = differences(package, adapter)
            finally:
                adapter.close()
        except BioimgError as error:
            rows.append(("!!", weights, "", "", str(error)))
            continue
        for each in found:
            mark = "ok" if each.relative <= TOLERANCE else "!!"
            rows.append((mark, weights, each.output, f"{each.absolute:.3g}", f"{each.relative:.3g} of the range"))
    Terminal().table("", ("", "weights", "output", "largest difference", "relative"), rows)
    return EXIT_FAILED if any(row[0] == "!!" for row in rows) else 0


@models.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
def trust(model: Path, yes: bool) -> int:
    """Let a MODEL run its own code from now on, after showing what that is."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.package import trust as store
    from bioimg_fiji.runtime.choose import code_of

    terminal = Terminal()
    package = open_package(model)
    digest = store.content_hash(package)
    code = code_of(package)
    for line in code or ["no code: it needs no trust"]:
        terminal.out.print(f"{package.name} brings {line}", markup=False)
    terminal.out.print(f"Read it in {package.root}\nSHA-256 {digest}", markup=False)
    if not yes and not click.confirm("Let it run on this computer?", default=False):
        return EXIT_FAILED
    store.trust(package)
    terminal.out.print(f"Trusted: {package.name}. Take it back by: bioimg-fiji models distrust {digest[:16]}")
    return 0


@models.command()
@click.argument("digits", required=False)
def distrust(digits: str | None) -> int:
    """Take back the trust in packages whose SHA-256 begins with DIGITS; without DIGITS, list the trusted ones."""
    from bioimg_fiji.package import trust as store

    terminal = Terminal()
    if digits is None:
        terminal.table("", ("sha256", "name"), list(store.trusted().items()))
        return 0
    gone = store.distrust(digits)
    for each in gone:
        terminal.out.print(f"No longer trusted: {each}")
    if not gone:
        terminal.err.print(f"error: No trusted model begins with {digits!r}.", markup=False)
    return 0 if gone else EXIT_FAILED
