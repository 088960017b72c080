"""A network for pictures without torch: exported as ONNX, run by onnxruntime (the extra `onnx`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.core.extras import require_extra
from fashion_hash.core.files import write_json
from fashion_hash.data.stores.decoding import decoded
from fashion_hash.encoders.contract import MANIFEST, manifest_of
from fashion_hash.errors import FeatureError

MODEL = "model.onnx"


class Preparation(NamedTuple):
    """How a picture becomes the input of a network.

    Attributes:
        size: pixels of a side.
        crop: the shorter side is resized to `size` and the middle cut out, as CLIP does it; otherwise the whole picture
            is resized to a square.
        filter: of resizing, "bilinear" or "bicubic".
    """

    size: int
    crop: bool = False
    filter: str = "bilinear"

    def __call__(self, picture: bytes) -> np.ndarray:
        """(1, 3, size, size) uint8, RGB."""
        from PIL.Image import Resampling

        resampling = Resampling[self.filter.upper()]
        with decoded(picture) as image:
            if self.crop:
                width, height = image.size
                short = min(width, height)
                image = image.resize((self.size * width // short, self.size * height // short), resampling)
                left, top = round((image.width - self.size) / 2), round((image.height - self.size) / 2)
                image = image.crop((left, top, left + self.size, top + self.size))
            else:
                image = image.resize((self.size, self.size), resampling)
            return np.array(image, dtype=np.uint8).transpose(2, 0, 1)[None].copy()


class OnnxEncoder:
    """An exported network; its session is opened on first use.

    Args:
        model: the bytes of the network, or the path of its file; input (1, 3, size, size) uint8, output (1, F) float.
        preparation: of its pictures.
        dim: F.
        source: the network and its weights, for display.
        fingerprint: of the network that it was exported from.

    Raises:
        MissingExtraError: onnxruntime is not installed (raised when pictures are encoded).
        FeatureError: the file is not a readable network (raised when pictures are encoded).
    """

    kind = "onnx"
    takes_pictures = True

    def __init__(self, model: bytes | Path, preparation: Preparation, dim: int, source: str, fingerprint: str) -> None:
        self._model, self._preparation = model, preparation
        self.dim, self.source, self.fingerprint = dim, source, fingerprint

    @classmethod
    def open(cls, folder: Path, about: dict[str, Any]) -> OnnxEncoder:
        """Opens what `save` wrote; `about` is its encoder.json."""
        preparation = Preparation(int(about["size"]), bool(about["crop"]), str(about["filter"]))
        return cls(folder / MODEL, preparation, int(about["dim"]), str(about["source"]), str(about["fingerprint"]))

    @property
    def name(self) -> str:
        """The network and its settings, for display."""
        return f"{self.source}, by onnxruntime"

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """(N, F) float32; zeros for None. Raises FeatureError for bytes that are not a picture."""
        vectors = np.zeros((len(pictures), self.dim), dtype=np.float32)
        for row, picture in enumerate(pictures):
            if picture is not None:
                [output] = self._session.run(None, {self._input: self._preparation(picture)})
                vectors[row] = np.asarray(output, dtype=np.float32).reshape(self.dim)
        return vectors

    def save(self, folder: Path) -> None:
        """Writes encoder.json and the network."""
        folder.mkdir(parents=True, exist_ok=True)
        content = self._model if isinstance(self._model, bytes) else self._model.read_bytes()
        (folder / MODEL).write_bytes(content)
        write_json(folder / MANIFEST, manifest_of(self, source=self.source, **self._preparation._asdict()))

    @cached_property
    def _session(self) -> Any:
        require_extra("onnx", f"encoding pictures by {self.source}", "onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = self._model if isinstance(self._model, bytes) else str(self._model)
        try:
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an error class for each cause, without a common parent
            raise FeatureError(f"{self.source} is not a readable ONNX network ({error}): export it again") from None

    @cached_property
    def _input(self) -> str:
        return str(self._session.get_inputs()[0].name)
