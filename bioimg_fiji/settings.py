"""Settings: one TOML file, environment variables, command-line flags, in that order of rising strength.

Lives here: names, defaults and places of the settings, and which source won. Lives not here: what the settings mean to
the parts that read them.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from bioimg_fiji.errors import ParameterError

APP = "bioimg-fiji"
PREFIX = "BIOIMG_FIJI_"

DEFAULTS: dict[str, tuple[type, Any, str]] = {
    "endpoint": (str, "", 'Fiji folder, Maven coordinates or "embedded"; empty: look for one, else embedded'),
    "offline": (bool, False, "open a Fiji with what is cached, without the network: true or false"),
    "memory": (str, "", 'memory of Java: a size such as "8g", or a share such as "50%"; empty: the half'),
    "connection": (str, "", "connection file of the server; empty: in the home folder"),
    "trusted": (str, "", "list of the models that may run code of their own; empty: in the home folder"),
    "servers": (str, "", "list of the named servers; empty: in the home folder"),
    "models": (str, "", "folder of the model store; empty: among the user's data"),
    "shared_models": (str, "", "folder of a model store for all users, which is only read; empty: none"),
    "models_quota": (float, 0.0, "GB that the user's own model store may have; 0: no limit"),
    "benchmark_data": (str, "", "folder of the data of benchmark suites that have none beside them"),
    "zoo": (
        str,
        "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io/id_map.json",
        "list of the zoo's models: their ids, addresses and hashes",
    ),
    "threads": (int, 0, "threads for computing; 0: one per core"),
    "device": (str, "auto", "cpu, cuda, mps or auto"),
    "buffers": (str, "", "folder for pixels that go between processes; empty: the memory-backed one"),
    "log_level": (str, "WARNING", "what is logged on stderr"),
    "log_format": (str, "text", "form of the server's log file: text, or json (one object a line)"),
}
"""Every setting: type, default, meaning."""


@dataclass(frozen=True)
class Setting:
    """One setting's value and where it came from ("default", "file", "environment" or "flag")."""

    name: str
    value: Any
    source: str
    help: str


def settings_file() -> Path:
    """Path of the TOML file, which need not exist."""
    given = os.environ.get(PREFIX + "SETTINGS")
    return Path(given) if given else Path(platformdirs.user_config_dir(APP, appauthor=False)) / "settings.toml"


def cache_folder() -> Path:
    """Folder for what can be made again."""
    given = os.environ.get(PREFIX + "CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir(APP, appauthor=False))


def home_folder() -> Path:
    """Folder that the Java plugin finds without Python: connection file and logs of the server it starts."""
    return Path.home() / ".bioimg-fiji"


def connection_file() -> Path:
    """Where a running server tells its address and token (docs/protocol.md)."""
    given = get("connection")
    return Path(given) if given else home_folder() / "connection.json"


def servers_file() -> Path:
    """Where the user's list of named servers is; the Java plugin reads and writes it too."""
    given = get("servers")
    return Path(given) if given else home_folder() / "servers.json"


def trusted_file() -> Path:
    """Where the user's list of trusted models is."""
    given = get("trusted")
    return Path(given) if given else home_folder() / "trusted.json"


def models_folder() -> Path:
    """Where the user's model store is."""
    given = get("models")
    return Path(given) if given else Path(platformdirs.user_data_dir(APP, appauthor=False)) / "models"


def shared_models_folder() -> Path | None:
    """Where the model store is that all users of a facility read; None where there is none."""
    given = get("shared_models")
    return Path(given) if given else None


def get(name: str, flag: Any = None) -> Any:
    """Value of one setting; `flag` is the command line's value, None when it was not given."""
    return resolve(name, flag).value


def resolve(name: str, flag: Any = None) -> Setting:
    """Value of one setting and its source.

    Raises
    ------
    ParameterError
        When the winning value has the wrong type.
    """
    kind, default, text = DEFAULTS[name]
    file = _file_values()
    for source, value in (
        ("flag", flag),
        ("environment", os.environ.get(PREFIX + name.upper())),
        ("file", file.get(name)),
    ):
        if value is not None:
            return Setting(name, _convert(name, kind, value, source), source, text)
    return Setting(name, default, "default", text)


def resolve_all() -> list[Setting]:
    """Every setting, for `bioimg-fiji doctor`."""
    return [resolve(name) for name in DEFAULTS]


def _file_values() -> Mapping[str, Any]:
    path = settings_file()
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ParameterError(f"The settings file {path} cannot be read: {error}.", fix="Mend or remove it.") from error
    unknown = set(values) - set(DEFAULTS)
    if unknown:
        raise ParameterError(
            f"The settings file {path} has unknown names: {', '.join(sorted(unknown))}.",
            fix=f"Known are {', '.join(DEFAULTS)}.",
        )
    return values


def _convert(name: str, kind: type, value: Any, source: str) -> Any:
    try:
        return _truth(value) if kind is bool else kind(value)
    except ValueError as error:
        raise ParameterError.of(
            f"Setting {name} (from the {source})", f"a value of type {kind.__name__}", value
        ) from error


def _truth(value: Any) -> bool:
    """Give a bool for what TOML has as one, and for a variable's text."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    text = str(value).strip().lower()
    if text not in (*words, ""):
        raise ValueError(text)
    return words.get(text, False)
