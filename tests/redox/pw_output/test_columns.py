from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.redox.pw_output.columns import Columns

LINE = "x = {:12.3f} y = {:16.8f} n = {:5d}\n"
TEXT = LINE.format(0.982, -398.17618199, 12).encode()
PLACES = [(5, 16, 3), (22, 37, 8), (43, 47, 0)]


def _columns() -> Columns:
    assert [TEXT[start:end].strip() for start, end, _ in PLACES] == [b"0.982", b"-398.17618199", b"12"]
    return Columns(TEXT, PLACES)


@given(
    st.lists(
        st.tuples(st.integers(-9999, 9999), st.integers(-(10**11), 10**11), st.integers(0, 999)), min_size=1, max_size=4
    )
)
def test_numbers_are_those_that_float_reads(rows):
    texts = [LINE.format(a / 1e3, b / 1e8, c) for a, b, c in rows]
    values, good = _columns().read([text.encode() for text in texts])
    assert good.all()
    expected = [[float(word) for word in text.split() if word[-1].isdigit()] for text in texts]
    np.testing.assert_array_equal(values, expected)


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 255))
def test_a_changed_byte_is_another_number_or_refused(at, byte):
    text = TEXT[:at] + bytes([byte]) + TEXT[at + 1 :]
    values, good = _columns().read([text])
    if good[0]:
        words = text.decode().split()
        np.testing.assert_array_equal(values[0], [float(words[index]) for index in (2, 5, 8)])


def test_one_bad_text_does_not_spoil_the_others():
    values, good = _columns().read([TEXT, TEXT.replace(b"x", b"z"), TEXT.replace(b"0.982", b"*****"), TEXT])
    assert good.tolist() == [True, False, False, True]
    np.testing.assert_array_equal(values[0], values[3])
