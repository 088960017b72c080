"""Encoders: words, and with CLIP pictures, as vectors, behind one small contract.

An encoder has

    kind                  "words", "sentence_transformers" or "open_clip"
    name                  the model and its settings, for display
    dim                   F
    fingerprint           identifies what made a vector: kind, weights and settings
    takes_pictures        whether `encode_pictures` works
    encode_texts(texts)   (N, F) float32 unit vectors; a zero row for a text without a known word
    words(text)           the words it knows and those it does not
    encode_pictures(pictures)   (N, F) float32 unit vectors of encoded pictures; zeros for None
    save(folder)          writes what `open_encoder` needs to open it again

`words` needs no weights and is the default. Nothing here imports torch until a pretrained encoder encodes.
"""

from fashion_hash.encoders.contract import TextEncoder, check_same_encoder
from fashion_hash.encoders.open import open_encoder
from fashion_hash.encoders.words import WordsEncoder

__all__ = ["TextEncoder", "WordsEncoder", "check_same_encoder", "open_encoder"]
