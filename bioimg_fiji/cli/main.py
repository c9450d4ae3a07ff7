"""The commands of the command line, and how errors become messages and exit codes."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import psutil

import bioimg_fiji
from bioimg_fiji import settings
from bioimg_fiji.cli.benchmark import benchmark_line
from bioimg_fiji.cli.evaluate import evaluate_line
from bioimg_fiji.cli.macro import macro
from bioimg_fiji.cli.models import models
from bioimg_fiji.cli.options import check_sent, given, image_of, is_elsewhere, options_for
from bioimg_fiji.cli.servers import serve, servers
from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.cli.train import train_line
from bioimg_fiji.client.where import run_at
from bioimg_fiji.commands import Command, describe_all, find
from bioimg_fiji.commands.gathering import read_target
from bioimg_fiji.commands.parameters import ON_SERVER
from bioimg_fiji.errors import BioimgError, JobCancelledError, MacroError, ParameterError
from bioimg_fiji.files import check_target, read_image, write_image
from bioimg_fiji.files.ome_zarr import is_zarr
from bioimg_fiji.files.sink import TIFF_NAMES
from bioimg_fiji.files.source import open_source
from bioimg_fiji.remote.named import LOCAL
from bioimg_fiji.runtime.threads import share_cores

EXIT_FAILED = 1
EXIT_CANCELLED = 130

_FURTHER = "A further image, for a model of several: in the order of its description."

LARGE = 2**30
"""Bytes of an image file from which a run goes from file to file."""

RESULT_BYTES = 4
"""Bytes of a result's pixel: most models give float32."""


