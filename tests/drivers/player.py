"""mne-lsl's player of a FIF file as a process of its own: file, stream name, source id."""

import sys

import mne
from mne_lsl.player import PlayerLSL


def main() -> None:
    mne.set_log_level("ERROR")
    player = PlayerLSL(
        sys.argv[1], chunk_size=10, name=sys.argv[2], source_id=sys.argv[3], annotations=False
    )
    player.start()
    print("done", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
