"""What the service is measured with: a bundle of random codes with a large pool, and a service that has a faiss route.

Run as a command it is `fashion-hash serve` with one more route, /faiss/users/{user_id}/outfits, which answers by faiss
IndexBinaryFlat with plain Hamming distance over the bits of an outfit, in the same lane of the same processes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import build_partners

FOUND: dict[str, Any] = {}  # the faiss index, made before workers are forked
SLOTS = ("top", "bottom", "shoe")
MODALITIES, NUM_BITS = 2, 128  # 3 x 2 x 128 = 768 bits an outfit


def make_bundle(path: Path, outfits: int, items: int, users: int) -> Bundle:
    """Writes a bundle and indexes its pool.

    Args:
        path: a new folder.
        outfits: in the pool.
        items: of each type.
        users: with likes of eight outfits each.
    """
    rng = generator(0, "bench_serve")

    def signs(*shape: int) -> np.ndarray:
        return rng.integers(0, 2, shape, dtype=np.int8) * 2 - 1

    def drawn(count: int, owners: int) -> Outfits:
        return Outfits.of(SLOTS, rng.integers(0, owners, count), rng.integers(0, items, (count, len(SLOTS))))

    ids = {kind: tuple(f"{kind}-{number}" for number in range(items)) for kind in SLOTS}
    details = {
        kind: {
            name: {
                "title": f"A {kind} of number {number}",
                "price": float(10 + number % 90),
                "brand": f"b{number % 40}",
            }
            for number, name in enumerate(names)
        }
        for kind, names in ids.items()
    }
    contents = BundleContents(
        name="bench_serve",
        slots=SLOTS,
        modalities=("image", "text"),
        users=tuple(f"user-{number}" for number in range(users)),
        items=ids,
        user_codes=signs(users, NUM_BITS),
        item_codes={kind: signs(items, MODALITIES, NUM_BITS) for kind in SLOTS},
        item_bias={kind: rng.normal(0, 0.1, items) for kind in SLOTS},
        preference_weights=rng.normal(1, 0.5, NUM_BITS),
        compatibility_weights=rng.normal(1, 0.5, NUM_BITS),
        preference_scale=10,
        compatibility_scale=10,
        repeat_empty=False,
        history=drawn(8 * users, users),
        details=details,
        pictures={},
        model={"made": "at random"},
    )
    bundle = write_bundle(path, contents)
    build_index(bundle, drawn(outfits, 1))
    build_partners(bundle)  # as the command does
    return bundle


def serve_with_faiss() -> int:
    """Runs the service with the further route."""
    import faiss

    from fashion_hash.commands.serving import serve
    from fashion_hash.retrieval.recommender import Recommender
    from fashion_hash.serving.workers import worker

    faiss.omp_set_num_threads(1)
    recommender = Recommender.load(sys.argv[1], verify=False)
    pool, bundle = recommender.pool, recommender.bundle
    index = faiss.IndexBinaryFlat(len(SLOTS) * MODALITIES * NUM_BITS)
    for first in range(0, len(pool), 1 << 16):
        rows = np.asarray(pool.items[first : first + (1 << 16)])
        codes = [bundle.item_codes[kind][rows[:, slot]].reshape(len(rows), -1) for slot, kind in enumerate(SLOTS)]
        index.add(np.concatenate(codes, axis=1))
    FOUND["index"], FOUND["users"] = index, np.tile(bundle.user_codes, (1, len(SLOTS) * MODALITIES))
    recommender.close()
    worker.create_app = with_faiss(worker.create_app)
    return serve.main(sys.argv[1:])


def with_faiss(create: Any) -> Any:
    """Makes the application with one more route."""
    from fastapi import Request
    from starlette.responses import Response

    from fashion_hash.bundle.lookup import items_by_slot
    from fashion_hash.serving.http.access import CanRead
    from fashion_hash.serving.http.paths import PathId
    from fashion_hash.serving.routes.answers import answer
    from fashion_hash.serving.schemas.bodies import PoolBody
    from fashion_hash.serving.schemas.replies import OutfitsAnswer
    from fashion_hash.serving.service import service_of

    async def outfits(request: Request, user_id: PathId, body: PoolBody) -> Response:
        service = service_of(request)
        model = service.model_of(request, user_id, None)
        recommender = model.recommender

        def ask() -> list[dict[str, Any]]:
            bundle, pool = recommender.bundle, recommender.pool
            distances, rows = FOUND["index"].search(FOUND["users"][bundle.users.row(user_id)][None], body.k)
            items = np.asarray(pool.items[rows[0]])
            return [
                {"outfit_id": name, "items": items_by_slot(bundle, each), "score": distance}
                for name, each, distance in zip(pool.ids.at(rows[0]), items, distances[0].tolist())
            ]

        hits = await service.pool.run(ask)
        return answer(request, model, {"outfits": hits, "next": None}, personal=True, exact=False)

    outfits.__annotations__ = {"request": Request, "user_id": PathId, "body": PoolBody, "return": Response}

    def made(*arguments: Any) -> Any:
        app = create(*arguments)
        route = "/faiss/users/{user_id}/outfits"
        app.post(route, response_model=OutfitsAnswer, dependencies=[CanRead])(outfits)
        return app

    return made


if __name__ == "__main__":
    raise SystemExit(serve_with_faiss())
