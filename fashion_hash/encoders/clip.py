"""Vectors of texts and pictures in one space, by CLIP (open_clip)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.files import write_json
from fashion_hash.encoders.contract import MANIFEST, Words, all_words, check_expected, manifest_of, parameters_digest
from fashion_hash.errors import FeatureError, MissingExtraError

EXTRA = "pip install 'fashion_hash[clip]'"
BATCH = 32


class ClipEncoder:
    """An open_clip model, loaded on first use.

    Args:
        model: its open_clip name, such as ViT-B-32.
        weights: the path of a weights file, the name of published weights (downloaded once by open_clip), or None
            for random weights (for tests).
        expected: fingerprint and dim of the encoder that made the stored vectors; the loaded weights must match.

    Raises:
        MissingExtraError: the package is not installed (raised on first use).
        FeatureError: the model or its weights do not exist or are not the expected ones (raised on first use).
    """

    kind = "open_clip"
    takes_pictures = True

    def __init__(self, model: str, weights: str | None, expected: tuple[str, int] | None = None) -> None:
        self.model, self.weights = model, weights
        self._expected = expected

    @property
    def name(self) -> str:
        """The model and its settings, for display."""
        return f"open_clip {self.model}, weights {self.weights or 'random'}"

    @property
    def dim(self) -> int:
        """F, the length of a vector."""
        return self._expected[1] if self._expected else int(self._network[0].text_projection.shape[-1])

    @property
    def fingerprint(self) -> str:
        """A fingerprint of the model's name and weights."""
        return self._expected[0] if self._expected else self._digest(self._network[0])

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(N, F) float32 unit vectors; zeros for a text without a word."""
        rows = [row for row, text in enumerate(texts) if all_words(text)]
        network, _, tokens = self._network
        return self._encoded(
            len(texts), rows, lambda batch: network.encode_text(tokens([texts[row] for row in batch]), normalize=True)
        )

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """(N, F) float32 unit vectors; zeros for None. Raises FeatureError for bytes that are not a picture."""
        import torch

        from fashion_hash.data.stores.decoding import decode

        rows = [row for row, picture in enumerate(pictures) if picture is not None]
        network, prepare, _ = self._network

        def encode(batch: Sequence[int]) -> Any:
            pixels = torch.stack([prepare(decode(pictures[row] or b"")) for row in batch])
            return network.encode_image(pixels, normalize=True)

        return self._encoded(len(pictures), rows, encode)

    def words(self, text: str) -> Words:
        """All words of the text: the model can read any word."""
        return Words(all_words(text), ())

    def save(self, folder: Path) -> None:
        """Writes encoder.json, which names the model and its weights; the weights are not copied."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MANIFEST, manifest_of(self, model=self.model, weights=self.weights))

    @property
    def parts(self) -> tuple[Any, Any, Any]:
        """The model, the transform of its pictures, and its tokeniser; loaded on first use."""
        return self._network

    def _encoded(self, count: int, rows: Sequence[int], encode: Any) -> np.ndarray:
        import torch

        vectors = np.zeros((count, self.dim), dtype=np.float32)
        with torch.no_grad():
            for start in range(0, len(rows), BATCH):
                batch = rows[start : start + BATCH]
                vectors[batch] = encode(batch).float().numpy()
        return vectors

    @cached_property
    def _network(self) -> tuple[Any, Any, Any]:
        """The model, the transform of its pictures, and its tokeniser."""
        if importlib.util.find_spec("open_clip") is None:
            raise MissingExtraError(f"the encoder open_clip needs its package: {EXTRA}")
        import torch

        from fashion_hash.encoders.torchvision_import import import_models

        import_models()  # works around builds of torchvision that fail on import
        import open_clip

        if self.model not in open_clip.list_models():
            near = ", ".join(name for name in open_clip.list_models() if name.startswith(self.model[:5]))
            raise FeatureError(f"open_clip has no model {self.model!r}" + (f"; it has {near}" if near else ""))
        weights = self.weights
        published = open_clip.list_pretrained_tags_by_model(self.model)
        if weights and weights not in published and not Path(weights).is_file():
            raise FeatureError(
                f"no weights {weights!r} for {self.model}: give the path of a file, or one of {', '.join(published)}"
            )
        state = torch.get_rng_state()
        torch.manual_seed(0)  # the same random weights everywhere
        try:
            network, _, prepare = open_clip.create_model_and_transforms(self.model, pretrained=weights)
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise FeatureError(
                f"the weights {weights!r} of {self.model} cannot be loaded ({reason}): set encoder.weights to "
                "the path of a weights file"
            ) from None
        finally:
            torch.set_rng_state(state)
        if self._expected is not None:
            check_expected(self.name, self._expected[0], self._digest(network))
        return network.eval(), prepare, open_clip.get_tokenizer(self.model)

    def _digest(self, network: Any) -> str:
        return f"open_clip {parameters_digest(network, self.model)}"
