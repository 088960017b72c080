"""The extract command: what it prints, and what it refuses."""

import pytest
from PIL import Image

from fashion_hash.commands.data.extract_features import main

CONFIG = """
name: tiny
data: {format: polyvore_u, root: ROOT}
image: {backbone: mobilenet_v3_small, weights: random, size: 64}
"""


@pytest.fixture
def config(tmp_path):
    """A configuration over a Polyvore-U folder of two items a type; one picture is missing."""
    folder, pictures = tmp_path / "tuples_630", tmp_path / "images" / "291x291"
    folder.mkdir()
    pictures.mkdir(parents=True)
    for kind in ("top", "bottom", "shoe"):
        (folder / f"image_list_{kind}").write_text(f"{kind}0.jpg\n{kind}1.jpg\n")
        for i in range(2):
            Image.new("RGB", (20, 20), (40 * i, 90, 7)).save(pictures / f"{kind}{i}.jpg")
    (pictures / "shoe1.jpg").unlink()
    (folder / "tuples_train_posi").write_text("user,top,bottom,shoe\nu,0,0,0\nu,1,1,1\n")
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG.replace("ROOT", str(tmp_path)))
    return path


def test_extracts_once(config, capsys):
    arguments = [str(config), "--device", "cpu", "--batch-size", "2"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "mobilenet_v3_small-64px.lmdb: 5 features extracted, 0 already stored" in out
    assert "1 item without a picture ('shoe1.jpg'); 0 pictures that cannot be decoded; read from " in out
    assert out.endswith("291x291\n")  # an LMDB beside it would be read instead
    assert main(arguments) == 0
    assert "0 features extracted, 5 already stored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--set", "image.backbone=mobilnet_v3_small"], "'mobilenet_v3_small'"),
        (["--set", "image.weights=nowhere.pth"], "nowhere.pth does not exist"),
        (["--set", "image.backbone=vit_b_32"], "vit_b_32 cannot read pictures of 64 x 64 pixels"),
        (["--set", "image=null", "--set", "id={}"], "no section image"),
    ],
)
def test_bad_arguments_end_in_one_line(config, capsys, arguments, message):
    assert main([str(config), "--device", "cpu", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_truncated_pictures_lmdb(config, capsys):
    (config.parent / "images" / "lmdb").mkdir()
    (config.parent / "images" / "lmdb" / "data.mdb").write_bytes(b"\0" * 5000)
    assert main([str(config), "--device", "cpu"]) == 2
    assert "data.mdb is not a readable LMDB" in capsys.readouterr().err


def test_truncated_feature_store(config, capsys):
    assert main([str(config), "--device", "cpu"]) == 0
    (store,) = (config.parent / "features").rglob("data.mdb")
    store.write_bytes(store.read_bytes()[:-5000])
    assert main([str(config), "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert "data.mdb is truncated" in error
