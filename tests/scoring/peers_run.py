"""Run by an interpreter that has SpikeInterface, pyprep and pyABF: arrays in, answers out.

``python peers_run.py IN.npz OUT.json``; it imports nothing of ours.
"""

import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")


def spikeinterface(data):
    """Labels of every channel by IBL's rule."""
    import spikeinterface
    from probeinterface import generate_linear_probe
    from spikeinterface.core import NumpyRecording
    from spikeinterface.preprocessing import detect_bad_channels

    samples, rate_hz = data["samples"], float(data["rate_hz"])
    recording = NumpyRecording([samples.astype("float32")], rate_hz)
    probe = generate_linear_probe(num_elec=samples.shape[1], ypitch=20)
    probe.set_device_channel_indices(np.arange(samples.shape[1]))
    recording.set_channel_gains(1.0)
    recording.set_channel_offsets(0.0)
    probed = recording.set_probe(probe)
    recording = recording if probed is None else probed  # by version, in place or not
    _, labels = detect_bad_channels(recording, method="coherence+psd", seed=0)
    return {"version": spikeinterface.__version__, "labels": [str(v) for v in labels]}


def pyprep(data):
    """Bad channels by PREP without RANSAC, by criterion."""
    import mne
    import pyprep as package
    from pyprep import NoisyChannels

    names = [str(n) for n in data["names"]]
    info = mne.create_info(names, float(data["rate_hz"]), "eeg")
    raw = mne.io.RawArray(data["samples"].T * 1e-6, info, verbose="error")
    noisy = NoisyChannels(raw, random_state=0)
    noisy.find_all_bads(ransac=False)
    return {
        "version": package.__version__,
        "bads": {key: list(map(str, value)) for key, value in noisy.get_bads(as_dict=True).items()},
    }


def pyabf(data):
    """Access resistance of every sweep, MOhm."""
    import pyabf as package
    import pyabf.tools.memtest

    found = {}
    for path in data["paths"].tolist():
        test = pyabf.tools.memtest.Memtest(package.ABF(path))
        found[path] = [float(v) for v in test.Ra.values]
    return {"version": package.__version__, "access": found}


PROGRAMS = {"spikeinterface": spikeinterface, "pyprep": pyprep, "pyabf": pyabf}

if __name__ == "__main__":
    with np.load(sys.argv[1], allow_pickle=False) as file:
        given = {key: file[key] for key in file.files}
    answer = PROGRAMS[str(given["program"])](given)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        json.dump(answer, out)
