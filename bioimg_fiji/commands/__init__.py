"""Commands: what Fiji's menu, a macro, a shell and the server offer.

Lives here: the registry, the one declaration of a command's parameters and its forms (JSON Schema, macro line), and the
built-in commands, which put the other parts together. Lives not here: dialogs, HTTP, argument parsing, and any method's
own code. Importing this package loads no deep-learning library: a command's function imports what it needs.
"""

from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.commands.registry import Command, command, describe_all, find, load_commands
from bioimg_fiji.commands.result import Result, Table

__all__ = [
    "Command",
    "ImageInput",
    "Parameters",
    "Result",
    "Table",
    "command",
    "describe_all",
    "find",
    "key",
    "load_commands",
]
