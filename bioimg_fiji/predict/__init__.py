"""Running a model on an image.

The way of the data: whole-image statistics -> preprocessing -> tile plan -> model, tile by tile -> stitch ->
postprocessing -> an image that is built from the input image, so that its calibration cannot be forgotten.

Lives here: what happens to the axes, and to everything that an image has besides pixels. Lives not here: what an
operation, a tile, a runtime or a package is.
"""

from bioimg_fiji.predict.large import FilePrediction, needs_memory, predict_file, predict_source
from bioimg_fiji.predict.outputs import PROPERTY, Values
from bioimg_fiji.predict.run import Prediction, predict
from bioimg_fiji.predict.work import PredictOptions

__all__ = [
    "PROPERTY",
    "FilePrediction",
    "PredictOptions",
    "Prediction",
    "Values",
    "needs_memory",
    "predict",
    "predict_file",
    "predict_source",
]
