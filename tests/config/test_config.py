"""Reading configurations: what is understood, and what is refused with which words."""

import re
import time

import pytest
import yaml

from fashion_hash.config.experiment import Config, load_config, make_config, with_user_code
from fashion_hash.config.requests import RequestConfig
from fashion_hash.config.sections import Section
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
        ("image.encoder=descriptor", ['encoder must be "descriptors" or "open_clip/MODEL"', "image.backbone"]),
        ("image.encoder=open_clip/", ['encoder must be "descriptors"']),
        ("image={encoder: descriptors, mode: finetune}", ["finetune", "the encoder descriptors"]),
        ("train", ["section.key=value"]),
        ("name.first=x", ["name is a value"]),
        ("train.epochs=[1", ["not valid YAML"]),
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


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefghijk", "bcdefghijkl")
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: 2024-99-99\n", "pattern|missing"),  # a date that does not exist is text
        ("seed: " + "9" * 5000, "a number of 5,000 characters"),
        ("seed: " + "9" * 90, "seed must be less than"),
        ("x: {[a]: 1}", "used as a key"),
        ("seed: !!int x", "not valid YAML"),
        ("seed: 012", "012 is a number to the base 8 or 60 in YAML"),
        ("train: {epochs: 1:30}", "1:30 is a number to the base 8 or 60 in YAML"),
        ("optimiser: {rates: {user: 1:30.5}}", "to the base 8 or 60"),
        ("seed: 0x_", "not valid YAML"),
        ("name: !!python/object:os.system {}", "a value of the type"),
        ("name: !!set {a}", "a value of the type set"),
        ("name: !!binary YQ==", "a value of the type binary"),
        ("model: {num_bits: 1099511627776}", "model.num_bits must be at most 65,536"),
        ("text: {dim: 1099511627776}", "text.dim"),
        ("optimiser: {weight_decay: 1e999}", "optimiser.weight_decay"),
        (BOMB, "more than 5,000 values"),
        ("a: &a [*a]", "nested more than 20 levels"),
        ("a: " + "[" * 5000, "not valid YAML|nested more than 20 levels"),
        ("- " * 40_000, "nested more than 20 levels"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested more than 20 levels"),
        ("".join(f"key{number}: 1\n" for number in range(20_000)), "characters|more than"),
        ("".join(f"key{number}: 1\n" for number in range(2_000)), "unknown key 'key0'.* 1,99. more problems"),
        ("? " + "k" * 90_000 + "\n: 1", "unknown key"),
        ("name: " + "n" * 90_000, "name: "),
        ("name: [" + "n, " * 4_000 + "]", "name must be a text"),
        ("x" * 200_000, "has 200,000 characters"),
        ("- 1", "must hold sections and keys"),
        ("", "must hold sections and keys"),
        ("name: a\x00b", "not valid YAML"),
        ("<<: 3", "not valid YAML"),
        ("<<: [{a: 1}, {a: 2}]", "unknown key 'a'"),
    ],
)
def test_hostile_files_end_in_a_short_message_at_once(path, text, words):
    path.write_text(text)
    began = time.process_time()  # of this process: the machine may be busy
    with pytest.raises(ConfigError, match=words) as error:
        load_config(path)
    assert len(str(error.value)) < 2000
    assert time.process_time() - began < 5


def test_hostile_values_without_yaml():
    for values in (
        {**tiny_values(), "seed": 10**6000},
        {**tiny_values(), "name": "n" * 10**6},
        {**tiny_values(), "optimiser": {"weight_decay": 10**400}},
        {**tiny_values(), **{f"key{number}": 1 for number in range(20_000)}},
        {**tiny_values(), 3: 1, (1, 2): 4},
    ):
        with pytest.raises(ConfigError) as error:
            make_config(values)
        assert len(str(error.value)) < 2000


def test_sections_may_be_shared_by_name(path):
    path.write_text(YAML.replace("text: {source: vectors}", "text: &words {source: titles}\nloss: {margin: 0.5}"))
    assert load_config(path).text.source == "titles"
    path.write_text(YAML + "loss: &loss {margin: 0.5}\n")
    assert load_config(path).loss.margin == 0.5


def test_dates_are_text(path):
    assert load_config(path, ["name=2024-01-01"]).name == "2024-01-01"


