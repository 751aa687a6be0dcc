"""Lets a torchvision built for CUDA be imported beside a torch without CUDA.

Such a torchvision cannot load its own library, so its operators are never declared, and its import dies with
`operator torchvision::nms does not exist`. Everything here works on images with torch and pillow alone, so it is
enough that the two operators have a declaration. install.py copies this file into the virtual environment with a
`.pth` file that imports it at the start of every interpreter; it must therefore stay small and not import torch.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader

SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def declare_missing_operators():
    """Declare torchvision::nms and torchvision::qnms unless a library of torchvision, or a CUDA torch, is there."""
    import torch

    if torch.backends.cuda.is_built():
        return  # here a missing operator is a wrong installation, and torchvision should say so
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", SIGNATURE)


class ExtensionLoader(SourceFileLoader):
    """Runs torchvision.extension, which tries to load the library, then declares what is still missing."""

    def exec_module(self, module):
        super().exec_module(module)
        declare_missing_operators()


class ExtensionFinder:
    """Puts ExtensionLoader in place of the ordinary loader of torchvision.extension; leaves all else alone."""

    @staticmethod
    def find_spec(name, path=None, target=None) -> ModuleSpec | None:
        if name != "torchvision.extension":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = ExtensionLoader(spec.loader.name, spec.loader.path)
        return spec


if ExtensionFinder not in sys.meta_path:
    sys.meta_path.insert(0, ExtensionFinder)
