"""Fiji and ImageJ in this process: open one, run its commands and macros, exchange images with it.

Lives here: the search for a Fiji, the Java virtual machine, conversion between `Image` and ImagePlus, the in-process
backend of the Java plugin, and how Java's errors become ours. Lives not here: anything about a single command, and
HTTP. Nothing of Java is imported before a Fiji is opened: `import bioimg_fiji.fiji` starts nothing and loads no jpype.
"""

from bioimg_fiji.fiji.endpoint import EMBEDDED, find_endpoint
from bioimg_fiji.fiji.java import find_java
from bioimg_fiji.fiji.labelings import label_sets, to_labeling, with_sets
from bioimg_fiji.fiji.plugin import (
    fits,
    install_plugin,
    installed,
    misfit,
    note_file,
    plugin_jar,
    uninstall_plugin,
    version_of,
)
from bioimg_fiji.fiji.rois import with_overlay
from bioimg_fiji.fiji.scripts import is_script, read_text, script_name
from bioimg_fiji.fiji.session import Fiji, open_fiji
from bioimg_fiji.fiji.tables import to_scijava

__all__ = [
    "EMBEDDED",
    "Fiji",
    "find_endpoint",
    "find_java",
    "fits",
    "install_plugin",
    "installed",
    "is_script",
    "label_sets",
    "misfit",
    "note_file",
    "open_fiji",
    "plugin_jar",
    "read_text",
    "script_name",
    "to_labeling",
    "to_scijava",
    "uninstall_plugin",
    "version_of",
    "with_overlay",
    "with_sets",
]
