#!/usr/bin/env python
"""Denoise every TIFF of a folder by a model, in a headless Fiji.

Results have the names of their images and keep calibration, channels and overlays. What is there already is left out,
so that a second start goes on; an image that fails does not stop the others, and the program ends with 1 then.

    python denoise_folder.py raw denoised --model cells-n2v.zip
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bioimg_fiji import BioimgError, open_fiji, read_image, write_image

TIFF = (".tif", ".tiff")


def main() -> int:
    """Do the work; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the noisy images")
    parser.add_argument("output", type=Path, help="folder for the results; made if need be")
    parser.add_argument("--model", required=True, help="package, or name of a model of the store")
    parser.add_argument("--endpoint", help='Fiji folder, Maven coordinates or "embedded"')
    given = parser.parse_args()

    images = sorted(path for path in given.folder.iterdir() if path.name.lower().endswith(TIFF))
    given.output.mkdir(parents=True, exist_ok=True)
    done, kept, failed = 0, 0, 0
    with open_fiji(given.endpoint) as fiji:
        for path in images:
            target = given.output / path.name
            if target.exists():
                kept += 1
                continue
            try:
                result = fiji.run("BioImg Run Model...", read_image(path), model=given.model)
                write_image(result.images["output"], target)
            except BioimgError as error:
                failed += 1
                print(f"{path.name}: {error}", file=sys.stderr)
            else:
                done += 1
                print(path.name)
    print(f"{done} denoised, {kept} were there, {failed} failed, of {len(images)} images")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
