"""Running and exporting networks: ONNX Runtime, torch, and a fake without either.

Lives here: one adapter per weights format behind the tiny protocol `Adapter`, the choice among them, devices, and the
making of packages from trained networks. Lives not here: images, tiles, pre- and postprocessing (predict/, ops/). An
adapter imports its library when it is made, so that an ONNX model on the CPU never loads torch.
"""

from bioimg_fiji.runtime.adapter import Adapter
from bioimg_fiji.runtime.choose import choose
from bioimg_fiji.runtime.devices import devices
from bioimg_fiji.runtime.fake import FakeAdapter

__all__ = ["Adapter", "FakeAdapter", "choose", "devices"]
