"""Image networks: any torchvision classification model, without its classifier.

Shapes: B batch, H x W pixels, F feature.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from fashion_hash.core.seeds import derive
from fashion_hash.encoders.torchvision_import import import_models
from fashion_hash.errors import ConfigError, FeatureError, suggest

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as used by all torchvision weights
_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")
_WITH_LINEAR_LAYERS = ("alexnet", "vgg")
_AUXILIARY_KEYS = ("aux1.", "aux2.", "AuxLogits.")
_OLD_DENSENET_KEY = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")


class Backbone(nn.Module):
    """A network from pictures to features.

    Attributes:
        name: the torchvision model, with "-sliding" where its linear layers slide over the map.
        dim: F, the length of a feature (4096 of AlexNet, 512 of ResNet-18).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, name: str, network: nn.Module, dim: int) -> None:
        super().__init__()
        self.name, self.dim, self.network = name, dim, network
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Features of pictures: (B, 3, H, W) uint8 -> (B, F) float32; the pixels are normalised here."""
        features: torch.Tensor = self.network((pictures.float() / 255 - self.mean) / self.std)
        return features.flatten(1)

    def fingerprint(self, size: int) -> str:
        """Identifies the features that the network makes: its name, a digest of its weights, and the picture size."""
        digest = hashlib.sha256()
        for key, value in self.network.state_dict().items():
            digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().view(-1).numpy().data)
        return f"{self.name}-{digest.hexdigest()[:12]}-{size}px"

    def check_size(self, size: int) -> None:
        """Raises ConfigError when the network cannot read pictures of size x size pixels."""
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                self(torch.zeros(1, 3, size, size, dtype=torch.uint8, device=self.mean.device))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"{self.name} cannot read pictures of {size} x {size} pixels ({error}): set another picture "
                "size; most networks accept any size of at least 64, transformers only their training size (224)"
            ) from None
        finally:
            self.train(training)


class SlidingLayers(nn.Module):
    """AlexNet or VGG whose linear layers slide over the last map, as in the FHN release.

    The first linear layer, which takes a map of 6 x 6 (AlexNet) or 7 x 7 (VGG), is applied at every place of a larger
    map, as a convolution; the others follow place by place, and the features are the mean over all places. The names
    and shapes of the weights are torchvision's.

    Args:
        network: a torchvision model with `features`, `avgpool` and `classifier`, its last layer already cut off.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        parts = dict(network.named_children())
        self.features, self.classifier = parts["features"], parts["classifier"]
        pool = parts["avgpool"]
        assert isinstance(pool, nn.AdaptiveAvgPool2d)
        self._window: tuple[int, int] = pool.output_size  # type: ignore[assignment]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) normalised pixels -> (B, F)."""
        x, window = self.features(pictures), self._window
        for layer in self.classifier.children():
            if isinstance(layer, nn.Linear):
                kernel = layer.weight.view(layer.out_features, -1, *window)
                x, window = nn.functional.conv2d(x, kernel, layer.bias), (1, 1)
            else:
                x = layer(x)
        return torch.as_tensor(x.mean(dim=(2, 3)))


def backbone_names() -> list[str]:
    """The names that `build_backbone` knows."""
    models = import_models()
    return list(models.list_models(module=models))


def build_backbone(
    name: str, weights: str | Path = "hub", seed: int = 0, pooling: Literal["adaptive", "sliding"] = "adaptive"
) -> Backbone:
    """Builds an image network whose last layer, the classifier, is cut off.

    Args:
        name: a torchvision classification model, such as "alexnet", "resnet18", "vit_b_16".
        weights: "hub" (torchvision's default weights, downloaded once), "random", or the path of a
            state dict (.pth, .pt or .safetensors), with or without the classifier.
        seed: of random weights.
        pooling: "sliding" lets the linear layers of AlexNet and VGG slide over the last map (see `SlidingLayers`);
            other networks average over the map anyway.

    Raises:
        ConfigError: torchvision has no such model.
        FeatureError: the weights cannot be downloaded or read, or do not fit the model.
    """
    models = import_models()
    known = backbone_names()
    if name not in known:
        raise ConfigError(
            f"unknown backbone {name!r}{suggest(name, known)}: name a classification model of torchvision"
        )
    options: dict[str, Any] = {}
    if name in _WITH_AUXILIARY_HEADS:
        options = {"aux_logits": False, "init_weights": True, "transform_input": str(weights) != "random"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "backbone", name))
        network = models.get_model(name, weights=None, **options)
    head, dim = _cut_head(network)
    if str(weights) == "hub":
        _load(network, _hub_weights(name), head, f"the hub's weights of {name}")
    elif str(weights) != "random":
        _load(network, _read_weights(Path(weights)), head, str(weights))
    called = name_with_pooling(name, pooling)
    return Backbone(called, SlidingLayers(network) if called != name else network, dim)


