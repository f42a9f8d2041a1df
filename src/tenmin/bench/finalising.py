"""The product's own finaliser, which tells what it has verified.

``python -m tenmin.bench.finalising DOT --follow``: what `tenmin.bench.engine` starts instead of
``tenmin.recorder.finaliser`` when the bench recycles (`tenmin.bench.recycle`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenmin.bench.recycle import FOLDER, LEDGER
from tenmin.recorder import finaliser
from tenmin.recorder.chunks import ChunkWriter
from tenmin.recorder.track import Track

STEP = 1 << 22  # bytes of a journal that are told at once
KEPT_BANDS = 2  # at the end of a dataset: the last look reads the last record once more


class Finaliser(finaliser.Finaliser):
    """As the product's; after each step it writes down what nobody will read again."""

    def open(self) -> None:
        """Begin the file, and a ledger of it."""
        super().open()
        self._read: dict[str, int] = {}
        self._bands: dict[str, int] = {}
        self._ledger = (Path(os.environ[FOLDER]) / LEDGER).open("ab", buffering=0)

    def advance(self) -> bool:
        """Take what is new in the journal, then tell what is verified."""
        grown = super().advance()
        for name, track in self.tracks.items():
            # Of a damaged journal nothing more is discarded: rows differ from its rows then.
            if isinstance(track.samples, ChunkWriter) and not track.damaged:
                self._tell(self.folder / f"{name}.bin", self._journal(name, track))
                self._tell(self.part, list(self._chunks(name, track, track.samples)))
        return grown

    def _tell(self, path: Path, spans: list[tuple[int, int]]) -> None:
        if spans:
            line: dict[str, Any] = {"file": str(path), "spans": spans}
            self._ledger.write(json.dumps(line).encode() + b"\n")

    def _journal(self, name: str, track: Track) -> list[tuple[int, int]]:
        """Bytes of the journal whose samples were read back from the file."""
        before = self._read.get(name, 0)
        upto = track.settled * track.stream.bytes_per_sample
        if upto - before < STEP:
            return []
        self._read[name] = upto
        return [(before, upto)]

    def _chunks(self, name: str, track: Track, writer: ChunkWriter) -> Iterator[tuple[int, int]]:
        """Where chunks lie that were read back; the first and the last ones stay."""
        done = writer.rows // writer.band_rows - KEPT_BANDS
        dataset = writer.dataset
        for band in range(self._bands.get(name, 1), done):
            for column in range(0, dataset.shape[1], dataset.chunks[1]):
                at = (band * writer.band_rows, column)
                chunk = dataset.id.get_chunk_info_by_coord(at)
                yield chunk.byte_offset, chunk.byte_offset + chunk.size
            self._bands[name] = band + 1


if __name__ == "__main__":
    vars(finaliser)["Finaliser"] = Finaliser
    sys.exit(finaliser.main())
