"""A file on a disk that has room for so many bytes."""

from __future__ import annotations

import errno
import io
import os


class Filling(io.FileIO):
    """A file on a disk that takes `room` more bytes, and then fails."""

    room = 0
    code = errno.ENOSPC

    def write(self, data):
        if Filling.room <= 0:
            raise OSError(Filling.code, os.strerror(Filling.code))
        n = super().write(bytes(data[: Filling.room]))
        Filling.room -= n
        return n


def filling(path, mode):
    return Filling(path, mode.replace("b", ""))
