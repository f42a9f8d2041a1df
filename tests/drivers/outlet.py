"""An LSL outlet that is run as a process of its own and told on stdin what to send."""

import json
import sys

import numpy as np


def pattern(start: int, n: int, channels: int, dtype: str) -> np.ndarray:
    """Samples number `start` to `start + n`: every value tells its sample and its channel."""
    number = np.arange(start, start + n)[:, None] * channels + np.arange(channels)
    if dtype.startswith("float"):
        return (number * 0.37).astype(dtype)
    return number.astype(np.int64).astype(dtype)  # wraps, as a converter's counter does


def main() -> None:
    import pylsl

    given = json.loads(sys.argv[1])
    channels, rate = given.get("channels", 4), given.get("rate", 1000.0)
    dtype = given.get("dtype", "float32")
    info = pylsl.StreamInfo(
        given["name"],
        given.get("type", "EEG"),
        channels,
        rate,
        {"float64": "double64", "str": "string"}.get(dtype, dtype),
        given.get("source_id", ""),
    )
    if "labels" in given:
        nodes = info.desc().append_child("channels")
        for label, unit in zip(given["labels"], given.get("units", [""] * channels), strict=True):
            node = nodes.append_child("channel")
            node.append_child_value("label", label)
            node.append_child_value("unit", unit)
    for key, text in given.get("acquisition", {}).items():
        info.desc().append_child("acquisition").append_child_value(key, text)
    outlet = pylsl.StreamOutlet(info, 0, 60)
    print("done", flush=True)
    sent, origin = 0, 1000.0
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "skip":
            sent += int(argument)
        else:
            assert outlet.wait_for_consumers(20)
        if command == "push":
            n = int(argument)
            samples = np.ascontiguousarray(pattern(sent, n, channels, dtype))
            sent += n
            stamp = origin + (sent - 1) / rate if rate else origin + sent
            outlet.push_chunk(samples, stamp)
        elif command == "texts":
            for text in json.loads(argument):
                outlet.push_sample([text] * channels, origin + sent)
                sent += 1
        print("done", flush=True)


if __name__ == "__main__":
    main()
