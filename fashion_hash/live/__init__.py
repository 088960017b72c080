"""The live catalogue: items, outfits and users that are added or removed after the export of a bundle.

Exported files never change. Changes go to BUNDLE/live/live.sqlite (store), one transaction per call.
An open process keeps a snapshot of the pool and the items (snapshot), updates it before each answer
(catalogue), and searches exported and added outfits as one pool (pool_search). A compaction merges many
changes into new index files (compaction, generation) beside the exported ones.
"""
