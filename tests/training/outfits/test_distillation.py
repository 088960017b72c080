"""Students with a teacher: equal to none at alpha 0, the same bits cached or not, and refusals by name."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fashion_hash.config.experiment import make_config
from fashion_hash.core.files import atomic_path
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.errors import ConfigError, TrainingError
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.outfits.teacher import Teacher
from fashion_hash.training.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fashion_hash.training.runs.run import Run
from tests.worlds.tiny import tiny_dataset, tiny_values

ENCODER = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16}
TEACHER = {"encoder": ENCODER, "loss": {"kind": "softmax"}, "negatives": {"per_positive": 10}}


@pytest.fixture(scope="module")
def dataset():
    return tiny_dataset()


@pytest.fixture(scope="module")
def teacher(dataset, tmp_path_factory):
    config = make_config(tiny_values(**TEACHER, name="teacher", train={"epochs": 8}))
    return fit(config, dataset, tmp_path_factory.mktemp("runs") / "teacher").path


def student(dataset, folder, **sections):
    return fit(make_config(tiny_values(**sections)), dataset, folder)


def parameters(run):
    return load_file(run.path / "last.safetensors")


def same(a, b):
    a, b = parameters(a), parameters(b)
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


MIXED, SHARED = {"kind": "mixed", "per_positive": 5, "hard_share": (0.5, 0.5)}, {"kind": "shared"}


@pytest.mark.parametrize(
    ("negatives", "kind"),
    [
        (MIXED, "bpr"),
        (SHARED, "softmax"),
        pytest.param(MIXED, "softmax", marks=pytest.mark.slow),
        pytest.param(SHARED, "bpr", marks=pytest.mark.slow),
    ],
)
def test_alpha_zero_trains_as_without_a_teacher_to_the_last_bit(dataset, teacher, tmp_path, kind, negatives):
    common = {"loss": {"kind": kind}, "negatives": negatives}
    alone = student(dataset, tmp_path / "alone", **common)
    taught = student(dataset, tmp_path / "taught", **common, teacher={"run": str(teacher), "alpha": 0})
    assert same(alone, taught)
    changed = student(dataset, tmp_path / "changed", **common, teacher={"run": str(teacher), "alpha": 1})
    assert not same(alone, changed)


@pytest.mark.parametrize(
    ("reference", "encoder"),
    [
        ("own", None),
        ("user_mean", ENCODER),
        pytest.param("own", ENCODER, marks=pytest.mark.slow),
        pytest.param("user_mean", None, marks=pytest.mark.slow),
    ],
)
def test_a_student_of_either_network_learns(dataset, teacher, tmp_path, encoder, reference):
    run = student(
        dataset,
        tmp_path / "run",
        encoder=encoder,
        loss={"kind": "softmax"},
        negatives={"per_positive": 5},
        teacher={"run": str(teacher), "alpha": 0.5, "reference": reference, "pairs": 0.5},
        train={"epochs": 8},
    )
    assert evaluate(run, "test", dataset)["protocols"]["rank_random"]["relaxed"]["auc"] > 0.8


@pytest.mark.parametrize(
    "negatives",
    [
        pytest.param({"per_positive": 4}, marks=pytest.mark.slow),
        {"per_positive": 4, "items_a_batch": 6},
        pytest.param({"kind": "hard", "per_positive": 3}, marks=pytest.mark.slow),
        {"kind": "shared", "per_positive": 8},
    ],
)
def test_the_same_bits_cached_or_not_and_killed_or_not(dataset, teacher, tmp_path, negatives):
    beside = {"per_positive": 3} if negatives.get("kind") == "shared" else {}
    beside["pairs"] = 1.0
    runs = []
    for name, cache in (("none", False), ("first", str(tmp_path / "cache")), ("again", str(tmp_path / "cache"))):
        section = {"run": str(teacher), "cache": cache, **beside}
        runs.append(student(dataset, tmp_path / name, negatives=negatives, teacher=section))
    assert same(runs[0], runs[1])
    assert same(runs[0], runs[2])
    drawn_at_once = "items_a_batch" not in negatives
    assert len(list((tmp_path / "cache").glob("*.npy"))) == (4 if drawn_at_once else 1)  # r', and 3 epochs

    def stop_after_one(line):
        if line.startswith("epoch   1/"):
            raise KeyboardInterrupt

    config = make_config(
        tiny_values(negatives=negatives, teacher={"run": str(teacher), "cache": str(tmp_path / "cache"), **beside})
    )
    with pytest.raises(KeyboardInterrupt):
        fit(config, dataset, tmp_path / "killed", report=stop_after_one)
    (next((tmp_path / "cache").glob("*.npy"))).unlink()  # one of them is made again
    assert same(runs[0], fit(config, dataset, tmp_path / "killed", resume=True))


def test_distances_are_minus_the_teachers_scores(dataset, teacher, tmp_path):
    from fashion_hash.training.runs.scoring import ModelScorer

    section = make_config(tiny_values(teacher={"run": str(teacher), "cache": str(tmp_path), "reference": "user_mean"}))
    one = Teacher(section.teacher, dataset)
    positives = dataset.split("train").positives
    model, inputs, slope = Run.open(teacher).model(dataset)
    expected = -ModelScorer(model, inputs, slope)(positives)
    for _ in range(2):  # made, then read
        found = one.distances(positives.users, positives.items[:, None])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)
    means = {user: expected[positives.users == user].mean() for user in set(positives.users.tolist())}
    np.testing.assert_allclose(
        one.reference(positives, found[:, 0]), [means[user] for user in positives.users.tolist()], rtol=1e-5
    )
    swapped = positives.items[:5].copy()
    swapped[:, 1] = 3
    completions = one.completions(positives.users[:5], positives.items[:5], 1, np.array([0, 3]))
    whole = one.distances(positives.users[:5], swapped[:, None], keep=False)[:, 0]
    np.testing.assert_allclose(completions[:, 1].numpy(), whole, rtol=1e-5)
    assert list(one.item_features()) == list(dataset.types)
    assert one.item_features()["top"].shape == (12, 16)


@pytest.mark.parametrize("codes", ["relaxed", "binary"])
def test_several_runs_teach_by_their_mean_distance(dataset, tmp_path, codes):
    teacher, other = (student(dataset, tmp_path / f"run{seed}", seed=seed).path for seed in (3, 7))
    sections = [
        make_config(tiny_values(teacher={"run": runs, "codes": codes, "cache": False})).teacher
        for runs in (str(teacher), str(other), [str(teacher), str(other)])
    ]
    one, two, both = (Teacher(section, dataset) for section in sections)
    positives = dataset.split("train").positives
    users, items = positives.users[:7], positives.items[:7]
    mean = (one.distances(users, items[:, None]) + two.distances(users, items[:, None])) / 2
    np.testing.assert_allclose(both.distances(users, items[:, None]), mean, rtol=1e-5)
    mean = (one.completions(users, items, 1, np.arange(4)) + two.completions(users, items, 1, np.arange(4))) / 2
    np.testing.assert_allclose(both.completions(users, items, 1, np.arange(4)), mean, rtol=1e-5)
    assert len({one.fingerprint, two.fingerprint, both.fingerprint}) == 3
    assert both.item_features()["top"].shape == (12, 32)


def test_floats_have_no_binary_codes(dataset, tmp_path):
    run = student(dataset, tmp_path / "floats", encoder=ENCODER)
    with pytest.raises(ConfigError, match=r"teacher\.codes: .*outfit encoder with float vectors"):
        student(dataset, tmp_path / "run", teacher={"run": str(run.path), "codes": "binary"})


def test_a_broken_cache_is_refused(dataset, teacher, tmp_path):
    section = make_config(tiny_values(teacher={"run": str(teacher), "cache": str(tmp_path)})).teacher
    positives = dataset.split("train").positives
    Teacher(section, dataset).distances(positives.users, positives.items[:, None])
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(TrainingError, match=f"{file.name} is not a complete file of distances: delete it"):
        Teacher(section, dataset).distances(positives.users, positives.items[:, None])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"users": 7}, "other users:"),
        ({"items": 13}, "other top items:"),
        ({"slots": ("top", "bottom", "bag")}, "other shoe items:"),
        ({"seed": 5}, r"other outfits .*cold_users"),
    ],
)
def test_a_teacher_of_another_world_is_refused_by_name(teacher, tmp_path, other, words):
    with pytest.raises(TrainingError, match=rf"teacher\.run: .*{words}.*train the teacher on"):
        student(tiny_dataset(**other), tmp_path / "run", teacher={"run": str(teacher)})
    assert not (tmp_path / "run").exists()


def test_a_teacher_that_is_not_there(dataset, tmp_path):
    with pytest.raises(TrainingError, match=r"teacher\.run: .*not a run folder"):
        student(dataset, tmp_path / "run", teacher={"run": str(tmp_path / "nobody")})


def test_another_teacher_cannot_go_on_with_a_student(dataset, teacher, tmp_path):
    config = make_config(tiny_values(teacher={"run": str(tmp_path / "teacher")}, train={"epochs": 2}))
    fit(make_config(tiny_values(train={"epochs": 1})), dataset, tmp_path / "teacher")
    fit(config, dataset, tmp_path / "run")
    fit(make_config(tiny_values(train={"epochs": 1}, seed=1)), dataset, tmp_path / "teacher")
    with pytest.raises(TrainingError, match="the teacher had fingerprint"):
        fit(config, dataset, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"teacher": {"run": "x", "per_positive": 3}}, "needs negatives.kind shared or outfits, got random"),
        ({"teacher": {"run": "x", "sigma": 2}}, "teacher.sigma"),
        ({"contrastive": {"feature": "teacher"}}, "needs the section teacher"),
        ({"contrastive": {}, "train": {"batch_size": 1}}, "train.batch_size must be at least 2, got 1"),
        ({"contrastive": {"views": []}}, r"contrastive\.views: give at least one name"),
        ({"teacher": {"run": ""}}, r"teacher\.run: give at least one name"),
    ],
)
def test_settings_that_do_not_fit(sections, words):
    with pytest.raises(ConfigError, match=words):
        make_config(tiny_values(**sections))


@pytest.mark.parametrize(
    ("negatives", "words"),
    [
        ({"kind": "shared", "per_positive": 13}, "at most 12, .*different top items.*got 13"),
        ({"kind": "random", "per_positive": 12, "swap": ["top"]}, "at most 11, .*different random negatives.*got 12"),
        ({"kind": "random", "per_positive": 8, "items_a_batch": 2}, "at most 7, .*different random negatives.*got 8"),
        ({"kind": "hard", "per_positive": 1000}, r"at most \d+, .*different hard negatives.*got 1000"),
    ],
)
def test_more_negatives_than_there_are(tmp_path, negatives, words):
    with pytest.raises(ConfigError, match=f"negatives.per_positive must be {words}"):
        student(tiny_dataset(), tmp_path / "run", negatives=negatives)


def test_items_alone_in_their_slot_still_have_negatives(tmp_path):
    slots = ("top", "top", "bottom")
    dataset = tiny_dataset(slots)
    assert (dataset.split("train").positives.items == EMPTY).any()
    assert isinstance(dataset.split("train").positives, Outfits)
    student(dataset, tmp_path / "run", negatives={"per_positive": 20}, train={"epochs": 1})


def test_a_distilled_run_may_teach_and_an_unfinished_one_may_not(dataset, teacher, tmp_path):
    first = student(dataset, tmp_path / "first", teacher={"run": str(teacher)})
    assert student(dataset, tmp_path / "second", teacher={"run": str(first.path)}).history

    def stop_after_one(line):
        if line.startswith("epoch   1/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(make_config(tiny_values(train={"epochs": 4})), dataset, tmp_path / "killed", report=stop_after_one)
    with pytest.raises(TrainingError, match=r"teacher\.run: .*killed has finished only 1 of 4 epochs: resume it"):
        student(dataset, tmp_path / "third", teacher={"run": str(tmp_path / "killed")})


def test_a_student_does_not_take_the_place_of_its_teacher(dataset, teacher):
    with pytest.raises(ConfigError, match="is the run of the teacher: give the student another name"):
        student(dataset, teacher, teacher={"run": str(teacher)})
    assert Run.open(teacher).history


def test_a_teacher_that_says_nothing_is_told_of(dataset, tmp_path):
    run = student(dataset, tmp_path / "teacher", train={"epochs": 1})
    kept = load_checkpoint(run.path / "best.safetensors")
    broken = {name: torch.full_like(one, torch.nan) for name, one in kept.model.items()}
    save_checkpoint(run.path / "best.safetensors", Checkpoint(broken, {}, kept.facts))
    with pytest.raises(TrainingError, match=r"teacher\.run: .*teacher gives distances that are not finite"):
        student(dataset, tmp_path / "run", teacher={"run": str(run.path)})
    (run.path / "best.safetensors").write_bytes(b"short")
    with pytest.raises(TrainingError, match=r"teacher\.run: .*best\.safetensors is not a readable checkpoint"):
        student(dataset, tmp_path / "run", teacher={"run": str(run.path)})


def test_a_cache_is_shared_and_belongs_to_the_teacher_as_configured(dataset, teacher, tmp_path):
    """Another student may be writing into the folder; and what is kept is not read for a teacher that was changed."""
    own = shutil.copytree(teacher, tmp_path / "teacher")
    section = make_config(tiny_values(teacher={"run": str(own), "cache": str(tmp_path / "cache")})).teacher
    positives = dataset.split("train").positives
    before = Teacher(section, dataset).distances(positives.users, positives.items[:, None])
    with atomic_path(tmp_path / "cache" / "other.npy") as writing:
        writing.write_bytes(b"half")
        Teacher(section, dataset)
        assert writing.is_file()
        writing.write_bytes(b"whole")
    config = own / "config.yaml"
    config.write_text(config.read_text().replace("distance: euclidean", "distance: cosine"))
    after = Teacher(section, dataset).distances(positives.users, positives.items[:, None])
    fresh = Teacher(section, dataset).distances(positives.users, positives.items[:, None], keep=False)
    assert np.array_equal(after, fresh)
    assert not np.allclose(after, before)