def name_with_pooling(name: str, pooling: Literal["adaptive", "sliding"]) -> str:
    """The name of a network, with "-sliding" where its linear layers slide over the map."""
    return f"{name}-sliding" if pooling == "sliding" and name.startswith(_WITH_LINEAR_LAYERS) else name


def _cut_head(network: nn.Module) -> tuple[str, int]:
    """Replaces the last layer with Identity; returns its name and its input length.

    The last layer is the last Linear; SqueezeNet, which has none, ends in a convolution.
    """
    layers = dict(network.named_modules())
    linear = [key for key, layer in layers.items() if isinstance(layer, nn.Linear)]
    head = (linear or [key for key, layer in layers.items() if isinstance(layer, nn.Conv2d)])[-1]
    last = layers[head]
    assert isinstance(last, nn.Linear | nn.Conv2d)
    network.set_submodule(head, nn.Identity())
    return head, last.in_features if isinstance(last, nn.Linear) else last.in_channels


def _hub_weights(name: str) -> Mapping[str, torch.Tensor]:
    weights = import_models().get_model_weights(name).DEFAULT
    try:
        state: Mapping[str, torch.Tensor] = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise FeatureError(
            f"cannot download the weights of {name} ({error}): download {weights.url} on another machine "
            f"and give the path of the file as weights, or put it into {torch.hub.get_dir()}/checkpoints"
        ) from None
    return state


def _read_weights(path: Path) -> Mapping[str, torch.Tensor]:
    if not path.is_file():
        raise FeatureError(f'{path} does not exist: set the weights to "hub", "random" or the path of a state dict')
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise FeatureError(
            f"{path} contains more than tensors and is not loaded for safety: save only model.state_dict()"
        ) from None
    except Exception as error:  # each format has its own errors for broken bytes
        raise FeatureError(f"{path} is not a readable state dict ({error}): download or save it again") from None
    for wrapper in ("state_dict", "model"):  # wrappers that training scripts use
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise FeatureError(f"{path} is not a state dict (a mapping of names to tensors): save only model.state_dict()")
    return state


def _load(network: nn.Module, state: Mapping[str, torch.Tensor], head: str, source: str) -> None:
    """Loads a state dict without its classifier. Raises FeatureError naming the first keys that do not fit."""
    expected = network.state_dict()
    weights = {_OLD_DENSENET_KEY.sub(r"\1\2", key.removeprefix("module.")): value for key, value in state.items()}
    weights = {
        key: value
        for key, value in weights.items()
        if key.rpartition(".")[0] != head and not key.startswith(_AUXILIARY_KEYS)
    }
    # old weights lack this counter, which inference never reads
    missing = [key for key in expected if key not in weights and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in weights if key not in expected]
    shapes = [
        f"{key} {tuple(weights[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in weights and weights[key].shape != value.shape
    ]
    problems = [
        f"{len(keys)} {what}: {', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''}"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if keys
    ]
    if problems:
        raise FeatureError(f"{source} does not fit the backbone ({'; '.join(problems)}): use weights of this model")
    network.load_state_dict(_with_versions(weights, expected), strict=False)


def _with_versions(state: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict with the versions of its layers, which MNASNet requires."""
    versioned = type(expected)(state)  # an OrderedDict, which can carry attributes
    vars(versioned)["_metadata"] = vars(expected)["_metadata"]
    return versioned
