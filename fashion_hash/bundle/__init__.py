"""The bundle: the folder in which the learning half hands its bits to the answering half.

    bundle/
      manifest.json                   format version, model, fingerprint, checksum of every file
      ids/users.*.npy                 user ids            (IdTable)
      ids/items.TYPE.*.npy            item ids of a type  (IdTable)
      codes/users.npy                 (U, D/8) uint8      packed user codes
      codes/items.TYPE.npy            (N, M, D/8) uint8   packed item codes, one a modality
      codes/bias.TYPE.npy             (N,) int32          item bias, fixed point
      codes/preference_weights.npy    (D,) int32          weights of the user-item bits, fixed point
      codes/compatibility_weights.npy (D,) int32          weights of the item-item bits, fixed point
      history/users.npy, items.npy    (L,), (L, S) int32  known positives: who liked which outfit
      catalogue.sqlite                title, details and picture of every item
      heads/                          how an item that arrives later gets its code (fashion_hash.inference.hash_heads)
      requests/                       how words and taste become a query (fashion_hash.inference.request_weights)
                                      (TYPE is percent-encoded where it would be no file name)
      encoder/                        of an outfit encoder: how outfits are scored (inference.outfit_encoder)
      index/                          written by build_index, with a manifest of its own
      live/                           changes made after the export (fashion_hash.live)

A bundle answers alone: no training data, no configuration, no torch. Arrays are memory-mapped.

The manifest's "answers" says how exact they are, by what is asked:

    "exact"                    the best by the model's score, all outfits compared
    "exact, outfit vectors"    likewise, by the nearness of every outfit's vector to the user's
    "exact, outfit codes"      likewise, by Hamming distance between an outfit's code and the user's
    "shortlist and re-rank"    the score does not fall apart into items and pairs: outfits that are good by
                               the mean of their items' own scores are encoded, and the best of these answered

FHN is exact everywhere. Of an outfit encoder the pool ("pool", and "score" and "explain" of any outfit) is
exact, "compose" and "complete" are shortlist and re-rank; its codes are the signs of users' vectors and of
outfits of one item each, for shortlists, varied lists and similar items.
"""
