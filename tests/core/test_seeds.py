"""Streams of random numbers by name: apart from each other, and the same for ever."""

from fashion_hash.core.seeds import derive, generator


def test_a_stream_is_the_same_for_ever():
    assert derive(0, "epoch", 7) == 6460368612583347006  # a change would change every trained model
    assert generator(0, "a").random() == generator(0, "a").random()


def test_streams_of_other_names_and_seeds_are_others():
    seeds = [derive(0, "a"), derive(1, "a"), derive(0, "b"), derive(0, "a", "b"), derive(0, "a", 1), derive(0, "a/b/c")]
    assert len(set(seeds)) == len(seeds)
