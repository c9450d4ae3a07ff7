"""`bioimg-fiji models`: what a package is, whether it gives its own test outputs, and who may run code."""

from __future__ import annotations

from pathlib import Path

import click

from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.errors import BioimgError

EXIT_FAILED = 1
TOLERANCE = 1e-3
"""Largest difference relative to the output's range that `models test` lets pass, as the zoo's own test does."""


@click.group()
def models() -> None:
    """Look at model packages, test them, and say which may run code of their own."""


@models.command()
@click.argument("model", type=click.Path(path_type=Path))
def info(model: Path) -> None:
    """Show what a MODEL takes and gives, its weights, and the code that it brings along."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.package.trust import content_hash, trusted
    from bioimg_fiji.runtime.choose import code_of

    package = open_package(model)
    digest = content_hash(package)
    rows = [
        ("name", package.name),
        ("description", package.description),
        ("format", package.format_version),
        *((f"input {tensor.id}", f"{tensor.letters} {tensor.dtype}") for tensor in package.inputs),
        *((f"output {tensor.id}", f"{tensor.letters} {tensor.dtype}") for tensor in package.outputs),
        ("weights", ", ".join(package.weights)),
        ("code", ", ".join(code_of(package)) or "none"),
        ("sha256", digest),
        ("trusted", "yes" if digest in trusted() else "no"),
    ]
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
