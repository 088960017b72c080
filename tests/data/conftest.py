"""A tiny Polyvore-U release, written by hand, that tests break in their own ways."""

from __future__ import annotations

from pathlib import Path

import pytest

FILES = {
    "tuples_3/image_list_top": "t0.jpg\nt1.jpg\nt2.jpg\nt3.jpg\n",
    "tuples_3/image_list_bottom": "b0.jpg\nb1.jpg\nb2.jpg\n",
    "tuples_3/image_list_shoe": "s0.jpg\ns1.jpg\n",
    "tuples_3/tuples_train_posi": "user,top,bottom,shoe\n0,0,0,0\n0,1,1,1\n2,2,2,0\n10,1,0,1\n",
    "tuples_3/tuples_train_nega": "user,top,bottom,shoe\n0,2,0,1\n0,1,0,0\n0,2,1,0\n0,0,1,1\n"
    "2,0,2,0\n2,1,2,0\n10,2,0,1\n10,1,2,1\n",
    "tuples_3/tuples_train_nega_hard": "user,top,bottom,shoe\n0,2,2,0\n0,1,0,1\n2,0,0,0\n10,2,2,0\n",
    "tuples_3/tuples_test_posi": "user,top,bottom,shoe\n0,3,2,1\n2,3,0,0\n",
    "tuples_3/tuples_test_nega": "user,top,bottom,shoe\n0,2,0,1\n2,1,0,0\n",
    "tuples_3/fill_in_blank_test": "user,top,bottom,shoe,user,top,bottom,shoe\n0,3,2,1,0,0,2,1\n2,3,0,0,2,3,1,0\n",
    "items.csv": "item_id,type,image,title,price,in_stock\n"
    't0.jpg,top,t0.jpg,"Shirt, white",12.5,true\nb1.jpg,bottom,b1.jpg,501,9,false\n'
    "x.jpg,hat,x.jpg,Hat,1,true\n",
}


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def tiny_root(tmp_path: Path) -> Path:
    """Users 0, 2, 10; 4 tops, 3 bottoms, 2 shoes; train (2 random, 1 hard negative), test, questions."""
    return write(tmp_path / "polyvore", FILES)
