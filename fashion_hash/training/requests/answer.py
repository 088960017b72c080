"""What the bundle of a run answers, as a scorer: facts first, then bits, words and soft facts."""

from __future__ import annotations

import numpy as np

from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.evaluation.requests import Score
from fashion_hash.training.requests.facts import CatalogueFacts, FactScorer, fit_facts
from fashion_hash.training.requests.loop import make_scorer, validation_sample
from fashion_hash.training.requests.run import RequestRun
from fashion_hash.understanding.facts import RequestFacts


def facts_of_run(run: RequestRun, data: RequestData, catalogue: CatalogueFacts | None = None) -> RequestFacts:
    """What the bundle of a run understands of requests, its weights fitted on the validation requests.

    Args:
        run: a finished run.
        data: the data of the run.
        catalogue: what requests may speak of; read from the data by default.
    """
    model, inputs, slope = run.model(data)
    valid = validation_sample(data, run.config.seed)
    bits: Score = _no_scores if valid is None else make_scorer(model, inputs, "valid", valid.texts, slope)
    return fit_facts(catalogue or CatalogueFacts(data), bits, run.config.requests.num_bits, valid)


def answer_scorer(run: RequestRun, data: RequestData, bits: Score) -> FactScorer:
    """The order in which the bundle of a run answers.

    Args:
        run: a finished run.
        data: the data of the run.
        bits: the scores of the run's binary codes.
    """
    catalogue = CatalogueFacts(data)
    facts = facts_of_run(run, data, catalogue)
    return FactScorer(catalogue, bits, run.config.requests.num_bits, lexical=facts.lexical, soft=facts.soft)


def _no_scores(requests: Requests) -> np.ndarray:
    return np.zeros((len(requests), 0))
