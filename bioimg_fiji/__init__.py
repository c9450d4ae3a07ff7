"""Python deep-learning models as ordinary Fiji commands: run them, train them, keep the calibration.

Public names are imported when they are first used: `import bioimg_fiji` loads neither torch nor a JVM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioimg_fiji.client import Client, RemoteJob, connect
    from bioimg_fiji.commands import Parameters, Result, Table, command, key
    from bioimg_fiji.errors import BioimgError
    from bioimg_fiji.fiji import Fiji, open_fiji
    from bioimg_fiji.files import read_image, write_image
    from bioimg_fiji.image import Channel, Image, Scale, from_array
    from bioimg_fiji.intensity import Intensity
    from bioimg_fiji.jobs import Job
    from bioimg_fiji.package import ModelPackage, open_package
    from bioimg_fiji.progress import show_progress

__version__ = "0.1.0"

_HOMES = {
    "client": ("Client", "RemoteJob", "connect"),
    "commands": ("Parameters", "Result", "Table", "command", "key"),
    "errors": ("BioimgError",),
    "fiji": ("Fiji", "open_fiji"),
    "files": ("read_image", "write_image"),
    "image": ("Channel", "Image", "Scale", "from_array"),
    "intensity": ("Intensity",),
    "jobs": ("Job",),
    "package": ("ModelPackage", "open_package"),
    "progress": ("show_progress",),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BioimgError",
    "Channel",
    "Client",
    "Fiji",
    "Image",
    "Intensity",
    "Job",
    "ModelPackage",
    "Parameters",
    "RemoteJob",
    "Result",
    "Scale",
    "Table",
    "__version__",
    "command",
    "connect",
    "from_array",
    "key",
    "open_fiji",
    "open_package",
    "read_image",
    "show_progress",
    "write_image",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
