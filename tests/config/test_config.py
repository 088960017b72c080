"""Reading configurations: what is understood, and what is refused with which words."""

import pytest

from fashion_hash.config.experiment import load_config, make_config
from fashion_hash.errors import ConfigError
from tests.worlds.tiny import tiny_values

YAML = """
name: one
data: {format: polyvore_u, root: polyvore_data, subset: tuples_630}
text: {source: vectors}
optimiser: {weight_decay: 1e-6, rates: {user: 1e1, bit_weights: 1E-3}}
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "one.yaml"
    file.write_text(YAML)
    return file


def test_numbers_with_an_exponent_are_numbers(path):
    config = load_config(path)
    assert config.optimiser.weight_decay == 1e-6
    assert config.optimiser.rates.user == 10
    assert config.optimiser.rates.bit_weights == 1e-3


def test_set_overrides_and_makes_sections(path):
    config = load_config(
        path, ["train.epochs=7", "id.hide={top: 0.5}", "optimiser.weight_decay=3e-5", "train.epochs=8"]
    )
    assert config.train.epochs == 8
    assert config.id is not None
    assert config.id.hide == {"top": 0.5}
    assert config.optimiser.weight_decay == 3e-5
    assert config.modalities == ("text", "id")


def test_a_section_set_to_null_is_left_out(path):
    assert load_config(path, ["text=null", "id={}"]).modalities == ("id",)


def test_what_is_written_reads_back_equal(path, tmp_path):
    config = load_config(path)
    (tmp_path / "two.yaml").write_text(config.to_yaml())
    assert load_config(tmp_path / "two.yaml") == config


def test_it_is_frozen(path):
    with pytest.raises(ValueError, match="frozen"):
        load_config(path).train.epochs = 3


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.epoch=3", ["unknown key 'train.epoch'", "'epochs'"]),
        ("optimiser.rates.usr=1", ["unknown key 'optimiser.rates.usr'", "'user'"]),
        ("modle.num_bits=8", ["unknown key 'modle'", "'model'"]),
        ("model.num_bits=12", ["model.num_bits", "multiple of 8", "12"]),
        ("model.num_bits=0", ["model.num_bits"]),
        ("model.variant=T4", ["model.variant", "T4"]),
        ("train.epochs=soon", ["train.epochs", "'soon'"]),
        ("train.epochs=-1", ["train.epochs"]),
        ("optimiser.weight_decay=.inf", ["optimiser.weight_decay"]),
        ("optimiser.schedule.kind=sometimes", ["optimiser.schedule.kind", "sometimes"]),
        ("name=../up", ["name"]),
        ("text=null", ["no modality"]),
        ("train", ["section.key=value"]),
        ("name.first=x", ["name is a value"]),
        ("train.epochs=[1", ["no valid YAML"]),
    ],
)
def test_what_is_wrong_is_named(path, override, words):
    with pytest.raises(ConfigError) as error:
        load_config(path, [override])
    for word in words:
        assert word in str(error.value)


def test_a_key_given_twice_names_the_line(path):
    path.write_text(YAML + "name: two\n")
    with pytest.raises(ConfigError, match=r"one\.yaml:6.*'name' is given twice"):
        load_config(path)


def test_an_absent_file_suggests_its_neighbour(path):
    with pytest.raises(ConfigError, match=r"nearest: 'one\.yaml'"):
        load_config(path.with_name("onee.yaml"))


def test_missing_section_is_named():
    values = tiny_values()
    del values["data"]
    with pytest.raises(ConfigError, match="'data' is missing"):
        make_config(values)
