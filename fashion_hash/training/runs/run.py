"""Runs on outfits: the folder that training writes and everything else reads.

runs/NAME/
  config.yaml        the resolved configuration
  metrics.jsonl      one line for each finished epoch
  train.log          how far the training has come, also within an epoch
  curve.png          the metrics as a picture
  split.csv          the split, if it was made (data.split), and split.json about it
  left_out.json      the list of removed users whom the training left out, if there is one
  last.safetensors   model, optimiser and history after the last finished epoch
  best.safetensors   the model of the best epoch by train.best_by on validation, of the binary codes
  bundle/            written by build_index
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fashion_hash.config.experiment import Config, load_config
from fashion_hash.config.network import FLOATS
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.load import load_dataset
from fashion_hash.data.splits.cold_users import hide_cold_users
from fashion_hash.data.splits.files import MadeSplit
from fashion_hash.data.splits.removed_list import RemovedUsers, left_out_line
from fashion_hash.data.splits.removed_users import without_users
from fashion_hash.data.told.join import with_told
from fashion_hash.data.told.tables import read_told
from fashion_hash.data.told.told import Told
from fashion_hash.errors import TrainingError
from fashion_hash.models.make import make_network
from fashion_hash.models.network import Network, Sizes
from fashion_hash.models.projection import projection_head
from fashion_hash.training.runs.checkpoint import load_checkpoint, load_parameters
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.removed import removed_for
from fashion_hash.training.runs.run_folder import RunFolder, same_data
from fashion_hash.training.runs.scoring import ModelScorer, vectors
from fashion_hash.training.vectors import Vectors

SPLIT_FILE = "split.csv"


class Loaded(NamedTuple):
    """The data of an experiment, its split if that was made (data.split), and the users whom it leaves out."""

    dataset: Dataset
    split: MadeSplit | None
    removed: RemovedUsers


def load_data(config: Config, dataset: Dataset | None = None, folder: str | Path | None = None) -> Dataset:
    """The data set that a configuration names, divided as it says, without removed users, its cold users hidden.

    Args:
        config: the experiment.
        dataset: the data set, if it has been read already; if it has several splits, they stay as they are.
        folder: the folder of the run, whose split.csv and left_out.json are used if they exist. Without it the split
            is made again, and is the same as long as the data is.

    Raises:
        ConfigError, DataError: the data cannot be read, or not divided as the configuration says.
    """
    return load_and_split(config, dataset, folder).dataset


def load_and_split(config: Config, dataset: Dataset | None = None, folder: str | Path | None = None) -> Loaded:
    """As `load_data`, together with the split that was made and the users who were left out."""
    data = config.data
    given = dataset is not None
    if dataset is None:
        dataset = load_dataset(data.format, data.root, subset=data.subset, slots=data.slots, shop=data.shop)
    removed, split = removed_for(config, folder), None
    told = Told() if data.live is None or dataset.content.notes else read_told(Path(data.live))
    back = RemovedUsers.of([user_id for user_id, user in told.users.items() if user.anew])
    removed_or_back = RemovedUsers((*removed.lists, *back.lists))  # what users liked before they came back is gone, too
    gone = int((~removed.stay(dataset.users)).sum())
    dataset, _ = without_users(dataset, removed_or_back)
    if data.split is not None and not (given and len(dataset.splits) > 1):
        split = MadeSplit.make(
            dataset, data.split, None if folder is None else Path(folder) / SPLIT_FILE, removed_or_back
        )
        dataset = split.dataset
    if data.live is not None and not dataset.content.notes:
        users = {user_id: user for user_id, user in told.users.items() if user_id not in removed}
        dataset = with_told(dataset, replace(told, users=users))
    if gone:
        notes = (left_out_line(gone), *dataset.content.notes)
        dataset = replace(dataset, content=replace(dataset.content, notes=notes))
    if data.cold_users and dataset.cold is None:
        dataset = hide_cold_users(dataset, data.cold_users, config.seed)
    return Loaded(dataset, split, removed)


def make_model(config: Config, dataset: Dataset, inputs: ItemInputs) -> Network:
    """The network of a configuration, freshly initialised from torch's random state."""
    num_outfits = 0 if inputs.own is None else len(inputs.own.items)
    sizes = Sizes(
        dataset.slots, len(dataset.users), inputs.num_items, inputs.num_known, inputs.feature_dims, num_outfits
    )
    network = make_network(config, sizes, inputs.backbone)
    if config.contrastive is not None and config.contrastive.projection is not None:
        network.projection = projection_head(network, config.contrastive.projection)
    return network


