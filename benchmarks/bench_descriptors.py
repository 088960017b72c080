"""How well vectors of pictures tell the types of items apart: benchmarks/bench_descriptors.py FOLDER.

FOLDER holds items.csv (columns item_id, type, image) and the pictures. Prints the accuracy of the five nearest
neighbours (5-NN) in five folds, stratified by type, for a plain HOG, for `descriptors`, for each of its parts
alone, and for 128-bit codes: PCA and ITQ (Gong and Lazebnik, CVPR 2011), fitted on the training folds without types.
`--sheet` draws nearest neighbours by code.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from machine import machine
from PIL import Image
from skimage.color import rgb2gray
from skimage.feature import hog
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold

import results
from fashion_hash.data.stores.decoding import decode
from fashion_hash.encoders.pictures.descriptors import LENGTHS, WEIGHTS, DescriptorEncoder
from fashion_hash.features.picture_encoders import open_picture_encoder

NEIGHBOURS, FOLDS = 5, 5
CHOSEN_WITH = 0
"""The seed of the folds that the weights of the parts were chosen with; figures come from other seeds."""

Distances = Callable[[np.ndarray, np.ndarray], np.ndarray]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="items.csv and pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the folds (default: 1 2 3)")
    parser.add_argument("--column", default="type", help="what is told apart (default: type)")
    parser.add_argument("--bits", type=int, default=128, help="length of the codes (default: 128)")
    parser.add_argument("--encoder", help="another encoder to measure as well, such as resnet18 or open_clip/ViT-B-32")
    parser.add_argument("--weights", help="of that encoder (default: hub)")
    parser.add_argument("--size", type=int, default=224, help="pixels of a side for that encoder (default: 224)")
    parser.add_argument("--sheet", type=Path, help="a picture of items and their nearest neighbours by code")
    parser.add_argument("--rows", type=int, default=20, help="how many items the sheet begins with (default: 20)")
    results.add_options(parser)
    options = parser.parse_args(arguments)
    if CHOSEN_WITH in options.seeds:
        parser.error(f"seed {CHOSEN_WITH} chose the weights of the parts: measure with others")
    pictures, types = read(options.folder, options.column)
    encoder = DescriptorEncoder()
    started = time.process_time()  # of the processor: other work does not count
    vectors = encoder.encode_pictures(pictures)
    milliseconds = 1e3 * (time.process_time() - started) / len(pictures)
    tables = {"plain HOG": np.stack([plain_hog(picture) for picture in pictures]), encoder.kind: vectors}
    tables |= {f"{name} alone": part for name, part in parts(vectors).items()}
    if options.encoder:
        other = open_picture_encoder(options.encoder, options.weights, options.size)
        batches = [pictures[start : start + 32] for start in range(0, len(pictures), 32)]
        others = np.concatenate([other.encode_pictures(batch) for batch in batches])
        tables[other.name] = others / np.maximum(np.linalg.norm(others, axis=1, keepdims=True), 1e-9)
    figures = {
        "machine": machine(),
        "pictures": len(pictures),
        "types": len(np.unique(types)),
        "seeds": options.seeds,
        "dim": encoder.dim,
        "weights": WEIGHTS,
        "milliseconds_a_picture": milliseconds,
        "accuracy": {
            **{name: accuracies(table, types, options.seeds) for name, table in tables.items()},
            f"codes of {options.bits} bits": accuracies(vectors, types, options.seeds, options.bits),
        },
    }
    if options.sheet is not None:
        chosen = chosen_rows(types, options.rows)
        draw(options.sheet, pictures, chosen, codes_of(vectors, vectors, options.bits))
    if results.hand_over(options, figures):
        return
    print(f"{figures['machine']}\n{len(pictures)} pictures, {milliseconds:.1f} ms each, {figures['types']} types")
    print(f"5-NN accuracy in {FOLDS} folds, mean and least over the seeds {options.seeds}")
    for name, by_seed in figures["accuracy"].items():
        print(f"{name:24s} {np.mean(by_seed):.3f} {min(by_seed):.3f}")


def read(folder: Path, column: str) -> tuple[list[bytes], np.ndarray]:
    """The pictures of items.csv and what a column says of their items."""
    with open(folder / "items.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [(folder / row["image"]).read_bytes() for row in rows], np.array([row[column] for row in rows])


def plain_hog(picture: bytes) -> np.ndarray:
    """HOG of the grey picture, background included."""
    grey = rgb2gray(np.asarray(decode(picture).resize((128, 128))))
    return np.asarray(hog(grey, 9, (16, 16), (2, 2)), dtype=np.float32)


def parts(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of each part."""
    ends = np.cumsum(list(LENGTHS.values()))
    return {name: vectors[:, end - LENGTHS[name] : end] for name, end in zip(LENGTHS, ends.tolist())}


