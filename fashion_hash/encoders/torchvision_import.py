"""Importing torchvision's models next to any build of torch.

A torchvision wheel built for another torch (the common CUDA wheel beside CPU torch, say) cannot
load its compiled operators and fails on import with "operator torchvision::nms does not
exist", although no classification model uses them. Declaring the two schemas that its import looks
up makes the import work; calling the operators themselves still fails, as it should.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

from fashion_hash.core.extras import require_extra

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[torch.library.Library] = []  # a Library removes its operators when it is garbage-collected


def import_models() -> ModuleType:
    """The module `torchvision.models`.

    The plain import is tried first: a matching build registers its own operators, and would fail if they
    had been declared before.

    Raises:
        MissingExtraError: torchvision is not installed.
    """
    require_extra("train", "a torchvision network", "torchvision")
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error) or _declared:
            raise
    library = torch.library.Library(  # type: ignore[no-untyped-call]
        "torchvision", "FRAGMENT"
    )
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    _declared.append(library)
    return importlib.import_module("torchvision.models")