class Run(RunFolder[Config]):
    """A run on outfits; see `RunFolder`."""

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Opens a run with at least one finished epoch. Raises TrainingError if there is none."""
        path = Path(path)
        if not (path / "config.yaml").is_file():
            raise TrainingError(
                f"{path} is not a run folder: it has no config.yaml; train it with `fashion-hash train` first"
            )
        facts = load_checkpoint(path / "last.safetensors").facts
        return cls(path, load_config(path / "config.yaml"), list(facts["history"]), facts["data"])

    def model(self, dataset: Dataset) -> tuple[Network, ItemInputs, float]:
        """The model of the best epoch, its inputs and the slope of its relaxed codes.

        Raises:
            TrainingError: the data has changed since the training.
        """
        kept = load_checkpoint(self.path / "best.safetensors")
        inputs = ItemInputs(self.config, dataset)
        same_data(kept.facts["data"], fingerprints(inputs), self.path)
        model = make_model(self.config, dataset, inputs).to(inputs.device)
        load_parameters(model, kept.model, self.path / "best.safetensors")
        return model.eval(), inputs, float(kept.facts["history"][-1]["slope"])

    @property
    def measure(self) -> str:
        """The key of the validation metric that decides the best epoch (train.best_by)."""
        return f"valid_{self.config.train.best_by}"

    @property
    def measured(self) -> str:
        """The name of this metric for display."""
        criterion = self.config.train.criterion
        return "validation AUC" if criterion.metric == "auc" else f"validation {criterion.name}"

    @property
    def form(self) -> str:
        """The form of the codes that it answers with.

        "binary", "asymmetric" where users are more than bits (user.code), or "relaxed" for models of floats.
        """
        encoder, kind = self.config.encoder, self.config.model.kind
        floats = kind in FLOATS or (encoder is not None and encoder.output == "float")
        if floats:
            return "relaxed"
        return "binary" if self.config.user.code == "bits" else "asymmetric"

    def stop_reason(self) -> str | None:
        """Why training stops early (train.patience); None to continue."""
        patience, waited = self.config.train.patience, len(self.history) - self.best_epoch if self.history else 0
        if patience is None or waited < patience:
            return None
        return f"no epoch was better than epoch {self.best_epoch} in the last {waited}: stopping (train.patience)"

    def codes(self, dataset: Dataset | None = None) -> Vectors:
        """The binary codes of all users and items as int8: users (U, D), items of each type (N, M, D).

        Their values are -1 and +1, or 0 and 1 with model.codes zero_one. Users without a training outfit have the code
        of the initialisation.

        Args:
            dataset: the data of the run; read again by default.

        Raises:
            TrainingError: the model answers in floats, or the data has changed since the training.
        """
        return self._vectors(dataset, binary=True)

    def embeddings(self, dataset: Dataset | None = None) -> Vectors:
        """What the codes are signs of, relaxed, or the vectors of a float model, as float32; otherwise as `codes`."""
        return self._vectors(dataset, binary=False)

    def _vectors(self, dataset: Dataset | None, binary: bool) -> Vectors:
        dataset = load_data(self.config, dataset, self.path)
        model, inputs, slope = self.model(dataset)
        if binary and model.is_float:
            raise TrainingError(f"{self.path} answers in floats and has no codes: use embeddings()")
        return vectors(ModelScorer(model, inputs, None if binary else slope), dataset)


def start_from(model: Network, path: Path, dataset: Dataset) -> None:
    """Copies the parameters of another run's best epoch, except those of its users and its projection head.

    User codes are never copied, because the users differ. Embeddings and biases of items are copied only if both
    runs have the same items in the same rows, and codes of outfits only if they have the same outfits.

    Raises:
        TrainingError: the parameters of the other run do not fit this model.
    """
    kept = load_checkpoint(path / "best.safetensors")
    same_items = kept.facts["data"]["items"] == dataset.items_fingerprint
    same_outfits = kept.facts["data"]["outfits"] == dataset.fingerprint
    state = model.state_dict()
    taken = {}
    for name, tensor in state.items():
        personal = name.startswith(("users.", "projection."))
        by_item = name.startswith(("hashing.id.", "item_bias."))
        by_outfit = name.startswith(("own.codes.", "own.bias."))
        if personal or (by_item and not same_items) or (by_outfit and not same_outfits):
            taken[name] = tensor
            continue
        if name not in kept.model:
            raise TrainingError(
                f"train.start: {path} has no parameter {name}: name a run with the same modalities and heads"
            )
        taken[name] = kept.model[name]
    load_parameters(model, taken, path / "best.safetensors")


def dataset_fingerprints(dataset: Dataset) -> dict[str, str]:
    """Fingerprints of the users, the items of each type, all items, and the outfits."""
    of_types = {f"{item_type} items": dataset.type_fingerprint(item_type) for item_type in dataset.types}
    return {
        "users": dataset.users_fingerprint,
        **of_types,
        "items": dataset.items_fingerprint,
        "outfits": dataset.fingerprint,
    }


def fingerprints(inputs: ItemInputs) -> dict[str, str]:
    """Fingerprints of the outfits, the items and the features that a model is trained on."""
    return {**dataset_fingerprints(inputs.dataset), **inputs.fingerprints}
