"""Canonical forms of many configurations at once: bits in machine words, permuted through tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("CanonicalForms", "Packing")

Words = NDArray[np.uint64]
"""Packed configurations, shape (n_words, n_configurations); the first word has the first sites."""

_WORD = 64
_CHUNK = 8
_CONFIGURATIONS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class Packing:
    """Writes rows of small integers as bits of 64-bit words, so that comparing words compares rows.

    A site gets as many bits as its number of species needs, the first site the highest; no site is on two words.

    Attributes:
        sizes: number of species of each site, shape (n_sites,).
    """

    sizes: NDArray[np.int64]

    @cached_property
    def bits(self) -> NDArray[np.int64]:
        """Number of bits of each site, shape (n_sites,)."""
        return np.array([(int(size) - 1).bit_length() for size in self.sizes], dtype=np.int64)

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Word of each site and how far its lowest bit is from the word's, shape (n_sites, 2)."""
        places, word, left = [], 0, _WORD
        for bits in self.bits.tolist():
            if bits > left:
                word, left = word + 1, _WORD
            left -= bits
            places.append((word, left))
        return np.array(places, dtype=np.int64).reshape(-1, 2)

    @property
    def n_words(self) -> int:
        """Number of words of a configuration."""
        return int(self.places[-1, 0]) + 1

    def pack(self, rows: NDArray[np.int8]) -> Words:
        """Return the words of rows of shape (n_configurations, n_sites)."""
        words = np.zeros((self.n_words, len(rows)), dtype=np.uint64)
        for site, (word, shift) in enumerate(self.places.tolist()):
            words[word] |= rows[:, site].astype(np.uint64) << np.uint64(shift)
        return words

    def unpack(self, words: Words) -> NDArray[np.int8]:
        """Return the rows, shape (n_configurations, n_sites)."""
        rows = np.empty((words.shape[1], len(self.sizes)), dtype=np.int8)
        for site, ((word, shift), bits) in enumerate(zip(self.places.tolist(), self.bits.tolist(), strict=True)):
            rows[:, site] = (words[word] >> np.uint64(shift)) & np.uint64((1 << bits) - 1)
        return rows


class CanonicalForms:
    """The lexicographically smallest image of configurations under a group of site permutations.

    A permutation of the sites permutes the bits, and the image of a word is the union of the images of its bytes,
    which are looked up: (n_operations × n_bytes × 256) words of memory.

    Args:
        sizes: number of species of each site, shape (n_sites,).
        permutations: the group, shape (n_operations, n_sites), each operation once; what is on site k goes to
            ``permutation[k]``, which has as many species.
    """

    def __init__(self, sizes: NDArray[np.int64], permutations: NDArray[np.int64]) -> None:
        self.packing = Packing(sizes)
        self.permutations = permutations
        self._tables = _image_tables(self.packing, permutations)

    @classmethod
    def of(cls, space: ConfigurationSpace) -> CanonicalForms:
        """Return the canonical forms of a space under the symmetry of its lattice."""
        return cls(space.rules.sizes, space.permutations)

    def canonical(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the canonical form of every row, shape (n_configurations, n_sites)."""
        return self.canonical_with_multiplicity(rows)[0]

    def multiplicity(self, rows: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return the number of configurations that symmetry makes equivalent to each row, itself included."""
        return self.canonical_with_multiplicity(rows)[1]

    def canonical_with_multiplicity(self, rows: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Return canonical forms, shape (n_configurations, n_sites), and multiplicities, shape (n_configurations,).

        By the orbit-stabiliser theorem the multiplicity is the number of operations over the number of those that
        leave the row as it is.
        """
        forms, multiplicities = np.empty_like(rows), np.empty(len(rows), dtype=np.int64)
        for start in range(0, len(rows), _CONFIGURATIONS_AT_ONCE):
            part = slice(start, start + _CONFIGURATIONS_AT_ONCE)
            words = self.packing.pack(rows[part])
            smallest, fixed = words.copy(), np.zeros(words.shape[1], dtype=np.int64)
            chunks = self.chunks(words)
            for operation in range(len(self.permutations)):
                image = self.image(chunks, operation)
                fixed += (image == words).all(axis=0)
                smaller = is_less(image, smallest)
                smallest = np.where(smaller, image, smallest)
            forms[part], multiplicities[part] = self.packing.unpack(smallest), len(self.permutations) // fixed
        return forms, multiplicities

    def keys(self, rows: NDArray[np.int8]) -> list[bytes]:
        """Return a key for every row that equivalent configurations share, to remember what was found for them."""
        return [form.tobytes() for form in self.canonical(rows)]

    def chunks(self, words: Words) -> NDArray[np.intp]:
        """Return the bytes of packed configurations, each word's lowest first, shape (n_bytes, n_configurations)."""
        shifts = np.arange(0, _WORD, _CHUNK, dtype=np.uint64)
        pieces = (words[:, None, :] >> shifts[None, :, None]) & np.uint64((1 << _CHUNK) - 1)
        used: NDArray[np.intp] = pieces.reshape(-1, words.shape[1])[self._tables.used].astype(np.intp)
        return used

    def image(self, chunks: NDArray[np.intp], operation: int) -> Words:
        """Return the images of packed configurations, given by their bytes, under one operation."""
        table = self._tables.images[operation]
        image: Words = table[0][:, chunks[0]]
        for lookup, piece in zip(table[1:], chunks[1:], strict=True):
            image |= lookup[:, piece]
        return image


def is_less(first: Words, second: Words) -> NDArray[np.bool_]:
    """Return which configurations come before others in lexicographic order, shape (n_configurations,)."""
    less: NDArray[np.bool_] = first[-1] < second[-1]
    for one, other in zip(first[-2::-1], second[-2::-1], strict=True):
        less = (one < other) | ((one == other) & less)
    return less


@dataclass(frozen=True, eq=False)
class _ImageTables:
    """Images of the bytes that hold sites.

    Attributes:
        used: numbers of those bytes, counted through all words from the lowest byte of each.
        images: shape (n_operations, n_bytes, n_words, 256).
    """

    used: NDArray[np.int64]
    images: NDArray[np.uint64]


def _image_tables(packing: Packing, permutations: NDArray[np.int64]) -> _ImageTables:
    """Return the image of every value of every byte under every operation."""
    words, shifts = packing.places.T
    bits = np.zeros((len(permutations), packing.n_words * _WORD, packing.n_words), dtype=np.uint64)
    operations = np.arange(len(permutations))
    for site, width in enumerate(packing.bits.tolist()):
        target = permutations[:, site]
        for bit in range(width):
            source = _WORD * int(words[site]) + int(shifts[site]) + bit
            bits[operations, source, words[target]] = np.uint64(1) << (shifts[target] + bit).astype(np.uint64)
    used = np.flatnonzero(bits.reshape(len(permutations), -1, _CHUNK * packing.n_words).any(axis=(0, 2)))
    used = used if len(used) else np.array([0])
    singles = bits.reshape(len(permutations), -1, _CHUNK, packing.n_words)[:, used]
    images = np.zeros((len(permutations), len(used), packing.n_words, 1 << _CHUNK), dtype=np.uint64)
    for bit in range(_CHUNK):
        half = 1 << bit
        images[..., half : 2 * half] = images[..., :half] | singles[:, :, bit, :, None]
    return _ImageTables(used, images)
