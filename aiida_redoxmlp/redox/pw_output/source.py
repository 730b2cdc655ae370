"""Where the bytes of a pw.x output come from: a path, gzip-compressed or not, or an open stream."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from aiida_redoxmlp.errors import OutputFormatError

__all__ = ("ByteSource", "Source")

Source = Path | BinaryIO | TextIO

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_FORMAT = 31
_CHUNK = 2**20
"""Bytes read at once: large against a step, small against memory."""
_PACKED_CHUNK = 2**14
"""Compressed bytes unpacked at once; where one piece is damaged the whole of it is lost, so it is small."""


class ByteSource:
    """The uncompressed content of a path or an open stream, in chunks.

    Iterate it once. Content of a gzip file that is cut off or damaged ends where it can no longer be unpacked; a file
    that can no longer be read ends there.

    Attributes:
        name: what to call the source at the start of a sentence.
        problem: after iteration, the sentence that says why the content ended early, or None.
    """

    def __init__(self, source: Source) -> None:
        self.name = str(source) if isinstance(source, Path) else "The text"
        self.problem: str | None = None
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks, never an empty one.

        Raises:
            OutputFormatError: if a path cannot be opened.
        """
        if not isinstance(self._source, Path):
            yield from self._unpacked(_chunks(self._source))
            return
        try:
            file = self._source.open("rb")
        except OSError as error:
            raise OutputFormatError(
                f"{self.name} cannot be read ({error.strerror}); give the text that pw.x printed."
            ) from error
        with file:
            yield from self._unpacked(self._readable(file))

    def _readable(self, file: BinaryIO) -> Iterator[bytes]:
        try:
            yield from _chunks(file)
        except OSError as error:
            self.problem = f"The file could not be read to its end ({error.strerror})."

    def _unpacked(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        first = next(chunks, b"")
        if first.startswith(_GZIP_MAGIC):
            yield from self._unzipped(first, chunks)
        elif first:
            yield first
            yield from chunks

    def _unzipped(self, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        unpack, begun = zlib.decompressobj(_GZIP_FORMAT), False
        try:
            for piece in _pieces(first, chunks):
                packed = piece
                while packed:
                    content = unpack.decompress(packed)
                    if content:
                        yield content
                    begun = not unpack.eof
                    # A gzip file may be several, one after the other, and padded with zeros.
                    packed = unpack.unused_data.lstrip(b"\0")
                    if unpack.eof:
                        unpack = zlib.decompressobj(_GZIP_FORMAT)
        except zlib.error as error:
            self.problem = f"The compressed file is damaged ({error})."
            return
        if begun:
            self.problem = "The compressed file is cut off."


def _pieces(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    chunk = first
    while chunk:
        for start in range(0, len(chunk), _PACKED_CHUNK):
            yield chunk[start : start + _PACKED_CHUNK]
        chunk = next(chunks, b"")


def _chunks(stream: BinaryIO | TextIO) -> Iterator[bytes]:
    while content := stream.read(_CHUNK):
        yield content if isinstance(content, bytes) else content.encode("utf-8", "replace")
