import pytest

from fashion_hash.data.feeds.categories import item_type_of
from fashion_hash.data.feeds.variants import plain_text


@pytest.mark.parametrize(
    ("categories", "item_type"),
    [
        (["Apparel & Accessories > Clothing > Shirts & Tops"], "top"),
        (["Apparel &amp; Accessories &gt; Clothing &gt; Dresses"], "dress"),
        (["Apparel & Accessories > Shoes > Winter specials"], "shoe"),
        (["2271", "Women > Skirts"], "dress"),
        (["166", "Women > Skirts"], "bottom"),
        (["166"], None),
        ([None, "", "Women / Ponchos"], "ponchos"),
        (["Sale", "Women > Ankle Boots"], "shoe"),
        ([None], None),
        ([" > "], None),
    ],
)
def test_the_last_known_part_decides(categories, item_type):
    assert item_type_of(*categories) == item_type


def test_words_of_html():
    assert plain_text("<p>a&nbsp;<b>b</b></p><style>p {}</style>\n<!-- c -->") == "a b"
    assert plain_text("Fish &amp; chips\n") == "Fish & chips"
    assert plain_text("<" + "div>" * 3) is not None
    assert plain_text("<div>" * 1000 + "deep") == "deep"
    assert plain_text("<p>a" + "b" * 100_000) == "a" + "b" * 49_996
    assert plain_text("<p></p>") is None
    assert plain_text(None) is None