def main() -> None:
    """Run the command line; errors become a message and an exit code."""
    share_cores()
    terminal = Terminal()
    try:
        sys.exit(group.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (JobCancelledError, KeyboardInterrupt, click.Abort) as stopped:
        kept = stopped.fix if isinstance(stopped, JobCancelledError) else ""
        terminal.err.print(f"Cancelled. {kept}".rstrip(), markup=False)
        sys.exit(EXIT_CANCELLED)
    except BioimgError as error:
        logging.getLogger(__name__).debug("failed with code %s", error.code, exc_info=True)
        terminal.err.print(f"error: {error.message}", markup=False)
        if error.fix:
            terminal.err.print(f"       {error.fix}", markup=False)
        sys.exit(error.details.get("status", EXIT_FAILED) if isinstance(error, MacroError) else EXIT_FAILED)


class Lazy(click.Group):
    """A group with commands that are made from the registry when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the fixed commands and the made ones."""
        return sorted([*super().list_commands(ctx), *_MADE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command line of a registered command, or give a fixed one."""
        if cmd_name in _MADE:
            return _MADE[cmd_name]()
        return super().get_command(ctx, cmd_name)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(bioimg_fiji.__version__, prog_name="bioimg-fiji")
def group() -> None:
    """Python deep-learning models as ordinary Fiji commands."""
    logging.basicConfig(level=settings.get("log_level"), format="%(levelname)s %(name)s: %(message)s")


group.add_command(macro)
group.add_command(models)
group.add_command(serve)
group.add_command(servers)


@group.command("commands")
def list_commands() -> None:
    """List the commands that Fiji's menu, macros and this shell offer."""
    terminal = Terminal()
    rows = [(each["id"], each["title"], each["help"]) for each in describe_all()]
    terminal.table("", ("id", "title", "what it does"), rows)


@group.command()
@click.argument("name")
@click.argument("values", nargs=-1, metavar="KEY=VALUE...")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the images of the result. Default: here.")
def call(name: str, values: tuple[str, ...], output: Path | None) -> int:
    """Run any command by its id: image keys take files, the others what a macro would say.

    Ends with 1 where a part of the work has failed.
    """
    command = find(name)
    parsed: dict[str, Any] = {}
    for value in values:
        name_, _, text = value.partition("=")
        parsed[name_] = text if "=" in value else "true"
    images, lists = command.parameters.image_keys(), command.parameters.image_list_keys()
    for key, text in parsed.items():
        if key in images or key.rpartition(".")[0] in lists:
            parsed[key] = image_of(text, parsed, read_image if key in images[:1] else read_target)
    terminal = Terminal()
    with terminal.job() as job:
        result = run_at(command, parsed, job)
    for image in result.images.values():
        terminal.out.print(str(write_image(image, (output or Path()) / f"{image.name}.tif")), markup=False)
    terminal.result(result)
    return EXIT_FAILED if result.partial else 0


@group.command()
@click.option("--server", default=LOCAL, help="A server of `bioimg-fiji servers list`. Default: this computer's.")
@click.option("--open", "in_browser", is_flag=True, help="Open it in the browser.")
def dashboard(server: str, in_browser: bool) -> None:
    """Give the address of the server's page for a browser, with a one-time code."""
    from bioimg_fiji.cli.dashboard import address, show

    url, seconds = address(server)
    terminal = Terminal()
    terminal.out.print(url, markup=False, soft_wrap=True)
    terminal.err.print(f"The address works once, for {seconds:g} seconds.", markup=False)
    if in_browser and not show(url):
        terminal.err.print("No browser could be opened: copy the address into one.", markup=False)


@group.command("install-plugin")
@click.argument("folder", type=click.Path(path_type=Path))
def install(folder: Path) -> None:
    """Put the plugin into a Fiji or ImageJ FOLDER and tell it this Python."""
    from bioimg_fiji.fiji import install_plugin

    Terminal().out.print(f"Installed {install_plugin(folder)}. Restart Fiji; see Plugins > BioImg.", markup=False)


@group.command("uninstall-plugin")
@click.argument("folder", type=click.Path(path_type=Path))
def uninstall(folder: Path) -> None:
    """Take the plugin out of a Fiji or ImageJ FOLDER again; models and settings stay."""
    from bioimg_fiji.fiji import uninstall_plugin

    terminal = Terminal()
    for path in uninstall_plugin(folder):
        terminal.out.print(f"Removed {path}", markup=False)


@group.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON on one line.")
@click.option("--plugin", help="Version of the plugin that asks; leaves out what it knows itself.")
def doctor(folder: Path | None, as_json: bool, plugin: str | None) -> int:
    """Check the installation, and that of the plugin in a Fiji or ImageJ FOLDER; ends with 1 where something is wrong.

    Java, plugin, Python, packages, devices, server, memory, disk, versions that do not fit; a fix per finding.
    """
    from bioimg_fiji.cli.doctor import examine

    terminal = Terminal()
    findings = examine(folder, plugin)
    status = 0 if all(each.ok for each in findings) else EXIT_FAILED
    if as_json:
        click.echo(json.dumps({"findings": [dataclasses.asdict(each) for each in findings]}))
        return status
    rows = [("ok" if each.ok else "!!", each.name, each.value, each.fix) for each in findings]
    terminal.table("", ("", "what", "found", "fix"), rows)
    shown = [(each.name, str(each.value), each.source) for each in settings.resolve_all()]
    terminal.table("", ("setting", "value", "from"), shown)
    return status


def _run_line(command: Command) -> click.Command:
    further = command.parameters.image_keys()[1:]

    def work(image: Path, result: Path, **values: Any) -> int:
        options = given(values)
        elsewhere = is_elsewhere(options)
        if not elsewhere and _is_large(image, result):
            return _run_file(image, result, options)
        if image.is_dir() and not is_zarr(image):
            check_sent(image, options)
            return _run_folder(image, result, options)
        more = {name: image_of(options.pop(name), options, read_target) for name in further if name in options}
        wrong = [name for name in ("pattern", "subfolders", "resume") if name in options]
        if wrong:
            raise ParameterError.of("IMAGE", f"a folder, as --{wrong[0]} says", str(image))
        check_target(result)
        if elsewhere:
            _check_memory(image, options.get("axes"))
        source = image_of(image, options)
        terminal = Terminal()
        with terminal.job() as job:
            done = run_at(command, {"image": source} | more | options, job)
        for name, each in done.images.items():
            target = result if name == "output" else result.with_name(f"{result.name.split('.')[0]}-{name}.tif")
            terminal.out.print(str(write_image(each, target)), markup=False)
        terminal.result(done)
        return 0

    arguments: list[click.Parameter] = [
        click.Argument(["model"], type=click.Path(path_type=Path)),
        click.Argument(["image"], type=click.Path(path_type=Path)),
        click.Argument(["result"], type=click.Path(path_type=Path)),
    ]
    options = options_for(command, leave_out=("model",))
    known = {option.name for option in options}
    more = options_for(find("run_batch"), leave_out=("model", "folder", "output"))
    options += [option for option in more if option.name not in known]
    options += [click.Option([f"--{name}"], type=click.Path(path_type=Path), help=_FURTHER) for name in further]
    return click.Command("run", params=[*arguments, *options], callback=work, help=command.help)


def _check_memory(image: Path, axes: str | None) -> None:
    """Refuse an image that cannot be sent to a server, and its result taken, without the memory for both."""
    if not image.exists():
        return
    with open_source(image, axes) as source:
        pixels = math.prod(source.image.shape)
        needed, free = pixels * (source.image.dtype.itemsize + RESULT_BYTES), psutil.virtual_memory().available
    if needed > free:
        raise ParameterError.of(
            "IMAGE",
            f"an image that fits in memory with its result, to be sent to a server ({free / 2**30:.1f} GiB are free)",
            f"{image} ({needed / 2**30:.1f} GiB)",
            fix=f"Run it without --server, from file to file; or on one that has it, as {ON_SERVER}ROOT/path.",
        )


def _is_large(image: Path, result: Path) -> bool:
    """Whether the run is from file to file: an OME-Zarr, or more than fits in memory well."""
    if is_zarr(image) or result.suffix.lower() == ".zarr":
        return True
    return result.name.lower().endswith(TIFF_NAMES) and image.is_file() and image.stat().st_size > LARGE


def _run_file(image: Path, result: Path, options: dict[str, Any]) -> int:
    """Run from file to file, in parts."""
    terminal = Terminal()
    with terminal.job() as job:
        done = run_at(find("run_file"), {"input": image, "output": result} | options, job)
    terminal.result(done)
    return 0


def _run_folder(folder: Path, output: Path, options: dict[str, Any]) -> int:
    """Run on every image of a folder; ends with 1 when one of them failed."""
    terminal = Terminal()
    with terminal.job() as job:
        done = run_at(find("run_batch"), {"folder": folder, "output": output} | options, job)
    terminal.result(done)
    return EXIT_FAILED if done.partial else 0


_MADE: dict[str, Callable[[], click.Command]] = {
    "benchmark": benchmark_line,
    "evaluate": evaluate_line,
    "run": lambda: _run_line(find("run_model")),
    "train": train_line,
}
