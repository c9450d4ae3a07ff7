"""Evaluation of images: which metrics suit which data, and the rows and figures that come of them.

Lives here: telling labels from intensities, cutting images into planes and regions, and the list of metrics by name.
Lives not here: the metrics themselves (metrics/), what figures without a truth say (train/judge.py), tables and keys
(commands/evaluate.py).
"""

from bioimg_fiji.evaluate.catalogue import names, of_pairs
from bioimg_fiji.evaluate.kinds import Kind, kind_of
from bioimg_fiji.evaluate.labels import Tables
from bioimg_fiji.evaluate.report import Asked, evaluate
from bioimg_fiji.evaluate.rows import Evaluation
from bioimg_fiji.evaluate.samples import Given

__all__ = ["Asked", "Evaluation", "Given", "Kind", "Tables", "evaluate", "kind_of", "names", "of_pairs"]
