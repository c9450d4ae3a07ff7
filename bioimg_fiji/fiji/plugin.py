"""The Java plugin's jar: where it lies, and how it gets into a Fiji."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bioimg_fiji import settings
from bioimg_fiji.errors import EndpointError, MissingPartError, storage_error

_SIDE_JARS = ("-sources.jar", "-javadoc.jar", "-tests.jar")


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
    plugins = folder.expanduser() / "plugins"
    if not plugins.is_dir():
        raise EndpointError(
            f"{folder} is no Fiji or ImageJ: it has no plugins folder.",
            fix="Name the folder that holds plugins.",
            endpoint=str(folder),
        )
    source = plugin_jar()
    target, part = plugins / source.name, plugins / (source.name + ".part")
    try:
        # NB: a name that does not end with .jar until it is whole, or a Fiji that starts now loads half of it.
        shutil.copyfile(source, part)
        for old in plugins.glob("bioimg_fiji-*.jar"):
            old.unlink()
        part.replace(target)
        python = settings.home_folder() / "python"
        python.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        python.write_text(sys.executable, encoding="utf-8")
    except OSError as error:
        part.unlink(missing_ok=True)
        raise storage_error("Writing", target, error) from error
    return target
