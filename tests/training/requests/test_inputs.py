"""Which encoder of texts a configuration asks for."""

from fashion_hash.config.experiment import make_request_config
from fashion_hash.encoders.clip import ClipEncoder
from fashion_hash.encoders.sentences import SentenceEncoder
from fashion_hash.training.requests.inputs import make_encoder
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests


def test_pretrained_encoders_are_those_of_the_configuration() -> None:
    data = tiny_requests()
    clip = {"kind": "open_clip", "model": "RN50", "weights": "yfcc15m"}
    made = make_encoder(make_request_config(tiny_request_values(encoder=clip)), data)
    assert isinstance(made, ClipEncoder)
    assert (made.model, made.weights) == ("RN50", "yfcc15m")
    sentences = {"kind": "sentence_transformers", "model": "some/model"}
    made = make_encoder(make_request_config(tiny_request_values(encoder=sentences)), data)
    assert isinstance(made, SentenceEncoder)
    assert made.model == "some/model"


def test_words_are_fitted_on_the_training_requests_and_the_descriptions() -> None:
    data = tiny_requests()
    made = make_encoder(make_request_config(tiny_request_values(encoder={"dim": 24})), data)
    assert made.kind == "words"
    assert made.dim <= 24
    known, unknown = made.encode_texts(["red wool", "xylophone quark"])
    assert (known**2).sum() > 0.99
    assert not unknown.any()
