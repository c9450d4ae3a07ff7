"""`bioimg-fiji serve`, and `bioimg-fiji servers`: the servers that `server=` may name."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from bioimg_fiji import settings
from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.errors import BioimgError, ParameterError
from bioimg_fiji.remote import named

EXIT_FAILED = 1

_AT_LEAST_ONE = click.IntRange(1)
_NOT_NEGATIVE = click.FloatRange(0)


def _roots(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Mapping[str, Path]:
    roots: dict[str, Path] = {}
    for value in values:
        name, sign, path = value.partition("=")
        if not sign or not name.isidentifier() or name in roots or not Path(path).is_dir():
            raise ParameterError.of("--root", "NAME=FOLDER of a folder that exists, each name once", value)
        roots[name] = Path(path).resolve()
    return roots


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need TLS, a token.")
@click.option("--port", default=0, help="Port; 0 takes a free one.")
@click.option("--connection", type=click.Path(path_type=Path), help="Connection file. Default: where Fiji looks.")
@click.option("--idle-exit", type=float, help="Seconds without work after which the server ends. Default: never.")
@click.option("--grace", default=0.0, show_default=True, help="Seconds that jobs may go on when it is told to end.")
@click.option("--keep-jobs", type=click.Path(path_type=Path), help="Folder in which jobs outlive this server.")
@click.option("--parallel", default=1, show_default=True, help="Runs at the same time.", type=_AT_LEAST_ONE)
@click.option("--batches", default=1, show_default=True, help="Batch runs at the same time.", type=_AT_LEAST_ONE)
@click.option("--trainings", default=1, show_default=True, help="Trainings at the same time.", type=_AT_LEAST_ONE)
@click.option("--warm-memory", type=_NOT_NEGATIVE, help="GiB for models that are kept loaded. Default: a quarter.")
@click.option("--warm-gpu-memory", type=_NOT_NEGATIVE, help="The same of the GPU's memory. Default: half.")
@click.option("--warm-seconds", type=_NOT_NEGATIVE, default=600, show_default=True, help="How long they are kept.")
@click.option("--self-signed", is_flag=True, help="TLS with a certificate made here at the first time, to be pinned.")
@click.option("--certificate", type=click.Path(path_type=Path), help="TLS with this certificate (PEM).")
@click.option("--key", type=click.Path(path_type=Path), help="Its key (PEM, mode 0600).")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the token; made where there is none.")
@click.option("--allowed-host", multiple=True, help="A further NAME or NAME:PORT that clients reach the server by.")
@click.option("--root", "roots", multiple=True, callback=_roots, help="NAME=FOLDER whose images may be named by path.")
def serve(
    connection: Path | None,
    allowed_host: tuple[str, ...],
    warm_memory: float | None,
    warm_gpu_memory: float | None,
    warm_seconds: float,
    **given: Any,
) -> int:
    """Start the model server that Fiji talks to."""
    from bioimg_fiji.server import ServeOptions, Warmth, serve

    options = ServeOptions(
        connection_file=connection or settings.connection_file(),
        allowed_hosts=allowed_host,
        warmth=Warmth(_bytes(warm_memory), _bytes(warm_gpu_memory), warm_seconds),
        **given,
    )
    return serve(options)


def _bytes(gibibytes: float | None) -> int | None:
    return None if gibibytes is None else int(gibibytes * 2**30)


@click.group()
def servers() -> None:
    """Name servers on other computers: what `server=` may say in commands, macros and Python."""


@servers.command()
@click.argument("name")
@click.argument("url")
@click.option("--fingerprint", default="", help="SHA-256 of its certificate, as `serve` prints it, to be pinned.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File (mode 0600) with its token. Default: ask.")
def add(name: str, url: str, fingerprint: str, token_file: Path | None) -> None:
    """Add the server at URL under NAME, or replace the one of that name; its token is never in the command line."""
    text = ""
    if token_file is None:
        text = click.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    entry = named.add(name, url, token_file=token_file, token_text=text, pinned=fingerprint)
    Terminal().out.print(f"Added. Try it: bioimg-fiji servers test {entry.name}", markup=False)


@servers.command("list")
def list_servers() -> None:
    """List the named servers."""
    rows = [
        (each.name, each.url, each.fingerprint[:23] or "the system's", each.token_file)
        for each in named.load().values()
    ]
    Terminal().table("", ("name", "address", "certificate", "token"), rows)


@servers.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the server NAME from the list."""
    named.remove(name)


@servers.command("test")
@click.argument("name")
def try_server(name: str) -> int:
    """Ask the server NAME who it is and what it computes with; ends with 1, and what is wrong, where it cannot."""
    from bioimg_fiji.client import connect

    terminal = Terminal()
    try:
        with connect(name) as client:
            start = time.perf_counter()
            info = client.info()
            milliseconds = 1000 * (time.perf_counter() - start)
            machine = client.machine()
    except BioimgError as error:
        terminal.err.print(f"{name}: {error}", markup=False)
        return EXIT_FAILED
    rows = [
        ("address", client.url),
        ("version", str(info["version"])),
        ("answers in", f"{milliseconds:.0f} ms"),
        ("devices", ", ".join(machine["devices"]) or "none: its log tells why"),
        ("jobs", f"{info['jobs']['running']} running, {info['jobs']['queued']} waiting"),
    ]
    terminal.table("", (name, ""), rows)
    return 0
