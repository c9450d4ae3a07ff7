"""Image: pixels, axes and all that a microscope and Fiji know about them. Frozen.

Lives here: the one image type of the project, how a derived image inherits from it, its JSON header, and what of it
ImageJ can hold. Lives not here: files (files/), ImagePlus (fiji/), the functions of an intensity calibration
(intensity.py), anything else that computes on pixels.
"""

from bioimg_fiji.image.convert import from_array, imagej_pixels
from bioimg_fiji.image.image import Image
from bioimg_fiji.image.parts import AXES, IMAGEJ_AXES, MICROMETRES, Channel, Scale

__all__ = ["AXES", "IMAGEJ_AXES", "MICROMETRES", "Channel", "Image", "Scale", "from_array", "imagej_pixels"]
