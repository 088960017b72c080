"""Measures scorers of outfits and of requests: metrics (pure), protocols, baselines, diversity, report. No torch.

A scorer is any callable that takes Outfits of N rows and returns (N,) scores, higher is better.
"""
