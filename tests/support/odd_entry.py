"""Registers the command of odd_command; imported by servers of tests only."""

from bioimg_fiji.commands import command
from support.odd_command import ODD

command(id=ODD.id, title=ODD.title, menu=ODD.menu)(ODD.function)
