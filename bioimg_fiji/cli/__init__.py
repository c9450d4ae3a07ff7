"""The command line `bioimg-fiji`: parsing and printing only.

Lives here: arguments, options made from the commands' declarations, progress in the terminal, exit codes (0 done,
1 failed with a message, 2 wrong usage, 130 cancelled). Lives not here: any work.
"""

from __future__ import annotations

from bioimg_fiji.cli.main import main

__all__ = ["main"]
