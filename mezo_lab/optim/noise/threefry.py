"""Threefry2x32-20: 64 bits of key and 64 bits of counter in, two random words out.

Chosen over Philox4x32-10 because it needs no product wider than its words: additions, shifts and exclusive ors of
32 bits fill a CPU's vector registers, and two words are one block of every law here.
"""

from typing import TypeVar

Words = TypeVar("Words")  # an int32 tensor or array; both wrap on overflow and shift arithmetically

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)  # Salmon et al. 2011, Table 2
PARITY = 0x1BD11BDA  # Skein's key-schedule constant, its low word
ROUNDS = 20


def threefry(key: tuple[Words, Words], counter: tuple[Words, Words]) -> tuple[Words, Words]:
    """Two words that look random, and are a bijection of the counter.

    Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011); tested against the known
    answers published with it. Cost: about 140 integer operations per block of two words.

    Args: key, counter: pairs of int32 tensors or numpy arrays that broadcast. Returns: two of the broadcast shape.

    >>> import torch
    >>> zero = torch.zeros(1, dtype=torch.int32)
    >>> [hex(int(word) % 2**32) for word in threefry((zero, zero), (zero, zero))]
    ['0x6b200159', '0x99ba4efe']
    """
    k0, k1 = key
    schedule = (k0, k1, k0 ^ k1 ^ PARITY)  # type: ignore[operator]
    x0 = counter[0] + k0  # type: ignore[operator]
    x1 = counter[1] + k1  # type: ignore[operator]
    for i in range(ROUNDS):
        x0 += x1
        places = ROTATIONS[i % 8]
        high = x1 << places
        x1 >>= 32 - places
        x1 &= (1 << places) - 1  # undoes the sign that an arithmetic shift drags in
        x1 |= high
        x1 ^= x0
        if i % 4 == 3:  # the key goes in again
            j = i // 4 + 1
            x0 += schedule[j % 3]
            x1 += schedule[(j + 1) % 3] + j  # type: ignore[operator]
    return x0, x1
