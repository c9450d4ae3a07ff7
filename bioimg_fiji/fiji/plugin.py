"""The Java plugin's jar: where it lies, its version, and how it gets into a Fiji and out again."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from pathlib import Path

import bioimg_fiji
from bioimg_fiji import settings
from bioimg_fiji.errors import EndpointError, MissingPartError, ProtocolError, storage_error
from bioimg_fiji.fiji.java import jclass

_SIDE_JARS = ("-sources.jar", "-javadoc.jar", "-tests.jar")
_TITLE = "bioimg-fiji"
BACKENDS = "io.github.bioimgfiji.backend.Backends"
"""Where the plugin keeps what it gives its work to."""
MENU_JAR = "bioimg_fiji-menu.jar"
"""Where the plugin keeps the menu's entries that its own jar cannot know; it holds no code."""
_UPDATE_PLUGIN = "Update the plugin: bioimg-fiji install-plugin FOLDER, and restart Fiji or ImageJ."
_UPDATE_PACKAGE = "Update the Python package: pip install bioimg-fiji=={}."


def plugin_jar() -> Path:
    """Give the path of the plugin's jar: the one in the package; in a checkout the newest that was built.

    Raises
    ------
    MissingPartError
        When there is none.
    """
    package = Path(__file__).resolve().parent
    folders = (package / "jars", package.parents[1] / "fiji-plugin" / "target")
    found = [jar for folder in folders for jar in folder.glob("bioimg_fiji-*.jar")]
    jars = [jar for jar in found if not jar.name.endswith(_SIDE_JARS)]
    if jars:
        return max(jars, key=lambda jar: jar.stat().st_mtime)
    raise MissingPartError(
        "The Fiji plugin's jar is missing.",
        fix="In a checkout, run scripts/setup (or: mvn -f fiji-plugin package). Else install bioimg-fiji again.",
        part="bioimg_fiji.jar",
    )


def version_of(jar: Path) -> str:
    """Give the version that a jar's manifest tells; "" when it is no jar of this plugin."""
    try:
        with zipfile.ZipFile(jar) as archive:
            text = archive.read("META-INF/MANIFEST.MF").decode("utf-8", "replace")
    except (OSError, KeyError, zipfile.BadZipFile):
        return ""
    said = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return said.get("Implementation-Version", "").strip() if said.get("Implementation-Title") == _TITLE else ""


def fits(plugin: str, python: str) -> bool:
    """Whether plugin and package work together: their first two numbers are the same (the third mends faults).

    A plugin without a version, as in a build, fits every package. tests/contract/versions.json has examples.
    """
    return not plugin or _line(plugin) == _line(python)


def misfit(plugin: str, python: str) -> str:
    """Give the next step where the two do not fit: the older one is to be updated."""
    return _UPDATE_PLUGIN if _line(plugin) < _line(python) else _UPDATE_PACKAGE.format(plugin)


def check_version(plugin: str) -> None:
    """Refuse a plugin, in this process, that does not fit this package.

    Raises
    ------
    ProtocolError
        Which names both versions and the next step.
    """
    ours = bioimg_fiji.__version__
    if not fits(plugin, ours):
        raise ProtocolError(
            f"The plugin in this Fiji is bioimg-fiji {plugin}, this Python package is {ours}.",
            fix=misfit(plugin, ours),
            plugin=plugin,
            package=ours,
        )


def finds_plugin() -> bool:
    """Whether the ImageJ in this process finds the plugin itself, and the very classes that Python sees."""
    import jpype

    loader = jclass("ij.IJ").getClassLoader()
    try:
        return loader is not None and bool(loader.loadClass(BACKENDS).equals(jclass(BACKENDS).class_))
    except (jpype.JException, TypeError):
        return False


def installed(folder: Path) -> list[Path]:
    """Give the plugin's jars in a Fiji's or ImageJ's plugins folder, in the order of their names; `MENU_JAR` is none.

    Raises
    ------
    EndpointError
        When `folder` has no plugins folder.
    """
    jars = (jar for jar in _plugins(folder).glob("bioimg_fiji-*.jar") if jar.name != MENU_JAR)
    return sorted(jar for jar in jars if jar.is_file())


def install_plugin(folder: Path) -> Path:
    """Put the plugin into a Fiji's or ImageJ's plugins folder, and tell it which Python starts its server.

    Older versions of the plugin there are removed: ImageJ would load both.

    Returns
    -------
    Path
        The installed jar.

    Raises
    ------
    EndpointError
        When `folder` has no plugins folder.
    StorageError
        When it cannot be written to.
    """
    plugins = _plugins(folder)
    source = plugin_jar()
    target, part = plugins / source.name, plugins / (source.name + ".part")
    try:
        # NB: a name that does not end with .jar until it is whole, or a Fiji that starts now loads half of it.
        shutil.copyfile(source, part)
        for old in installed(folder):
            old.unlink()
        (plugins / MENU_JAR).unlink(missing_ok=True)  # of the older version; the first command writes it again
        part.replace(target)
        noted = {line for line in _noted()[1:] if Path(line).is_file()}
        _note([sys.executable, *sorted(noted | {str(target.resolve())})])
    except OSError as error:
        part.unlink(missing_ok=True)
        raise storage_error("Writing", target, error) from error
    return target


def uninstall_plugin(folder: Path) -> list[Path]:
    """Take the plugin out of a Fiji or ImageJ: its jars, and the note of the Python where no other Fiji needs it.

    The menu's entries of pinned models and of other packages' commands (`MENU_JAR`) go with it.

    Returns
    -------
    list of Path
        What was removed.

    Raises
    ------
    EndpointError
        When `folder` has no plugins folder, or no jar of this plugin in it.
    StorageError
        When it cannot be removed.
    """
    jars = [jar for jar in installed(folder) if version_of(jar)]
    if not jars:
        raise EndpointError(
            f"The plugin is not in {folder}: its plugins folder has no bioimg_fiji-*.jar of ours.",
            fix="Name the Fiji or ImageJ folder that it was installed into.",
            endpoint=str(folder),
        )
    removed = []
    menu = jars[0].with_name(MENU_JAR)
    try:
        for jar in [*jars, *([menu] if menu.is_file() else [])]:
            jar.unlink()
            removed.append(jar)
        gone = {str(jar.resolve()) for jar in jars}
        noted = _noted()
        left = [line for line in noted[1:] if line not in gone and Path(line).is_file()]
        if left != noted[1:]:
            _note([noted[0], *left] if left else [])
            removed += [] if left else [note_file()]
    except OSError as error:
        raise storage_error("Removing", jars[0], error) from error
    return removed


def note_file() -> Path:
    """Path of the note that the plugin reads: the Python on its first line, then the jars that were installed."""
    return settings.home_folder() / "python"


def _noted() -> list[str]:
    try:
        return note_file().read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []


def _note(lines: list[str]) -> None:
    note = note_file()
    if not lines:
        note.unlink(missing_ok=True)
        return
    note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    note.write_text("\n".join(lines), encoding="utf-8")


def _plugins(folder: Path) -> Path:
    plugins = folder.expanduser() / "plugins"
    if not plugins.is_dir():
        raise EndpointError(
            f"{folder} is no Fiji or ImageJ: it has no plugins folder.",
            fix="Name the folder that holds plugins.",
            endpoint=str(folder),
        )
    return plugins


def _line(version: str) -> tuple[int, ...]:
    """Give the first two numbers of a version; nothing for a text that is none."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return tuple(int(number) for number in found.groups()) if found else ()
