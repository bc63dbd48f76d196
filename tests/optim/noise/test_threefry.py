"""The words are those of Threefry2x32-20: as published, as another implementation has them, and none is left out."""

import sys

import numpy
import pytest
import torch
from randomgen import ThreeFry

from mezo_lab.optim.noise import threefry

FULL = 1 << 32
# counter, key, words: file kat_vectors of Random123, threefry2x32 with 20 rounds
PUBLISHED = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


def signed(words) -> torch.Tensor:
    return torch.from_numpy(numpy.array(words, dtype=numpy.uint32).view(numpy.int32))


def unsigned(pair) -> numpy.ndarray:
    """Two words of each block side by side, uint32 (blocks, 2)."""
    return torch.stack([torch.as_tensor(word) for word in pair], -1).numpy().view(numpy.uint32)


def words_of_another(counter: int, key: int, blocks: int) -> numpy.ndarray:
    """The words of counter, counter + 1, …, uint32 (blocks, 2); `randomgen` adds one before each block."""
    generator = ThreeFry(counter=(counter - 1) % FULL**2, key=key, number=2, width=32)
    return generator.random_raw(2 * blocks).astype(numpy.uint32).reshape(-1, 2)


@pytest.mark.parametrize(("counter", "key", "words"), PUBLISHED)
def test_the_published_answers_come_out(counter, key, words):
    found = threefry(tuple(signed(key)[:, None]), tuple(signed(counter)[:, None]))
    assert unsigned(found).tolist() == [list(words)]


@pytest.mark.parametrize(("counter", "key", "words"), PUBLISHED)
def test_the_other_implementation_has_the_published_answers_too(counter, key, words):
    found = words_of_another(counter[0] + FULL * counter[1], key[0] + FULL * key[1], 1)
    assert found.tolist() == [list(words)]


def test_another_implementation_has_the_same_words_for_any_key_and_counter():
    for key, counter in numpy.random.default_rng(0).integers(FULL**2, size=(2_000, 2), dtype=numpy.uint64).tolist():
        low = torch.arange(5) + counter % FULL
        counters = (signed(low.numpy() % FULL), signed((counter // FULL + low.numpy() // FULL) % FULL))
        keys = signed([key % FULL, key // FULL])
        found = unsigned(threefry((keys[0], keys[1]), counters))
        assert numpy.array_equal(found, words_of_another(counter, key, 5)), (key, counter)


def test_a_long_run_of_counters_has_the_same_words_in_another_implementation():
    blocks = torch.arange(1 << 20, dtype=torch.int32)
    keys = signed([0xDEADBEEF, 0x12345678])
    found = unsigned(threefry((keys[0], keys[1]), (blocks, torch.zeros_like(blocks))))
    assert numpy.array_equal(found, words_of_another(0, 0x12345678DEADBEEF, 1 << 20))


def test_numpy_and_torch_have_the_same_words():
    words = numpy.random.default_rng(1).integers(-(1 << 31), 1 << 31, size=(4, 1_000)).astype(numpy.int32)
    tensors = torch.from_numpy(words)
    in_numpy = threefry((words[0], words[1]), (words[2], words[3]))
    in_torch = threefry((tensors[0], tensors[1]), (tensors[2], tensors[3]))
    assert numpy.array_equal(unsigned(in_numpy), unsigned(in_torch))


def test_no_two_counters_share_their_words():
    blocks = torch.arange(1 << 18, dtype=torch.int32)
    key = signed([1, 2])
    w0, w1 = threefry((key[0], key[1]), (blocks, torch.zeros_like(blocks)))
    both = w0.long() << 32 | w1.long() & 0xFFFFFFFF
    assert len(both.unique()) == len(blocks)
    assert len(w0.unique()) < len(blocks)  # one word of the two does repeat: 2¹⁸ of 2³² meet 8 times


def changed_bits(rounds: int, monkeypatch) -> torch.Tensor:
    """How often each of 64 output bits flips with each of 128 input bits, float (128, 64), over 4,000 inputs."""
    monkeypatch.setattr(sys.modules["mezo_lab.optim.noise.threefry"], "ROUNDS", rounds)  # the function hides the module
    start = torch.from_numpy(numpy.random.default_rng(2).integers(-(1 << 31), 1 << 31, (4, 4_000)).astype(numpy.int32))
    places = torch.arange(32, dtype=torch.int32)
    shares = []
    for bit in range(128):
        flipped = start.clone()
        flipped[bit // 32] ^= torch.tensor(1 << 31 if bit % 32 == 31 else 1 << bit % 32).to(torch.int32)
        words = [torch.stack(threefry((x[0], x[1]), (x[2], x[3]))) for x in (start, flipped)]
        shares.append(((words[0] ^ words[1])[..., None] >> places & 1).float().mean(1).flatten())
    return torch.stack(shares)


def test_every_bit_of_key_and_counter_flips_every_bit_of_the_words_half_of_the_time(monkeypatch):
    error = 0.5 / 4_000**0.5
    assert (changed_bits(20, monkeypatch) - 0.5).abs().max() < 6 * error  # 8,192 shares: false alarm 2e-5
    assert (changed_bits(8, monkeypatch) - 0.5).abs().max() > 12 * error  # eight rounds do not mix enough
