"""Studies as files and as options: variants, seeds, folders, and what is refused."""

import pytest

from fashion_hash.config.study import load_study
from fashion_hash.errors import ConfigError
from fashion_hash.training.studies.plan import (
    folder_name,
    parse_seeds,
    study_from_file,
    study_from_options,
    variants_from_options,
)
from tests.paths import PROJECT

DEMO = PROJECT / "configs/demo.yaml"


def test_values_are_combined_and_named():
    variants = variants_from_options([DEMO], ["model.num_bits=64,128", "negatives.hard_share=[0, 0.5],[0.5, 0.5]"], [])
    assert [variant.name for variant in variants] == [
        "model.num_bits=64 negatives.hard_share=[0, 0.5]",
        "model.num_bits=64 negatives.hard_share=[0.5, 0.5]",
        "model.num_bits=128 negatives.hard_share=[0, 0.5]",
        "model.num_bits=128 negatives.hard_share=[0.5, 0.5]",
    ]
    study = study_from_options([DEMO], variants, (0, 1), None, "test")
    config = study.config(variants[3], 1)
    assert (config.model.num_bits, config.negatives.hard_share, config.seed) == (128, (0.5, 0.5), 1)
    assert len({study.folder(variant, seed) for variant in variants for seed in (0, 1)}) == 8
    assert study.against == variants[0].name


def test_named_variants_change_several_keys_and_are_combined_with_values():
    named = ["plain:", "small: model.num_bits=32 train.epochs=2"]
    variants = variants_from_options([DEMO], ["seed=7"], named)
    assert [(variant.name, variant.changes) for variant in variants] == [
        ("plain seed=7", ("seed=7",)),
        ("small seed=7", ("model.num_bits=32", "train.epochs=2", "seed=7")),
    ]


def test_several_configurations_are_variants():
    files = [DEMO, PROJECT / "configs/student_sample.yaml"]
    assert [variant.name for variant in variants_from_options(files, [], [])] == ["demo", "student_sample"]


@pytest.mark.parametrize(("text", "seeds"), [("5", (0, 1, 2, 3, 4)), ("0,3,7", (0, 3, 7)), ("4,", (4,)), ("1", (0,))])
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1,1", "1.5"])
def test_seeds_that_are_none(text):
    with pytest.raises(ConfigError, match="give a number of seeds"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("vary", "named", "message"),
    [
        (["model.num_bits"], [], "write it as section.key=value,value"),
        (["model.num_bits="], [], "write it as section.key=value,value"),
        ([], ["plain"], "write it as 'NAME: key=value key=value'"),
        ([], ["plain: teacher"], "write it as 'NAME: key=value key=value'"),
        (["model.num_bits=64,64"], [], "two variants are called|would share the folder"),
        (["model.num_bits=7"], [], "variant 'model.num_bits=7': .*multiple of 8"),
    ],
)
def test_what_is_written_wrongly_is_refused(vary, named, message):
    def made():
        variants = variants_from_options([DEMO], vary, named)
        study = study_from_options([DEMO], variants, (0,), None, "test")
        return study.config(study.variants[0], 0)

    with pytest.raises(ConfigError, match=message):
        made()


def test_the_study_of_the_page_on_teachers_trains_teachers_first():
    study = study_from_file(PROJECT / "configs/studies/distillation_sample.yaml", None, None)
    assert len(study.variants) == 15
    names = [variant.name for variant in study.order()]
    teacher, student = "teacher: an outfit encoder, floats", study.variant("FHN + both")
    assert names.index(teacher) < names.index("FHN + both")
    assert study.config(student, 2).teacher.run == (str(study.folder(study.variant(teacher), 2)),)
    assert study.config(study.variant("FHN"), 0).teacher is None
    relaxed = study.variant("FHN + both, relaxed codes as floats")
    assert study.folder(relaxed, 1) == study.folder(student, 1)
    assert relaxed.name not in names
    for variant in study.variants:
        study.config(variant, 0)


def test_each_ablation_is_a_model_of_its_own():
    study = study_from_file(PROJECT / "configs/studies/ablations_sample.yaml", None, None)
    configs = [study.config(variant, 1) for variant in study.variants]
    assert len({config.to_yaml() for config in configs}) == len(configs) == 8
    assert {config.model.variant for config in configs} == {"T0", "T1", "T2", "T3"}
    assert {config.model.terms for config in configs} == {"both", "preference", "compatibility"}
    assert {config.model.codes for config in configs} == {"signs", "zero_one"}
    assert sum(config.model.shared_head for config in configs) == 1


STUDY = "name: s\nconfig: demo.yaml\nvariants:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  a: {same_runs: b}\n", r"a\.same_runs: no variant 'b'"),
        ("  a: {run_of: {teacher.run: tacher}}\n  teacher: {}\n", "nearest: 'teacher'"),
        ("  a: {}\n  b: {same_runs: a, set: {seed: 1}}\n", "leave out config, set and run_of"),
        ("  a: {}\n  b: {same_runs: a}\n  c: {same_runs: b}\n", "itself measures the runs of another"),
        ("  a: {sets: {}}\n", "unknown key 'variants.a.sets'"),
    ],
)
def test_a_file_that_does_not_fit_says_where(tmp_path, text, message):
    (tmp_path / "study.yaml").write_text(STUDY + text)
    with pytest.raises(ConfigError, match=message):
        load_study(tmp_path / "study.yaml")


def test_variants_that_need_each_other_are_refused(tmp_path):
    text = "  a: {run_of: {teacher.run: b}}\n  b: {run_of: {teacher.run: a}}\n"
    (tmp_path / "study.yaml").write_text(STUDY + text)
    with pytest.raises(ConfigError, match="need each other's runs"):
        study_from_file(tmp_path / "study.yaml", None, None).order()


def test_names_become_folders_and_never_leave_the_study():
    assert folder_name("FHN + CL (alpha .3)") == "FHN_+_CL_alpha_.3"
    assert folder_name("../../etc") == "etc"
    assert folder_name("日本") == "variant"
