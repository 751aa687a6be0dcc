"""Modules that are imported when they are first used, so that --help need not wait for torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = Any  # annotations alone name it

__all__ = ["Tensor", "torch"]


class _Lazy:
    """Stand for a module; every attribute is looked up in the real one."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


torch: Any = _Lazy("torch")
