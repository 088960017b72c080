"""Without attention an outfit's vector is a sum over its items: completions cost one product and are the same."""

import pytest
import torch

from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.scoring import ModelScorer
from tests.worlds.tiny import tiny_dataset, tiny_values

SUM = {"width": 16, "heads": 2, "blocks": 0, "pooling": "mean", "feed_forward": 16}


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("slots", [("top", "bottom"), ("top", "top", "bottom", "shoe")])
def test_completions_equal_outfits_written_out(tmp_path, slots, bounded):
    dataset = tiny_dataset(slots)
    values = tiny_values(
        encoder={**SUM, "bounded": bounded},
        model={"item_bias": True},
        negatives={"kind": "shared", "per_positive": 8},
        train={"epochs": 8},
    )
    run = fit(make_config(values), dataset, tmp_path / "run")
    assert run.history[-1]["valid_auc"] > 0.65
    model, inputs, slope = run.model(dataset)
    assert model.is_sum
    scorer = ModelScorer(model, inputs, slope)
    outfits = dataset.split("test").positives[:20]
    user = scorer.user_codes[torch.from_numpy(outfits.users).long()]
    positions = torch.from_numpy(outfits.items).long()
    for slot in range(len(slots)):
        candidates = torch.tensor([3, 0, 7])
        quick = model.completions(user, scorer.items, positions, slot, candidates)
        whole = positions[:, None].repeat(1, 3, 1)
        whole[:, :, slot] = candidates
        torch.testing.assert_close(quick, model.score(user, scorer.items, whole).score, rtol=1e-4, atol=1e-5)
    assert (positions == EMPTY).any() == (slots.count("top") > 1)


def test_what_pools_by_the_mean_is_not_trained():
    from fashion_hash.training.runs.item_inputs import ItemInputs
    from fashion_hash.training.runs.run import make_model

    dataset, config = tiny_dataset(), make_config(tiny_values(encoder=SUM))
    model = make_model(config, dataset, ItemInputs(config, dataset))
    names = [name for named in model.parts().values() for name, _ in named]
    assert "outfits.out.weight" in names
    assert not any("pool" in name or "seed" in name for name in names)
