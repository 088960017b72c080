"""Successive halving: who is trained for how long, what is kept, and that it goes on where it was."""

import pytest

from fashion_hash.training.recipes.halving import Trial, Trials, best_of, epochs_of, halve, survivors


def of(name, epochs, score):
    return Trial(name, epochs, score, {}, 0.0, "" if score is not None else "failed")


def test_the_best_third_goes_on_and_ties_go_to_the_earlier():
    scores = {"a": 0.5, "b": 0.9, "c": None, "d": 0.9, "e": 0.1, "f": 0.2, "g": 0.3}
    asked = []

    def run(name, epochs):
        asked.append((name, epochs))
        return of(name, epochs, scores[name])

    left = halve(list(scores), (2, 4), run)
    assert asked == [*((name, 2) for name in scores), ("b", 4), ("d", 4), ("a", 4)]
    assert [trial.name for trial in left] == ["b"]
    assert epochs_of(len(scores), (2, 4)) == sum(epochs for _, epochs in asked)


def test_failed_candidates_never_win():
    assert halve(["a", "b"], (1, 2), lambda name, epochs: of(name, epochs, None)) == []
    assert best_of([of("a", 1, None), of("b", 1, -1.0)], 2) == [of("b", 1, -1.0)]


@pytest.mark.parametrize(("count", "left"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 3), (10, 4)])
def test_survivors(count, left):
    assert survivors(count) == left


def test_trials_are_kept_for_the_same_question_alone(tmp_path):
    path = tmp_path / "trials.json"
    trials = Trials(path, {"asked": 1})
    trials.add(of("a", 2, 0.5))
    again = Trials(path, {"asked": 1})
    assert again.get("a", 2) == of("a", 2, 0.5)
    assert again.get("a", 4) is None
    assert list(Trials(path, {"asked": 2})) == []
