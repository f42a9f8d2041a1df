"""Any board of the BrainFlow library, by its id: OpenBCI, Muse, Unicorn, ANT Neuro and more."""

from __future__ import annotations

import importlib.resources
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from tenmin.errors import (
    DeviceError,
    DeviceLost,
    DeviceMissing,
    LibraryMissing,
    PortInUse,
    StreamStalled,
    UsageError,
)
from tenmin.source import STALL_S, DeviceConfig
from tenmin.stream import Chunk, Stream

SYNTHETIC, STREAMING, PLAYBACK = -1, -2, -3
POLL_S = 0.02
PULL_S = STALL_S * 0.9
LOST_S = 3.0  # the library never says that a board is gone: so long a silence means it
BUFFER_S = 30.0

# Boards whose package number is known to count single samples, and its width in bits. Others
# count packets of several samples, or by twos: `counter_bits` in rig.toml for whoever knows.
COUNTER_BITS = {SYNTHETIC: 8, 0: 8, 5: 8}

MISSING = (2, 3, 6, 7, 15, 18)  # BrainFlowExitCodes: port, board or its answer is not there
IN_USE = (1, 16)
ARGUMENTS = (13, 14)


@dataclass(frozen=True, kw_only=True)
class BrainflowConfig(DeviceConfig):
    """Keys of ``driver = "brainflow"``.

    Attributes
    ----------
    board_id : int or str
        Number or name: ``0``, ``"CYTON_BOARD"``.
    signal : str, optional
        ``"eeg"``, ``"emg"``, ``"ecg"`` or ``"eog"``; the first of them that the board has.
    counter_bits : int, optional
        Width of the board's package number; 0 where it does not count samples.
    preset : str
        ``"default"``, ``"auxiliary"`` or ``"ancillary"``.
    serial_port, mac_address, ip_address, ip_port, file, master_board, other_info, timeout_s
        What the board needs to be found: see BrainFlow's page of supported boards.
    """

    board_id: int | str
    signal: str | None = None
    counter_bits: int | None = None
    preset: str = "default"
    serial_port: str = ""
    mac_address: str = ""
    ip_address: str = ""
    ip_port: int = 0
    file: str = ""
    master_board: int | str | None = None
    other_info: str = ""
    timeout_s: int = 0

    def __post_init__(self) -> None:
        if self.signal not in (None, *SIGNALS):
            raise UsageError(
                f"Device {self.name}: signal is {self.signal!r}.",
                remedy=f"Write one of {', '.join(SIGNALS)}.",
            )


SIGNALS = ("eeg", "emg", "ecg", "eog")


class Session:
    """A board of the library, prepared and streaming; the seam for another transport.

    Attributes
    ----------
    description : dict
        What ``BoardShim.get_board_descr`` says of the board, or of the one behind a file.
    board_id : int
        Number of that board.
    """

    def __init__(self, config: BrainflowConfig) -> None:
        lib = _library()
        number = _number(lib, config, config.board_id)
        master = config.master_board
        self.board_id = number if master is None else _number(lib, config, master)
        self._preset, self._board = _preset(lib, config, self.board_id), None
        try:
            self.description = lib.Board.get_board_descr(self.board_id, self._preset)
            board = lib.Board(number, _parameters(lib, config))
            board.prepare_session()
            self._board = board
            rate = float(self.description["sampling_rate"])
            board.start_stream(max(1000, int(rate * BUFFER_S)))
        except lib.BrainFlowError as error:
            self.close()
            raise _refusal(config, error) from error

    def data(self) -> np.ndarray:
        """All rows of the samples since the last call, (rows, n), float64."""
        assert self._board is not None
        return self._board.get_board_data(preset=self._preset)

    def close(self) -> None:
        """Stop the board and let another program have it."""
        board, self._board = self._board, None
        if board is not None:
            board.release_session()  # which stops the stream too


