"""A board on a TCP port: driver and simulator of a distribution that tenmin does not know."""

import dataclasses
import json
import queue
import select
import socket
import subprocess
import sys
import threading
import time

import numpy as np

from tenmin.errors import DeviceLost, DeviceMissing, StreamStalled
from tenmin.source import STALL_S, DeviceConfig
from tenmin.stream import Chunk, Stream

FRAME = np.dtype([("index", "<u2"), ("samples", "<i2", (2,))])
RATE_HZ = 500.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(DeviceConfig):
    port: int
    host: str = "127.0.0.1"


class StrangerBoard:
    """Two channels of int16 at 500 Hz."""

    Config = Config

    def __init__(self, config, connect=socket.create_connection):
        self._config, self._connect, self._socket = config, connect, None
        self.stream = Stream(
            config.name,
            ("left", "right"),
            RATE_HZ,
            "volts",
            1e-6,
            kind="eeg",
            counter=True,
            index_bits=16,
            index_restarts=True,
        )

    def start(self):
        self.stop()
        try:
            self._socket = self._connect((self._config.host, self._config.port), 1.0)
        except OSError as error:
            raise DeviceMissing(f"No board at port {self._config.port} ({error}).") from error
        self._socket.settimeout(STALL_S * 0.9)
        self._rest = b""

    def read(self):
        if self._socket is None:
            raise DeviceLost("The board is not open.")
        try:
            data = self._socket.recv(65_536)
        except TimeoutError as error:
            raise StreamStalled("The board sent nothing.") from error
        except OSError as error:
            raise DeviceLost(f"The board is gone ({error}).") from error
        if not data:
            raise DeviceLost("The board closed its port.")
        data = self._rest + data
        whole = len(data) - len(data) % FRAME.itemsize
        self._rest = data[whole:]
        if not whole:
            raise StreamStalled("The board sent half a frame.")
        frames = np.frombuffer(data[:whole], FRAME)
        return Chunk(frames["samples"].copy(), frames["index"].copy(), None, time.monotonic_ns())

    def stop(self):
        if self._socket is not None:
            self._socket.close()
        self._socket = None


class Rehearsal:
    """The board in a process of its own, told on stdin what to do."""

    faults = ("pause", "unplug")

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.truth = self.config = json.loads(self._process.stdout.readline())

    def _tell(self, word):
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def pause(self):
        self._tell("pause")

    def resume(self):
        self._tell("resume")

    def unplug(self):
        self._tell("unplug")

    def replug(self):
        self._tell("replug")

    def close(self):
        self._process.kill()
        self._process.communicate()


def rehearse(**options):
    return Rehearsal()


def _listen(words):
    for line in sys.stdin:
        words.put(line.strip())
    words.put("")


def run(options=None):
    """Serve until stdin ends."""
    server = socket.create_server(("127.0.0.1", 0))
    port, client, paused, first, began = server.getsockname()[1], None, False, 0, 0.0
    print(json.dumps({"port": port}), flush=True)
    words = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(words,), daemon=True).start()
    while True:
        ends = [end for end in (server, client) if end is not None]
        ready, _, _ = select.select(ends, [], [], 0.01) if ends else ([], [], [])
        if not ends:
            time.sleep(0.01)
        if not words.empty():
            word = words.get()
            if not word:
                return 0
            paused = {"pause": True, "resume": False}.get(word, paused)
            if word == "unplug" and server is not None:
                for end in ends:
                    end.close()
                server = client = None
            elif word == "replug" and server is None:
                server = socket.create_server(("127.0.0.1", port))
            print("done", flush=True)
            continue
        if server in ready:
            if client is not None:
                client.close()
            client, first, began = server.accept()[0], 0, time.monotonic()
        elif client in ready:  # nothing is ever sent to the board: the driver hung up
            client.close()
            client = None
        if client is not None:
            stop = int((time.monotonic() - began) * RATE_HZ)
            frames = np.zeros(stop - first, FRAME)
            frames["index"] = np.arange(first, stop) % 2**16
            frames["samples"] = np.arange(first, stop)[:, None] % 1000 * [1, -1]
            first = stop
            if not paused:
                try:
                    client.sendall(frames.tobytes())
                except OSError:
                    client.close()
                    client = None


if __name__ == "__main__":
    sys.exit(run())
