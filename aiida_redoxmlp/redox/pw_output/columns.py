"""Numbers at fixed columns of texts that are alike, all read at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ("Columns",)

_PADDING = b" 0"
_SPARE = 2
"""Columns by which a number may be longer than in the text the columns were taken from."""
_LARGEST = 2.0**53
"""Whole numbers up to here are exact, and so is their quotient by a power of ten as near as float() comes."""


class Columns:
    """The places of numbers in a text of fixed length; everything else in it is fixed.

    Digits are gathered into a table with the decimal points in line, so that one product with powers of ten gives
    all numbers times the same power.
    """

    def __init__(self, text: bytes, places: Sequence[tuple[int, int, int]]) -> None:
        """Take the columns from a text.

        Args:
            text: the text.
            places: start, end and number of decimals of each number; blanks at the start belong to it.
        """
        self._length = len(text)
        after = max(decimals for _, _, decimals in places)
        shapes = [_shape(text, *place) for place in places]
        self._whole = max(used for _, used, _ in shapes) + _SPARE
        table = np.empty((len(places), self._whole + after), dtype=np.intp)
        table[:, : self._whole], table[:, self._whole :] = self._length, self._length + 1
        for row, (room, _, point), (_, end, decimals) in zip(table, shapes, places, strict=True):
            width = min(room, self._whole)
            row[self._whole - width : self._whole] = range(point - width, point)
            row[self._whole : self._whole + decimals] = range(end - decimals, end)
        self._table = table
        self._powers = 10.0 ** np.arange(table.shape[1] - 1, -1, -1)
        self._scale = 10.0**after
        padded = np.frombuffer(text + _PADDING, dtype=np.uint8)
        self._mask = np.full(len(padded), 255, dtype=np.uint8)
        self._mask[np.unique(table)] = 0
        self._mask[-len(_PADDING) :] = 255
        self._fixed = padded & self._mask

    def read(self, texts: Sequence[bytes]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the numbers of each text, and which texts have them in these columns and the same text between.

        A number is blanks, perhaps a minus, digits, a point and digits; a column of blank comes before it.

        Args:
            texts: each as long as the one the columns were taken from.
        """
        padded = np.frombuffer(_PADDING.join([*texts, b""]), dtype=np.uint8).reshape(len(texts), -1)
        good = ((padded & self._mask) == self._fixed).all(axis=1)
        characters = padded[:, self._table]
        digits = characters - ord("0")
        is_digit = digits < 10
        before = characters[:, :, : self._whole]
        is_minus, digit_before = before == ord("-"), is_digit[:, :, : self._whole]
        allowed = digit_before | is_minus | (before == ord(" "))
        # Blanks come first, then at most one minus, then digits, of which there is at least one before the point.
        out_of_order = (digit_before | is_minus)[:, :, :-1] & ~digit_before[:, :, 1:]
        good &= allowed.all(axis=(1, 2)) & ~out_of_order.any(axis=(1, 2))
        good &= is_digit[:, :, self._whole - 1 :].all(axis=(1, 2))
        digits *= is_digit
        scaled = digits.astype(np.float64) @ self._powers
        good &= (scaled < _LARGEST).all(axis=1)
        values = scaled / self._scale
        np.negative(values, out=values, where=is_minus.any(axis=2))
        return values, good

    def fits(self, text: bytes) -> bool:
        """Whether a text is as long as the one the columns were taken from."""
        return len(text) == self._length


def _shape(text: bytes, start: int, end: int, decimals: int) -> tuple[int, int, int]:
    """Return how many columns a number has before its point, how many it uses, and where its point is."""
    point = end - decimals - (decimals > 0)
    return point - start, len(text[start:point].lstrip()), point
