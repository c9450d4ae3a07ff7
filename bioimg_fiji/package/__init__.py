"""bioimage.io model packages: read, write, verify.

Lives here: what a package says and where its files are, its hash, the archive around it, and the description of a new
one. Lives not here: anything that runs a model (runtime/), torch, network architectures, downloads. A package is data:
opening one never runs its code and never asks the network.
"""

from bioimg_fiji.package.model import (
    Architecture,
    ModelPackage,
    OpSpec,
    PackageFile,
    Size,
    SizeReference,
    TensorAxis,
    TensorSpec,
    Weights,
)
from bioimg_fiji.package.read import open_package
from bioimg_fiji.package.write import About, NewPackage, NewTensor, write_package

__all__ = [
    "About",
    "Architecture",
    "ModelPackage",
    "NewPackage",
    "NewTensor",
    "OpSpec",
    "PackageFile",
    "Size",
    "SizeReference",
    "TensorAxis",
    "TensorSpec",
    "Weights",
    "open_package",
    "write_package",
]
