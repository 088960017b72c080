"""Backbones: the cut before the classifier, weights from everywhere, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fashion_hash.encoders.torchvision_import import import_models
from fashion_hash.errors import ConfigError, FeatureError
from fashion_hash.features.backbone import MEAN, STD, Backbone, backbone_names, build_backbone

NAME = "mobilenet_v3_small"


@pytest.fixture(scope="module")
def whole():
    """A whole torchvision model, classifier included, with weights of its own."""
    torch.manual_seed(5)
    return import_models().get_model(NAME, weights=None).eval()


@pytest.fixture(scope="module")
def pictures():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8))


@pytest.mark.slow  # what is imported here is imported by every other test of this file
def test_torchvision_imports_in_a_fresh_process():
    code = (
        "from fashion_hash.encoders.torchvision_import import import_models;"
        "assert import_models() is import_models();"
        "import torchvision.models; assert torchvision.models.resnet18"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("name", "dim"),
    [("resnet18", 512), ("mobilenet_v3_small", 1024), pytest.param("alexnet", 4096, marks=pytest.mark.slow)],
)
def test_features_end_before_the_classifier(name, dim, pictures):
    backbone = build_backbone(name, "random").eval()
    features = backbone(pictures)
    assert features.shape == (2, dim)
    assert backbone.dim == dim
    assert features.dtype == torch.float32


def sliding_by_hand(state: dict[str, torch.Tensor], last: torch.Tensor) -> torch.Tensor:
    """AlexNet's two linear layers as the FHN release applies them, place by place, from the last map (B, 256, 8, 8)."""
    places = []
    for top in range(last.shape[2] - 5):
        for left in range(last.shape[3] - 5):
            window = last[:, :, top : top + 6, left : left + 6].flatten(1)
            hidden = torch.relu(window @ state["classifier.1.weight"].T + state["classifier.1.bias"])
            places.append(torch.relu(hidden @ state["classifier.4.weight"].T + state["classifier.4.bias"]))
    return torch.stack(places).mean(dim=0)


def test_alexnet_slides_over_a_large_picture_as_the_release_does():
    backbone = build_backbone("alexnet", "random", 3, "sliding").eval()
    state, network = backbone.network.state_dict(), backbone.network
    as_torchvision = torch.nn.Sequential(
        network.features, torch.nn.AdaptiveAvgPool2d(6), torch.nn.Flatten(), network.classifier
    )
    plain = Backbone("alexnet", as_torchvision, 4096).eval()
    rng = np.random.default_rng(0)
    large, usual = (torch.from_numpy(rng.integers(0, 256, (1, 3, size, size), dtype=np.uint8)) for size in (291, 224))
    with torch.inference_mode():
        last = network.features((large / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
        assert last.shape == (1, 256, 8, 8)
        torch.testing.assert_close(backbone(large), sliding_by_hand(state, last), rtol=1e-4, atol=1e-7)
        assert not torch.allclose(backbone(large), plain(large), rtol=1e-3)
        torch.testing.assert_close(backbone(usual), plain(usual), rtol=1e-4, atol=1e-7)
    with pytest.raises(ConfigError, match="alexnet-sliding cannot read pictures of 128 x 128 pixels"):
        backbone.check_size(128)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "vgg11"])
def test_sliding_layers_take_the_weights_of_torchvision(tmp_path, name):
    plain, sliding = (build_backbone(name, "random", 3, pooling) for pooling in ("adaptive", "sliding"))
    shapes = [{key: value.shape for key, value in net.network.state_dict().items()} for net in (plain, sliding)]
    assert shapes[0] == shapes[1]
    assert plain.fingerprint(291) != sliding.fingerprint(291)
    pictures = torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(plain.eval()(pictures), sliding.eval()(pictures), rtol=1e-4, atol=1e-6)