@pytest.mark.parametrize("override", ["seed=" + "9" * 5000, "x={[a]: 1}", "a." * 1000 + "b=1", "x" * 10_000])
def test_hostile_overrides_end_in_a_short_message(path, override):
    with pytest.raises(ConfigError) as error:
        load_config(path, [override])
    assert len(str(error.value)) < 2000


def sections(config):
    yield config
    for field in config.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, Section):
                yield from sections(part)


@pytest.mark.parametrize(
    "section", list(dict.fromkeys([*sections(Config), *sections(RequestConfig)])), ids=lambda section: section.__name__
)
def test_every_key_is_described(section):
    described = set(re.findall(r"^        (\w+): ", section.__doc__, re.M))
    assert described == set(section.model_fields)


def test_what_sections_say_of_each_other_names_the_source_once():
    values = {"name": "x", "data": {"format": "polyvore_u", "root": "r"}, "id": {}}
    with pytest.raises(ConfigError) as error:
        make_config({**values, "teacher": {"run": "a", "per_positive": 3}}, "mine.yaml")
    assert str(error.value).startswith("mine.yaml: teacher.per_positive needs")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"train": {"epochs": "many"}}, "train.epochs must be a whole number, got 'many'"),
        ({"train": {"epochs": 0}}, "train.epochs must be at least 1, got 0"),
        ({"model": {"num_bits": 12}}, "model.num_bits must be a multiple of 8, got 12"),
        ({"model": {"num_bits": 2**40}}, "model.num_bits must be at most 65,536"),
        ({"model": {"shared_head": "maybe"}}, "model.shared_head must be true or false, got 'maybe'"),
        ({"image": {"augment": "maybe"}}, "image.augment must be one of True, False, 'flip' or 'crop', got 'maybe'"),
        ({"model": {"variant": "T9"}}, "model.variant must be one of 'T0', 'T1', 'T2' or 'T3', got 'T9'"),
    ],
)
def test_values_that_do_not_fit_are_told_in_words(section, message):
    with pytest.raises(ConfigError) as error:
        make_config(tiny_values(**section))
    assert message in str(error.value)


def test_an_encoder_that_is_not_given_leaves_the_text_of_a_configuration_as_it_was():
    values = {"name": "x", "data": {"format": "polyvore_u", "root": "r"}, "image": {}}
    assert "encoder:" not in make_config(values).to_yaml().partition("image:")[2].partition("text:")[0]
    encoded = make_config({**values, "image": {"encoder": "descriptors"}})
    assert "encoder: descriptors" in encoded.to_yaml()
    assert make_config(yaml.safe_load(encoded.to_yaml())) == encoded


def test_options_that_are_left_at_their_defaults_leave_the_text_of_a_configuration_as_it_was():
    values = {"name": "x", "data": {"format": "polyvore_u", "root": "r"}, "image": {}, "text": {}}
    text = make_config(values).to_yaml()
    assert not {"pooling", "codes", "fill", "code", "components"} & {
        line.split(":")[0].strip() for line in text.splitlines()
    }
    assert "augment: true" in text
    changed = {"image": {"pooling": "sliding", "augment": "flip"}, "model": {"codes": "zero_one"}}
    changed["text"] = {"components": 64}
    config = make_config({**values, **changed, "negatives": {"fill": "drawn"}})
    assert make_config(yaml.safe_load(config.to_yaml())) == config
    asymmetric = make_config({**values, "user": {"code": "bytes"}})
    assert make_config(yaml.safe_load(asymmetric.to_yaml())) == asymmetric != make_config(values)


def test_users_are_more_than_bits_beside_codes_of_signs_alone():
    config = make_config(tiny_values())
    assert with_user_code(config, None) is with_user_code(config, "bits") is config
    assert with_user_code(config, "bytes").user.code == "bytes"
    for other in ({"model": {"codes": "zero_one"}}, {"model": {"kind": "linear"}}, {"encoder": {}}):
        assert with_user_code(make_config(tiny_values(**other)), "bits").user.code == "bits"
        with pytest.raises(ConfigError, match=r"tiny: user\.code bytes is for FHN with codes of signs"):
            with_user_code(make_config(tiny_values(**other)), "bytes")
