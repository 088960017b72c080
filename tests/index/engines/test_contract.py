"""An engine defines one of two searches; the other is made of it."""

import pytest

from fashion_hash.index.engines.contract import Engine


def test_an_engine_without_a_search_is_refused():
    with pytest.raises(TypeError, match="Idle defines neither search nor search_many"):

        class Idle(Engine):
            pass
