"""The training methods by name: one file each, one line each here."""

from __future__ import annotations

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.train.care import Care
from bioimg_fiji.train.method import Method
from bioimg_fiji.train.n2n import Noise2Noise
from bioimg_fiji.train.n2v import Noise2Void
from bioimg_fiji.train.n2v2 import N2V2
from bioimg_fiji.train.segmentation import Segmentation
from bioimg_fiji.train.structn2v import StructN2V
from bioimg_fiji.train.temporal import Temporal

METHODS: dict[str, Method] = {
    method.name: method
    for method in (Noise2Void(), N2V2(), StructN2V(), Temporal(), Noise2Noise(), Care(), Segmentation())
}


def method_named(name: str) -> Method:
    """Give the method of that name.

    Raises
    ------
    ParameterError
        When there is none.
    """
    if name not in METHODS:
        raise ParameterError.of("method", "one of " + ", ".join(METHODS), name)
    return METHODS[name]
