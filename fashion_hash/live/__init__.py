"""The live catalogue: items, outfits and users that come and go after a bundle was exported.

What was exported never changes. Changes go to BUNDLE/live/live.sqlite (store), one transaction a
call; an open process keeps a snapshot of the pool and the items (snapshot), brings it up to date
before each answer (live), and searches what was exported and what came later as one pool (search).
Compaction folds many changes into new index files (generation), beside the exported ones.
"""
