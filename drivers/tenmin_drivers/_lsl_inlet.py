"""The few calls of liblsl that the `lsl` driver makes."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from tenmin.errors import DeviceError, DeviceLost, DeviceMissing, LibraryMissing

if TYPE_CHECKING:
    from tenmin_drivers.lsl import LslConfig

WIDTHS = {1: 4, 2: 8, 4: 4, 5: 2, 6: 1, 7: 8}  # liblsl's channel_format -> bytes
BUFFER_S, BUFFER_BYTES = 10, 128_000_000  # liblsl's own default of 360 s is 8 GB for a probe
TWIN_S = 0.6  # liblsl asks unicast peers every 0.5 s: a second outlet has answered by then


class Inlet:
    """The few calls of liblsl that the driver makes; the seam for another transport."""

    def __init__(self, config: LslConfig) -> None:
        self._lsl = library()
        found = _resolve(self._lsl, config)
        self._uid = found.uid()
        self._finder: Any = None
        self._into: np.ndarray | None = None
        width = WIDTHS.get(found.channel_format(), 8)
        bytes_per_s = found.nominal_srate() * found.channel_count() * width
        seconds = min(BUFFER_S, max(2, int(BUFFER_BYTES / bytes_per_s))) if bytes_per_s else 100
        self._inlet = self._lsl.StreamInlet(found, seconds, 0, False, self._lsl.proc_none, True)
        self._timeout = config.resolve_timeout_s
        try:
            self.xml = self._inlet.info(self._timeout).as_xml()
        except RuntimeError as error:  # pylsl's TimeoutError or LostError
            raise self._mute(config, error) from error

    def open(self, config: LslConfig) -> None:
        """Subscribe to the samples pushed from now on."""
        try:
            self._inlet.open_stream(self._timeout)
        except RuntimeError as error:  # pylsl's TimeoutError or LostError
            raise self._mute(config, error) from error

    def pull(
        self, into: np.ndarray | None, at_least: int, at_most: int, timeout_s: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Samples, a view of `into` where that is given, and their time stamps, a view as well.

        Waits for `at_least` samples, then takes what else is there, at most `at_most`.
        """
        try:
            if into is None:
                return self._inlet.pull_chunk(timeout_s, at_most, None, at_least, True)
            if self._into is not into:
                self._pull_into(into)
            n = self._take(0, at_least, timeout_s)
            if n == at_least < at_most:
                with contextlib.suppress(RuntimeError):  # `n` is kept; the next pull says why
                    n += self._take(n, at_most - n, 0.0)
            return into[:n], self._stamps[:n]
        except RuntimeError as error:  # root of pylsl's errors; LostError in the main
            raise DeviceLost(f"The LSL outlet has closed ({error}).") from error

    def _pull_into(self, into: np.ndarray) -> None:
        # pylsl's own pull allocates, joins and wraps anew each time: half of the time of a read.
        self._into, self._stamps = into, np.empty(len(into))
        self._at = into.ctypes.data, self._stamps.ctypes.data
        self._width, self._row = into.shape[1], into.strides[0]
        self._failure = ctypes.c_int()
        self._failed = ctypes.byref(self._failure)

    def _take(self, first: int, most: int, timeout_s: float) -> int:
        values = self._inlet.do_pull_chunk(
            self._inlet.obj,
            ctypes.c_void_p(self._at[0] + first * self._row),
            ctypes.c_void_p(self._at[1] + first * 8),
            ctypes.c_size_t(most * self._width),
            ctypes.c_size_t(most),
            ctypes.c_double(timeout_s),
            self._failed,
        )
        if self._failure.value:
            self._lsl.util.handle_error(self._failure)
        return values // self._width

    def correction(self) -> float | None:
        """Clock offset of the sender; the first call starts its measurement."""
        try:
            return float(self._inlet.time_correction(0.0))
        except RuntimeError:  # pylsl's TimeoutError: not known yet, which is what None says
            return None

    def look(self) -> bool:
        """Whether the outlet answers; the first call only begins to ask, in the background."""
        if self._finder is None:
            self._finder = self._lsl.ContinuousResolver("uid", self._uid)
        return bool(self._finder.results())

    def look_no_more(self) -> None:
        """Stop asking."""
        self._finder = None

    def close(self) -> None:
        """Unsubscribe and free the buffers of liblsl."""
        self._finder = None
        self._inlet.close_stream()
        self._inlet = None

    def _mute(self, config: LslConfig, error: Exception) -> DeviceError:
        return DeviceError(
            f"{config.name}: the LSL outlet {_wanted(config)} was found but does not answer "
            f"({error}).",
            remedy="Let the firewall pass TCP and UDP 16572-16603 between the two machines.",
        )


def library() -> Any:
    """The module pylsl, whose wheel brings liblsl on most systems."""
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        raise LibraryMissing(
            f"liblsl cannot be loaded: {error}",
            remedy="Install pylsl>=1.18.6; where its wheel holds no library, name one in PYLSL_LIB "
            "(mne-lsl brings one, see docs/drivers/lsl.md).",
        ) from error
    return pylsl


def _resolve(lsl: Any, config: LslConfig) -> Any:
    """The one outlet that matches."""
    query = predicate(config)
    found = lsl.resolve_bypred(query, 1, config.resolve_timeout_s)
    if not found:
        raise DeviceMissing(
            f"{config.name}: no LSL outlet {_wanted(config)} within "
            f"{config.resolve_timeout_s:g} s.",
            remedy="Start its software; check the spelling in rig.toml and that UDP 16571 passes "
            "the firewall.",
        )
    if not config.source_id:  # which is there to be unique, so nothing to wait for
        found += lsl.resolve_bypred(query, 2, TWIN_S)
    different = {one.uid(): one for one in found}
    if len(different) > 1:
        several = "; ".join(
            f"{one.name()} ({one.type()}, source_id {one.source_id()!r}) on {one.hostname()}"
            for one in different.values()
        )
        raise DeviceError(
            f"{config.name}: {len(different)} LSL outlets match {_wanted(config)}: {several}.",
            remedy="Name one by source_id in rig.toml, or end the others.",
        )
    return found[0]


def predicate(config: LslConfig) -> str:
    """XPath 1.0 predicate of the outlet that a configuration means."""
    wanted = {"name": config.stream_name, "type": config.stream_type, "source_id": config.source_id}
    return " and ".join(f"{key}={_quoted(text)}" for key, text in wanted.items() if text)


def _quoted(text: str) -> str:
    """A text as an XPath literal, which knows no escapes."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    parts = (f"'{part}'" for part in text.split("'"))
    return "concat(" + ', "\'", '.join(parts) + ")"


def _wanted(config: LslConfig) -> str:
    return predicate(config).replace(" and ", ", ")
