"""Pre- and postprocessing as the bioimage.io model description 0.5 defines it.

Lives here: one small class per operation, in numpy, split into what it must know of the whole image (`statistics`) and
what it does to a tile (`apply`), and the pipeline that joins them. Lives not here: models, tiles, files, anything that
runs a package's own code.
"""

from bioimg_fiji.ops.pipeline import KNOWN_OPS, Pipeline, make_op, make_pipeline

__all__ = ["KNOWN_OPS", "Pipeline", "make_op", "make_pipeline"]