def test_networks_without_linear_layers_average_over_the_map_anyway(pictures):
    plain, same = (build_backbone("resnet18", "random", pooling=pooling).eval() for pooling in ("adaptive", "sliding"))
    assert plain.fingerprint(64) == same.fingerprint(64)
    assert torch.equal(plain(pictures), same(pictures))


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "densenet121", "mnasnet0_5", "googlenet"])
def test_other_families(name):
    backbone = build_backbone(name, "random").eval()
    assert backbone(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape == (1, backbone.dim)


def test_random_weights_follow_the_seed_and_leave_torch_alone():
    state = torch.get_rng_state()
    one, same, other = (build_backbone(NAME, "random", seed).fingerprint(64) for seed in (1, 1, 2))
    assert one == same != other
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_file_give_what_the_model_itself_gives(tmp_path, whole, pictures, suffix):
    path = tmp_path / f"weights{suffix}"
    state = {key: value.contiguous() for key, value in whole.state_dict().items()}
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    features = build_backbone(NAME, path).eval()(pictures)
    normalised = (pictures / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(whole.classifier[-1](features), whole(normalised))


def test_weights_wrapped_by_training_scripts_are_found(tmp_path, whole):
    torch.save(whole.state_dict(), tmp_path / "plain.pth")
    wrapped = {"model": {f"module.{key}": value for key, value in whole.state_dict().items()}, "epoch": 3}
    torch.save(wrapped, tmp_path / "wrapped.pth")
    plain, unwrapped = (build_backbone(NAME, tmp_path / f"{name}.pth") for name in ("plain", "wrapped"))
    assert plain.fingerprint(64) == unwrapped.fingerprint(64)


@pytest.mark.parametrize("name", ["densenet121", "mnasnet0_5"])
def test_published_files_with_old_keys_are_read(tmp_path, name):
    state = build_backbone(name, "random", 3).network.state_dict()
    old = {
        key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): value
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    assert any(key not in state for key in old) == (name == "densenet121")
    torch.save(old, tmp_path / "old.pth")
    fingerprint = build_backbone(name, tmp_path / "old.pth").fingerprint(64)
    assert fingerprint == build_backbone(name, "random", 3).fingerprint(64)


def test_hub_weights_come_from_the_cache(tmp_path, whole, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = import_models().get_model_weights(NAME).DEFAULT.url
    cached = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
    cached.parent.mkdir(parents=True)
    torch.save(whole.state_dict(), cached)
    assert build_backbone(NAME, "hub").fingerprint(64) == build_backbone(NAME, cached).fingerprint(64)


def test_hub_without_network_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(FeatureError, match=r"cannot download the weights of mobilenet_v3_small .*download https://"):
        build_backbone(NAME, "hub")


def test_unknown_name():
    with pytest.raises(ConfigError, match=r"unknown backbone 'resnet81'.*'resnet18'"):
        build_backbone("resnet81", "random")
    assert {"alexnet", "vit_b_16", "swin_t"} <= set(backbone_names())


def test_weights_of_another_model_are_named(tmp_path, whole):
    torch.save(whole.state_dict(), tmp_path / "other.pth")
    with pytest.raises(FeatureError, match=r"other.pth does not fit .* missing: conv1.weight, .* unexpected: feat"):
        build_backbone("resnet18", tmp_path / "other.pth")


def test_weights_of_another_shape_are_named(tmp_path, whole):
    state = dict(whole.state_dict())
    state["features.0.0.weight"] = torch.zeros(16, 1, 3, 3)
    torch.save(state, tmp_path / "grey.pth")
    with pytest.raises(FeatureError, match=r"features.0.0.weight \(16, 1, 3, 3\) instead of \(16, 3, 3, 3\)"):
        build_backbone(NAME, tmp_path / "grey.pth")


def test_weights_that_are_none(tmp_path):
    with pytest.raises(FeatureError, match=r"nowhere.pth does not exist"):
        build_backbone(NAME, tmp_path / "nowhere.pth")
    for suffix in (".pth", ".safetensors"):
        broken = tmp_path / f"broken{suffix}"
        broken.write_bytes(b"PK\x03\x04 not a state dict")
        with pytest.raises(FeatureError, match=f"broken{suffix}"):
            build_backbone(NAME, broken)
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(FeatureError, match=r"empty.pth is not a state dict"):
        build_backbone(NAME, tmp_path / "empty.pth")


def test_a_pickled_model_is_not_trusted(tmp_path, whole):
    torch.save(whole, tmp_path / "model.pth")
    with pytest.raises(FeatureError, match=r"model.pth .* not loaded for safety"):
        build_backbone(NAME, tmp_path / "model.pth")


def test_a_size_that_does_not_fit():
    backbone = build_backbone("squeezenet1_1", "random").train()
    with pytest.raises(ConfigError, match="squeezenet1_1 cannot read pictures of 16 x 16"):
        backbone.check_size(16)
    backbone.check_size(64)
    assert backbone.training


def test_pictures_are_normalised(pictures):
    backbone = build_backbone(NAME, "random")
    backbone.network = torch.nn.Identity()
    normalised = (pictures.double() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(backbone(pictures), normalised.flatten(1).float())


def test_the_backbone_can_be_trained(pictures):
    backbone = build_backbone(NAME, "random")
    backbone(pictures).sum().backward()
    assert all(weights.grad is not None for weights in backbone.parameters())
