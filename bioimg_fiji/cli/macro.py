"""`bioimg-fiji macro FILE`: what `ImageJ --headless -macro FILE ARG` does, with an exit status to rely on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.errors import BioimgError, ParameterError

STOPPED = 130
STANDARD_INPUT = Path("-")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    help="What getArgument() gives in the macro; several are its lines. Of #@ parameters: NAME=VALUE.",
)
@click.option("--endpoint", help='Fiji folder, Maven coordinates or "embedded".')
@click.option("--headless/--windows", default=True, help="Without windows (default), or with, under a display.")
def macro(file: Path, arguments: tuple[str, ...], endpoint: str | None, *, headless: bool) -> None:
    """Run an ImageJ macro FILE ("-": the standard input); with an ImageJ2 also a script (.py, .js, .groovy, .bsh).

    What it prints goes to the standard output as it comes, then what it returns. Ends with 1, and the message and line
    on the standard error stream, when it fails; with the number of its sys.exit, where a Jython script has one.
    """
    from bioimg_fiji.fiji import is_script, open_fiji, read_text, script_name

    text = sys.stdin.read() if file == STANDARD_INPUT else read_text(file)
    script = is_script(file, text)
    values = _values(arguments) if script else {}
    terminal = Terminal()
    with terminal.job() as job, open_fiji(endpoint, headless=headless) as fiji:
        fiji.watch(job)
        fiji.on_stuck = _leave
        try:
            if script:
                outputs = fiji.run_script(script_name(file), text, **values)
            else:
                answer = fiji.run_macro(text, "\n".join(arguments))
                outputs = {} if answer is None else {"result": answer}
        except BioimgError as error:
            if "line" in error.details:
                error.message = f"{file}: {error.message}"
            raise
    for name, value in outputs.items():
        if value is not None and str(value):
            terminal.out.print(str(value) if name == "result" else f"{name}={value}", markup=False)


def _values(arguments: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for each in arguments:
        name, equals, value = each.partition("=")
        if not equals:
            raise ParameterError.of("--arg", "NAME=VALUE, for a script with parameters", repr(each))
        values[name.strip()] = value
    return values


def _leave() -> NoReturn:
    """End the process where ImageJ's own code hears of no Ctrl-C."""
    sys.stderr.write("Cancelled.\n")
    sys.stderr.flush()
    os._exit(STOPPED)
