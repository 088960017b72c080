"""One place to import torchvision's models from, whatever the build of torch beside it.

A torchvision wheel built for another torch (the common CUDA wheel beside CPU torch, say) cannot
load its compiled operators and then fails on import with "operator torchvision::nms does not
exist", although no classification model uses them. Declaring the two schemas that its import looks
up lets the rest of it work; calling the operators themselves still fails, as it should.
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
_declared: list[torch.library.Library] = []  # a Library takes its operators with it when it is collected


def import_models() -> ModuleType:
    """The module `torchvision.models`.

    The import is first tried as it is: a proper build registers its own operators, and to declare
    them before it does would make that build fail.

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
