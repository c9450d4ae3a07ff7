#!/usr/bin/env python
"""Segment a time series by a model, and write what a tracker wants to read, in a headless Fiji.

`NAME-labels.ome.tif` has the objects of each frame, numbered; `NAME-spots.csv` a row per object and frame: centroid in
the image's unit, frame from 0, radius of a disk of the same area, area, mean intensity. The columns have the names of
TrackMate's features (ID, FRAME, POSITION_X, ...), so that Plugins > Tracking > TrackMate CSV Importer finds them; with
--columns btrack those that btrack's import_CSV takes (t, x, y, z), the others behind them.

    python tracking_export.py movie.tif tracking --model cells.zip
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from pathlib import Path

from bioimg_fiji import Table, open_fiji, read_image, write_image

NAMES = {
    "trackmate": ("ID", "FRAME", "POSITION_X", "POSITION_Y", "POSITION_Z", "RADIUS", "AREA", "MEAN_INTENSITY", "LABEL"),
    "btrack": ("id", "t", "x", "y", "z", "radius", "area", "mean_intensity", "object"),
}
ORDER = {"trackmate": range(9), "btrack": (1, 2, 3, 4, 0, 5, 6, 7, 8)}


def spots(objects: Table) -> list[list[float]]:
    """Give a row per object, in the order of `NAMES`."""
    place = {name: number for number, name in enumerate(objects.columns)}
    found = []
    for number, row in enumerate(objects.rows):
        frame = int(row[place["Frame"]]) - 1 if "Frame" in place else 0
        z = row[place["Z"]] if "Z" in place else 0.0
        size = row[place["Volume" if "Volume" in place else "Area"]]
        radius = (3 * size / (4 * math.pi)) ** (1 / 3) if "Volume" in place else math.sqrt(size / math.pi)
        mean = row[next(place[name] for name in place if name.startswith("Mean"))]
        found.append(
            [number, frame, row[place["X"]], row[place["Y"]], z, radius, size, mean, int(row[place["Object"]])]
        )
    return found


def main() -> int:
    """Do the work; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path, help="image with a time axis")
    parser.add_argument("output", type=Path, help="folder for labels and table; made if need be")
    parser.add_argument("--model", required=True, help="a model that segments: package, or name in the store")
    parser.add_argument("--axes", help='the axes, where the file has them wrong: "tyx"')
    parser.add_argument("--minimum-size", type=int, default=20, help="objects of fewer pixels are left out")
    parser.add_argument("--columns", choices=NAMES, default="trackmate", help="names of the table's columns")
    parser.add_argument("--endpoint", help='Fiji folder, Maven coordinates or "embedded"')
    given = parser.parse_args()

    movie = read_image(given.movie, given.axes)
    if movie.size("t") < 2:
        parser.error(f"{given.movie} has no time axis (axes {movie.axes}): say --axes")
    given.output.mkdir(parents=True, exist_ok=True)
    with open_fiji(given.endpoint) as fiji:
        keys = {"labels": True, "table": True, "minimum_size": given.minimum_size}
        result = fiji.run("BioImg Run Model...", movie, model=given.model, **keys)
    write_image(result.images["output"], given.output / f"{movie.name}-labels.ome.tif")
    rows = spots(result.tables["objects"])
    order = ORDER[given.columns]
    with (given.output / f"{movie.name}-spots.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([NAMES[given.columns][place] for place in order])
        writer.writerows([[row[place] for place in order] for row in rows])
    print(f"{len(rows)} objects in {movie.size('t')} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