def accuracies(vectors: np.ndarray, types: np.ndarray, seeds: Sequence[int], bits: int | None = None) -> list[float]:
    """The share of items whose type is that of most of their neighbours in the other folds, one a seed."""
    by_seed = []
    for seed in seeds:
        right = np.zeros(len(types), dtype=bool)
        for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(vectors, types):
            known, asked = vectors[train], vectors[test]
            if bits is not None:
                known, asked = np.split(codes_of(known, np.concatenate([known, asked]), bits), [len(train)])
            right[test] = vote(nearest(asked, known), types[train]) == types[test]
        by_seed.append(float(right.mean()))
    return by_seed


def codes_of(known: np.ndarray, vectors: np.ndarray, bits: int, rounds: int = 50) -> np.ndarray:
    """Codes (N, bits) of -1 / +1 by PCA and an iterative quantisation, both fitted on `known`."""
    pca = PCA(bits, svd_solver="randomized", random_state=0).fit(known)
    projected = pca.transform(known)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(bits, bits)))[0]
    for _ in range(rounds):
        left, _, right = np.linalg.svd(np.sign(projected @ rotation).T @ projected)
        rotation = (left @ right).T
    return np.where(pca.transform(vectors) @ rotation >= 0, np.float32(1), np.float32(-1))


def nearest(asked: np.ndarray, known: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
    """(N, count) rows of the nearest known vectors, ties by row."""
    squares = (known.astype(np.float64) ** 2).sum(axis=1) - 2 * asked.astype(np.float64) @ known.T
    return np.argsort(squares, axis=1, kind="stable")[:, :count]


def vote(rows: np.ndarray, types: np.ndarray) -> np.ndarray:
    """The most frequent type of each row of neighbours; on a tie the one that came first."""
    names, numbers = np.unique(types, return_inverse=True)
    votes = np.zeros((len(rows), len(names)))
    for place in range(rows.shape[1]):
        votes[np.arange(len(rows)), numbers[rows[:, place]]] += 1 - 0.01 * place
    return names[votes.argmax(axis=1)]


def chosen_rows(types: np.ndarray, count: int) -> list[int]:
    """The first items of the types in turns."""
    rows = [np.flatnonzero(types == name) for name in np.unique(types)]
    turns = [int(of_type[turn]) for turn in range(min(map(len, rows))) for of_type in rows]
    return turns[:count]


def draw(path: Path, pictures: Sequence[bytes], chosen: Sequence[int], codes: np.ndarray, side: int = 96) -> None:
    """Items, each in front of its seven nearest neighbours by code."""
    rows = nearest(codes[chosen], codes, 8)
    sheet = Image.new("RGB", (8 * side + 8, len(chosen) * side), "white")
    for line, neighbours in enumerate(rows):
        for place, row in enumerate([chosen[line], *(other for other in neighbours if other != chosen[line])][:8]):
            picture = decode(pictures[row]).resize((side - 4, side - 4))
            sheet.paste(picture, (place * side + (8 if place else 0) + 2, line * side + 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


if __name__ == "__main__":
    main()
