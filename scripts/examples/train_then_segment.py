#!/usr/bin/env python
"""Learn to segment from images with labels, then segment other images, in a headless Fiji.

Labels are images of the same names in which each object has a number. Each image to segment gives a label image and a
table of its objects (area, centroid, mean intensity, in calibrated units).

    python train_then_segment.py raw labels new results --model cells.zip
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from bioimg_fiji import open_fiji, read_image, write_image


def main() -> int:
    """Do the work; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="folder with the images to learn from")
    parser.add_argument("labels", type=Path, help="folder with their label images")
    parser.add_argument("new", type=Path, help="folder with the images to segment")
    parser.add_argument("output", type=Path, help="folder for label images and tables; made if need be")
    parser.add_argument("--model", type=Path, required=True, help="where the trained model is written")
    parser.add_argument("--quality", default="normal", choices=("quick", "normal", "thorough"))
    parser.add_argument("--steps", type=int, help="optimiser steps, instead of the quality's")
    parser.add_argument("--endpoint", help='Fiji folder, Maven coordinates or "embedded"')
    given = parser.parse_args()

    given.output.mkdir(parents=True, exist_ok=True)
    training = {"quality": given.quality} | ({} if given.steps is None else {"steps": given.steps})
    with open_fiji(given.endpoint) as fiji:
        trained = fiji.run(
            "BioImg Train Segmentation...",
            source=given.images,
            target_source=given.labels,
            model=given.model,
            apply=False,
            **training,
        )
        for note in trained.notes:
            print(note, file=sys.stderr)
        for path in sorted(given.new.glob("*.tif")):
            result = fiji.run("BioImg Run Model...", read_image(path), model=given.model, labels=True, table=True)
            write_image(result.images["output"], given.output / f"{path.stem}-labels.tif")
            table = result.tables["objects"]
            with (given.output / f"{path.stem}-objects.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([table.columns, *table.rows])
            print(f"{path.name}: {len(table.rows)} objects")
    return 0


if __name__ == "__main__":
    sys.exit(main())
