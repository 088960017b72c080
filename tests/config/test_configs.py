"""Every configuration that the project ships can be run, here on the sample and cut short."""

import shutil

import pytest

from fashion_hash.config.experiment import load_config, load_experiment
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from tests.paths import PROJECT

CONFIGS = PROJECT / "configs"
SHORT = ["train.epochs=1", "train.batch_size=512"]
SMALL_PICTURES = ["image.weights=random", "image.size=64", "image.backbone=resnet18"]


def test_every_configuration_loads_and_is_in_the_table():
    table = (CONFIGS / "README.md").read_text()
    files = sorted(CONFIGS.glob("*.yaml"))
    assert {"demo", "polyvore_630", "polyvore_519", "polyvore_53", "iqon3000"} <= {file.stem for file in files}
    for file in files:
        assert load_experiment(file).name == file.stem
        assert f"`{file.name}`" in table, f"configs/README.md does not tell what {file.name} is"


@pytest.mark.slow  # `make demo` runs it whole
def test_the_demo_runs_on_the_sample(sample_root, tmp_path):
    run = fit(load_config(CONFIGS / "demo.yaml", [f"data.root={sample_root}", *SHORT]), out=tmp_path / "run")
    retrieval = {"retrieval_top", "retrieval_bottom", "retrieval_shoe"}
    assert set(evaluate(run, full=False)["protocols"]) == {"rank_random", "rank_hard", "fitb"} | retrieval


@pytest.mark.slow
def test_the_published_recipes_run_on_the_sample(sample_root, tmp_path):
    root = tmp_path / "data"  # a copy: features and runs stay out of the sample
    shutil.copytree(sample_root, root)
    common = [f"data.root={root}", *SHORT, *SMALL_PICTURES]
    for name in ("polyvore_630", "polyvore_519"):
        run = fit(load_config(CONFIGS / f"{name}.yaml", common), out=tmp_path / name)
        assert len(run.history) == 1
    start = f"train.start={tmp_path / 'polyvore_630'}"
    new = fit(load_config(CONFIGS / "polyvore_53.yaml", [*common, start]), out=tmp_path / "polyvore_53")
    assert "rank_random" in evaluate(new)["protocols"]


@pytest.mark.slow
@pytest.mark.data
def test_real_outfits_reach_what_the_readme_says(iqon_root, tmp_path):
    config = load_config(CONFIGS / "iqon3000.yaml", [f"data.root={iqon_root}", "train.epochs=12"])
    run = fit(config, out=tmp_path / "run")
    found = evaluate(run)["protocols"]["pairs_random"]
    assert found["binary"]["auc"] > 0.84
    assert found["baselines"]["popularity"]["auc"] == pytest.approx(0.659, abs=1e-3)
