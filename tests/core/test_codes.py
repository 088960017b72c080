import numpy as np
import pytest

from fashion_hash.core import codes


def signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return np.where(rng.random(shape) < 0.5, -1, 1)


def test_bit_order_is_little() -> None:
    code = -np.ones(16)
    code[[0, 9]] = 1
    assert codes.pack(code).tolist() == [1, 2]


@pytest.mark.parametrize("num_bits", [8, 24, 128])
def test_unpack_undoes_pack(num_bits: int) -> None:
    code = signs(np.random.default_rng(0), 3, 2, num_bits)
    packed = codes.pack(code)
    assert packed.shape == (3, 2, num_bits // 8)
    assert (codes.unpack(packed) == code).all()


@pytest.mark.parametrize("num_bits", [0, -8, 12, 127])
def test_pack_refuses_other_numbers_of_bits(num_bits: int) -> None:
    with pytest.raises(ValueError, match=f"multiple of 8, got {num_bits}"):
        codes.check_num_bits(num_bits)


def test_hamming_and_inner_count_in_signed_integers() -> None:
    rng = np.random.default_rng(1)
    a, b = signs(rng, 20, 128), signs(rng, 20, 128)
    b[0] = -a[0]  # 128 differing bits: D - 2h = -128 must not wrap around
    assert (codes.hamming(codes.pack(a), codes.pack(b)) == (a != b).sum(axis=1)).all()
    assert (codes.inner(codes.pack(a), codes.pack(b)) == (a * b).sum(axis=1)).all()


def test_weighted_inner_is_the_plain_sum() -> None:
    rng = np.random.default_rng(2)
    query, code = rng.integers(-(2**31) + 1, 2**31, 40), signs(rng, 7, 3, 40)
    assert (codes.weighted_inner(query, codes.pack(code)) == code @ query).all()


def test_binarise_takes_zero_for_plus_one() -> None:
    assert codes.binarise(np.array([-0.1, 0.0, 0.2])).tolist() == [-1, 1, 1]


def test_fixed_point_rounds_and_refuses_what_does_not_fit() -> None:
    assert codes.fixed_point(np.array([1.0, -0.5, 2**-17])).tolist() == [65536, -32768, 0]
    for bad in (np.nan, np.inf, 32768.0):
        with pytest.raises(ValueError, match="finite and within"):
            codes.fixed_point(np.array([bad]))


@pytest.mark.parametrize("form", ["bits", "bytes", "floats"])
def test_users_in_every_form(form: codes.UserForm) -> None:
    rng = np.random.default_rng(3)
    numbers = {
        "bits": signs(rng, 4, 16),
        "bytes": rng.integers(-127, 128, (4, 16)) / 127,
        "floats": rng.uniform(-1, 1, (4, 16)),
    }[form]
    keys = codes.user_keys(form, numbers)
    assert keys[0].nbytes * 8 == codes.bits_a_user(form, 16)
    back = codes.user_numbers(form, keys)
    assert back.dtype == np.float32
    assert np.abs(back - numbers).max() <= 1e-7
    assert (codes.user_keys(form, back) == keys).all()
    assert (codes.user_numbers(form, codes.user_keys(form, 3.0 * signs(rng, 1, 16))) ** 2 == 1).all()  # cut
