"""Tables of tracks and their parents, as the Cell Tracking Challenge has them."""

from __future__ import annotations

from pathlib import Path

from bioimg_fiji.errors import FileFormatError

_COLUMNS = (2, 4)


def read_parents(path: Path) -> dict[int, int]:
    """Read which track comes from which: man_track.txt or res_track.txt of the Cell Tracking Challenge.

    Each line has label, first frame, last frame and parent (0: none), or label and parent alone, with blanks, tabs or
    commas between. Begin and end of tracks are seen in the label movie, so those columns are not used. A first line
    of words is passed over.

    Returns
    -------
    Label to parent; tracks without one are left out.

    Raises
    ------
    FileFormatError
        When it is no such table; names the line.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} cannot be read: {error}.", fix="Give a text file.") from error
    parents: dict[int, int] = {}
    for number, line in enumerate(lines, 1):
        parts = line.replace(",", " ").split()
        if not parts or (number == 1 and not parts[0].lstrip("-").isdecimal()):
            continue
        if len(parts) not in _COLUMNS or not all(part.isdecimal() for part in parts):
            raise FileFormatError(
                f"Line {number} of {path} is {line.strip()!r}, not the numbers of a track.",
                fix="Each line is: label, first frame, last frame, parent (0 for none); or label and parent.",
            )
        label, parent = int(parts[0]), int(parts[-1])
        if label in parents:
            raise FileFormatError(f"Line {number} of {path} has the track {label} again.", fix="Give each track once.")
        parents[label] = parent
    return {label: parent for label, parent in parents.items() if parent}
