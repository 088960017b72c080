"""The bundle: the folder that holds everything a trained model needs to answer.

A bundle that was built by `fashion-hash build-index` holds its generations (fashion_hash.bundle.generations), and each
of them holds the files below. One that was written by `write_bundle` alone holds these files itself.

    bundle/
      manifest.json                   format version, model, fingerprint, checksum of every file
      ids/users.*.npy                 user ids            (IdTable)
      ids/items.TYPE.*.npy            item ids of a type  (IdTable)
      codes/users.npy                 (U, D/8) uint8      packed user codes, or another form (core/codes.py)
      codes/items.TYPE.npy            (N, M, D/8) uint8   packed item codes, one per modality
      codes/bias.TYPE.npy             (N,) int32          item bias, fixed point
      codes/preference_weights.npy    (D,) int32          weights of the user-item bits, fixed point
      codes/compatibility_weights.npy (D,) int32          weights of the item-item bits, fixed point
      codes/own.*.npy                 codes of outfits themselves, if the model has them (fashion_hash.bundle.own)
      history/users.npy, items.npy    (L,), (L, S) int32  known positives: who liked which outfit
      history/times.npy               (L,) int64          when, Unix seconds; only where the data says it
      catalogue.sqlite                title, details and picture of every item
      heads/                          hash heads: code new items (fashion_hash.inference.hash_heads)
      requests/                       turns words and taste into a query (fashion_hash.inference.request_weights)
      requests/facts/                 what the catalogue says (fashion_hash.understanding.facts), also without the rest
      encoder/                        outfit encoder only: scores outfits (fashion_hash.inference.outfit_encoder)
      tables/                         written by build_index: the catalogue by column, and what requests may say of it
                                      (fashion_hash.bundle.tables.files); missing where no index was built
      index/                          written by build_index, with its own manifest
      live/                           changes made after the export (fashion_hash.live)

In file names TYPE is percent-encoded where needed. Answering needs only the bundle: no training data, no
configuration, no torch. Arrays are memory-mapped.

The manifest's "answers" says how exact each kind of answer is:

    "exact"                    the best outfits by the model's score; all outfits are compared
    "exact, outfit vectors"    the same, by the distance between the vectors of outfit and user
    "exact, outfit codes"      the same, by the Hamming distance between the codes of outfit and user
    "shortlist and re-rank"    the score is not a sum over items and pairs: outfits whose items have a high
                               mean score are encoded, and the best of them are returned

FHN is exact everywhere. For an outfit encoder "pool", "score" and "explain" are exact; "compose" and "complete"
are shortlist and re-rank. Its codes are the signs of the vectors of users and of outfits with a single item; they
serve shortlists, varied lists and similar items.
"""