class Brainflow:
    """Potentials of a board, in microvolts as the library scales them."""

    Config = BrainflowConfig
    isolate = True  # native code of many vendors, one board per process

    def __init__(
        self, config: BrainflowConfig, connect: Callable[[BrainflowConfig], Any] = Session
    ) -> None:
        self._config, self._connect = config, connect
        self._session: Any = None
        self.stream = Stream(config.name, (), 0.0, "volts", 1e-6, dtype="float64", timed=True)

    def start(self) -> None:
        """Prepare the board and let it stream."""
        self.stop()
        self._session = self._connect(self._config)
        self._heard = time.monotonic()
        try:
            self._describe(self._session.description, self._session.board_id)
        except Exception:
            self.stop()
            raise

    def read(self) -> Chunk:
        """New samples; `DeviceLost` after 3 s of silence, for a board does not come back itself."""
        if self._session is None:
            raise DeviceLost(f"{self.stream.name} is not open.")
        deadline = time.monotonic() + PULL_S
        rows = self._data()
        while not rows.shape[1] and time.monotonic() < deadline:
            time.sleep(POLL_S)
            rows = self._data()
        now_ns = time.monotonic_ns()
        if not rows.shape[1]:
            silent = now_ns * 1e-9 - self._heard
            text = f"{self.stream.name} has sent nothing for {silent:.1f} s."
            raise DeviceLost(text) if silent > LOST_S else StreamStalled(text)
        self._heard = now_ns * 1e-9
        index = rows[self._counter].astype(np.int64) if self.stream.counter else None
        samples = np.ascontiguousarray(rows[self._rows].T)
        return Chunk(samples, index, rows[self._time].copy(), now_ns)

    def stop(self) -> None:
        """Release the board."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _data(self) -> np.ndarray:
        try:
            return self._session.data()
        except DeviceError:
            raise
        except Exception as error:  # BrainFlowError, whose module is not imported here
            raise DeviceLost(f"{self.stream.name}: the library gave up ({error}).") from error

    def _describe(self, board: dict[str, Any], board_id: int) -> None:
        config = self._config
        wanted = (config.signal,) if config.signal else SIGNALS
        signal = next((one for one in wanted if board.get(f"{one}_channels")), None)
        if signal is None:
            raise DeviceError(
                f"{config.name}: the board {board['name']} has no channels of "
                f"{' or '.join(wanted)} in the preset {config.preset}.",
                remedy="Choose another signal or preset in rig.toml.",
            )
        self._rows = np.array(board[f"{signal}_channels"])
        self._counter, self._time = board["package_num_channel"], board["timestamp_channel"]
        bits = config.counter_bits
        bits = COUNTER_BITS.get(board_id, 0) if bits is None else bits
        names = str(board.get(f"{signal}_names", "")).split(",")
        labels = [f"{signal}{number + 1}" for number in range(len(self._rows))]
        self.stream = Stream(
            config.name,
            tuple(names if len(names) == len(labels) else labels),
            float(board["sampling_rate"]),
            "volts",
            1e-6,
            dtype="float64",
            kind="eeg" if signal == "eeg" else "other",
            counter=bits > 0,
            index_bits=bits or None,
            index_restarts=bits > 0,
            timed=True,
            facts={"model": str(board["name"]), "board_id": str(board_id)},
        )


def rehearse(**options: Any) -> Any:
    """The library's synthetic board, which needs no far side (`tenmin.source.Rehearsal`)."""
    return SimpleNamespace(
        config={"board_id": SYNTHETIC, **options}, truth={}, faults=(), close=lambda: None
    )


def _library() -> Any:
    """The names of the library that are used here."""
    try:
        import brainflow.board_shim as shim
        from brainflow.exit_codes import BrainFlowError

        if sys.version_info < (3, 12):
            # brainflow 5.23 asks for the files of a module, which importlib knows from 3.12 on,
            # and falls back to pkg_resources, which setuptools 82 removed.
            shim.files = lambda _: importlib.resources.files("brainflow")

        class Board(shim.BoardShim):
            """A board that ends by `close` alone, not by losing its last name.

            BoardShim's own end releases whatever session has the same parameters, be it another
            object's.
            """

            def __del__(self) -> None:
                pass

        Board.disable_board_logger()
    except (ImportError, OSError) as error:
        raise LibraryMissing(
            f"BrainFlow cannot be loaded: {error}", remedy="pip install 'tenmin[brainflow]'"
        ) from error
    return SimpleNamespace(
        Board=Board,
        BoardIds=shim.BoardIds,
        Parameters=shim.BrainFlowInputParams,
        BrainFlowPresets=shim.BrainFlowPresets,
        BrainFlowError=BrainFlowError,
    )


def _number(lib: Any, config: BrainflowConfig, board: int | str) -> int:
    """Number of a board given by number or name."""
    try:
        return int(lib.BoardIds[board].value if isinstance(board, str) else lib.BoardIds(board))
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"Device {config.name}: BrainFlow knows no board {board!r}.",
            remedy="See BrainFlow's page of supported boards for the number or the name.",
        ) from error


def _preset(lib: Any, config: BrainflowConfig, board_id: int) -> int:
    """Number of the preset; the library is not asked for one that the board does not have.

    brainflow 5.23 keeps an empty entry for it and then refuses to start that board at all.
    """
    presets = {
        lib.BrainFlowPresets(number).name.removesuffix("_PRESET").lower(): number
        for number in lib.Board.get_board_presets(board_id)
    }
    if config.preset not in presets:
        raise UsageError(
            f"Device {config.name}: the board {config.board_id} has no preset {config.preset!r}.",
            remedy=f"It has {', '.join(presets)}.",
        )
    return int(presets[config.preset])


def _parameters(lib: Any, config: BrainflowConfig) -> Any:
    parameters = lib.Parameters()
    for key in ("serial_port", "mac_address", "ip_address", "ip_port", "file", "other_info"):
        setattr(parameters, key, getattr(config, key))
    parameters.serial_number = config.serial_number or ""
    parameters.timeout = config.timeout_s
    if config.master_board is not None:
        parameters.master_board = _number(lib, config, config.master_board)
    return parameters


def _refusal(config: BrainflowConfig, error: Any) -> DeviceError | UsageError:
    """What the library's exit code means."""
    code, name = error.exit_code, config.name
    text = f"{name}: the board {config.board_id} cannot be opened ({error})."
    if code in MISSING:
        return DeviceMissing(text)
    if code in IN_USE:
        return PortInUse(text, remedy="Close the other program that has the board, then retry.")
    if code in ARGUMENTS:
        return UsageError(text, remedy="Check the keys that BrainFlow needs for this board.")
    return DeviceError(text)
