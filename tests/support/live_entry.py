"""Registers the command of live_command; imported by servers of tests only."""

from bioimg_fiji.commands import command
from support.live_command import SHOW_LIVE

command(id=SHOW_LIVE.id, title=SHOW_LIVE.title, menu=SHOW_LIVE.menu)(SHOW_LIVE.function)
