import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tenmin import examples
from tenmin.errors import FaultyFile, UnknownName
from tenmin.rig import Rig, device_configs, load_rig
from tenmin.source import DeviceConfig

HEAD = '[rig]\nid = "two-photon-left"\nmains_hz = 50\n'
PROBE = '[[device]]\nname = "probe"\ndriver = "toy"\nrate_hz = 100.0\nprimary = true\n'
FRAMES = '[[device]]\nname = "frames"\ndriver = "toy"\nrate_hz = 30.0\nsource = "probe:3"\n'


@dataclass(frozen=True, kw_only=True)
class ToyConfig(DeviceConfig):
    rate_hz: float
    channels: int = 4
    labels: tuple[str, ...] = ()
    source: str | None = None
    file: Path | None = None

    def __post_init__(self):
        if self.channels > 9:
            raise ValueError("it has nine channels at most")


class Toy:
    Config = ToyConfig


@pytest.fixture(autouse=True)
def toy_driver(tmp_path, monkeypatch):
    """A driver of another distribution."""
    info = tmp_path / "site" / "tenmin_toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tenmin-toy\n")
    (info / "entry_points.txt").write_text("[tenmin.drivers]\ntoy = toy_of_test_rig:Toy\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setitem(sys.modules, "toy_of_test_rig", sys.modules[__name__])


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "rig.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def faults(path):
    with pytest.raises(FaultyFile) as caught:
        load_rig(path)
    return caught.value.faults


def test_a_rig_file_becomes_a_rig(written):
    rig = load_rig(written(HEAD + PROBE + FRAMES))
    assert (rig.id, rig.mains_hz, rig.primary.name) == ("two-photon-left", 50, "probe")
    assert isinstance(rig.device("frames"), ToyConfig)
    assert rig.runtime_name == "two-photon-left"
    assert not rig.simulated


def test_an_integer_is_taken_where_a_float_is_due(written):
    rig = load_rig(written(HEAD + PROBE.replace("100.0", "100")))
    assert rig.primary.rate_hz == 100.0


def test_a_list_of_toml_becomes_a_tuple(written):
    rig = load_rig(written(HEAD + PROBE + 'labels = ["a", "b"]\n'))
    assert rig.primary.labels == ("a", "b")


def test_a_relative_path_begins_at_the_rig_file(written, tmp_path):
    rig = load_rig(written(HEAD + PROBE + 'file = "data.nwb"\n'))
    assert rig.primary.file == tmp_path / "data.nwb"


def test_the_mains_frequency_is_a_fact_of_the_recording(written):
    assert load_rig(written(HEAD + PROBE)).facts["ephys.line_freq_hz"] == 50


def test_facts_may_be_nested_or_dotted(written):
    text = '[facts]\n"env.humidity_pct" = 40\nenv.lux_at_eye = 12.0\n[facts.ephys]\ngain = 2\n'
    facts = load_rig(written(HEAD + text + PROBE)).facts
    assert (facts["env.humidity_pct"], facts["env.lux_at_eye"], facts["ephys.gain"]) == (40, 12, 2)


FAULTY = {
    "an unknown table": (HEAD + PROBE + "[divice]\n", "line 9: unknown key divice; did you mean"),
    "no rig table": (PROBE, "there is no table [rig]"),
    "no id": ("[rig]\nmains_hz = 50\n" + PROBE, "line 1: [rig] has no id"),
    "an id with a slash": (HEAD.replace("two-", "two/") + PROBE, "line 2: id = 'two/photon-left'"),
    "an id of two dots": (HEAD.replace("two-photon-left", "..") + PROBE, "line 2: id = '..'"),
    "an id that Windows keeps": (HEAD.replace("two-photon-left", "aux") + PROBE, "Windows keeps"),
    "an id of a simulated rig": (
        HEAD.replace("two-photon-left", "sim-x") + PROBE,
        "belong to simulated",
    ),
    "an id that is a number": (HEAD.replace('"two-photon-left"', "7") + PROBE, "line 2: id = 7"),
    "an unknown key of the rig": (
        HEAD + "main_hz = 50\n" + PROBE,
        "line 4: unknown key main_hz; did you mean mains_hz?",
    ),
    "no mains": ('[rig]\nid = "a"\n' + PROBE, "line 1: [rig] has no mains_hz"),
    "mains with a unit": (HEAD.replace("= 50", '= "50 Hz"') + PROBE, "line 3: mains_hz = '50 Hz'"),
    "mains of 55": (HEAD.replace("= 50", "= 55") + PROBE, "line 3: mains_hz = 55"),
    "mains that are true": (HEAD.replace("= 50", "= true") + PROBE, "line 3: mains_hz = True"),
    "an unknown fact": (
        HEAD + "[facts]\nenv.lux = 3\n" + PROBE,
        "line 5: unknown fact env.lux; did you mean env.lux_at_eye?",
    ),
    "a fact with its unit as text": (
        HEAD + '[facts]\nenv.temp_room_C = "22 C"\n' + PROBE,
        'line 5: env.temp_room_C = "22 C": not a number in degrees C',
    ),
    "a fact out of range": (
        HEAD + "[facts]\nenv.temp_room_C = 295\n" + PROBE,
        "line 5: env.temp_room_C = 295: not between 5 and 45 degrees C",
    ),
    "facts that are no table": ("facts = 3\n" + HEAD + PROBE, "line 1: facts is not a table"),
    "no device": (HEAD, "there is no device"),
    "one device table in single brackets": (
        HEAD + PROBE.replace("[[device]]", "[device]"),
        "line 4: device is not a list of tables; write [[device]]",
    ),
    "a device without a name": (
        HEAD + PROBE.replace('name = "probe"\n', ""),
        "line 4: the device has no name",
    ),
    "a device name with a slash": (HEAD + PROBE.replace("probe", "a/b"), "line 5: name = 'a/b'"),
    "a device without a driver": (
        HEAD + PROBE.replace('driver = "toy"\n', ""),
        "line 4: device 'probe' has no driver",
    ),
    "an unknown driver": (
        HEAD + PROBE.replace('"toy"', '"tread_mill"'),
        "line 6: There is no driver 'tread_mill'. Did you mean treadmill?",
    ),
    "an unknown key of a device": (
        HEAD + PROBE + "chanels = 3\n",
        "line 9: unknown key chanels; did you mean channels?",
    ),
    "a missing key of a device": (
        HEAD + PROBE.replace("rate_hz = 100.0\n", ""),
        "line 4: device 'probe' has no rate_hz, which toy needs",
    ),
    "a number with a unit": (
        HEAD + PROBE.replace("100.0", '"100 Hz"'),
        "line 7: device 'probe': rate_hz = '100 Hz'",
    ),
    "a fraction of a channel": (HEAD + PROBE + "channels = 2.5\n", "line 9: device 'probe'"),
    "a truth that is a number": (HEAD + PROBE.replace("true", "1"), "line 8: device 'probe'"),
    "what the driver itself refuses": (
        HEAD + PROBE + "channels = 10\n",
        "line 4: device 'probe': it has nine channels at most",
    ),
    "one name twice": (
        HEAD + PROBE + FRAMES.replace('"frames"', '"Probe"'),
        "line 10: the name 'Probe' is given to two devices",
    ),
    "no primary device": (
        HEAD + PROBE.replace("true", "false"),
        "line 4: no device is primary",
    ),
    "two primary devices": (
        HEAD + PROBE + PROBE.replace('"probe"', '"second"'),
        "line 13: only one device may be primary, here are 2: probe, second",
    ),
    "a source that is not there": (
        HEAD + PROBE + FRAMES.replace("probe:3", "prob:3"),
        "line 13: device 'frames': its source 'prob' is no device of its own (probe)",
    ),
    "a source that is derived itself": (
        HEAD + PROBE + FRAMES + FRAMES.replace("frames", "more").replace("probe:", "frames:"),
        "line 18: device 'more': its source 'frames' is no device of its own",
    ),
    "a derived device as the reference": (
        HEAD + PROBE.replace("true", "false") + FRAMES + "primary = true\n",
        "line 14: device 'frames' is made from another stream and cannot be primary",
    ),
}


@pytest.mark.parametrize(("text", "fault"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_rig_is_refused_with_the_line(written, text, fault):
    found = faults(written(text))
    assert any(one.startswith(fault) or fault in one for one in found), found


def test_all_faults_are_told_at_once_in_the_order_of_the_file(written):
    text = HEAD.replace("= 50", "= 51") + PROBE.replace("100.0", '"x"') + "chanels = 1\n"
    found = faults(written(text + FRAMES.replace("probe:3", "nothing")))
    assert [int(one.split(":")[0].removeprefix("line ")) for one in found] == [3, 7, 9, 14]


MANY = (
    HEAD
    + """[[device]]
driver = "toy"
rate_hz = "100 Hz"
chanels = 3
channels = 10
primary = true
[[device]]
name = "a/b"
driver = "toy"
labels = 3
source = "prob:3"
[[device]]
name = "frames"
driver = "frame_trigger"
rate_hz = -30.0
high = "2 V"
source = "nothing:1"
primary = true
"""
)
MANY_LINES = {
    4: "the device has no name",
    6: "the device: rate_hz = '100 Hz'",
    7: "unknown key chanels; did you mean channels?",
    10: "device 'a/b' has no rate_hz, which toy needs",
    11: "name = 'a/b'",
    13: "device 'a/b': labels = 3",
    14: "its source 'prob' is no device of its own (none)",
    15: "device 'frames': Device frames: rate_hz is -30, and must be above 0.",
    19: "device 'frames': high = '2 V'",
    20: "its source 'nothing' is no device of its own",
    21: "cannot be primary",
}


def test_the_faults_of_one_key_hide_none_of_another_key_or_device(written):
    found = faults(written(MANY))
    for line, text in MANY_LINES.items():
        assert any(f.startswith(f"line {line}: ") and text in f for f in found), (line, found)


def test_a_key_of_a_wrong_type_is_told_once_and_not_as_missing_too(written):
    text = FRAMES.replace('"toy"', '"frame_trigger"').replace('"probe:3"', "3")
    assert len(faults(written(HEAD + PROBE + text))) == 1


def test_a_device_without_a_name_is_told_what_its_driver_refuses(written):
    found = faults(written(HEAD + PROBE.replace('name = "probe"\n', "") + "channels = 10\n"))
    assert any("it has nine channels at most" in fault for fault in found)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(FaultyFile, match=r"no-rig\.toml cannot be read"):
        load_rig(tmp_path / "no-rig.toml")


def test_a_folder_instead_of_a_file_says_so(tmp_path):
    with pytest.raises(FaultyFile, match="cannot be read"):
        load_rig(tmp_path)


def test_a_syntax_error_is_told_with_its_line(written):
    assert faults(written(HEAD + "[[device]\n"))[0].startswith("line 4:")


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_bytes(HEAD.encode() + b"# \xff\n")
    assert faults(path)[0].startswith("line 4:")


def test_the_same_rig_has_the_same_hash_whatever_the_order_and_the_comments(written):
    one = load_rig(written(HEAD + "[facts]\nlab = 'L'\nenv.lux_at_eye = 1.0\n" + PROBE)).sha256
    text = "[facts]\nenv.lux_at_eye = 1.0 # dim\nlab = 'L'\n" + PROBE + HEAD
    assert load_rig(written(text)).sha256 == one


def test_another_value_is_another_hash(written):
    one = load_rig(written(HEAD + PROBE)).sha256
    assert load_rig(written(HEAD + PROBE.replace("100.0", "101.0"))).sha256 != one


def test_a_rig_survives_json(written):
    rig = load_rig(written(HEAD + PROBE + FRAMES + 'labels = ["a"]\nfile = "x.nwb"\n'))
    again = Rig.from_dict(json.loads(json.dumps(rig.as_dict())))
    assert again.devices == rig.devices
    assert again.sha256 == rig.sha256


def test_device_tables_read_back_as_configurations(written):
    rig = load_rig(written(HEAD + PROBE + FRAMES))
    assert tuple(device_configs(json.loads(json.dumps(rig.device_tables)))) == rig.devices


def test_a_simulated_rig_has_no_devices_until_its_simulator_tells_them():
    rig = load_rig("sim:mouse")
    assert rig.simulated
    assert rig.devices == ()
    tables = [{"name": "probe", "driver": "toy", "rate_hz": 10, "primary": True}]
    assert rig.with_devices(tables).primary.name == "probe"


def test_devices_of_a_simulator_are_checked_too():
    with pytest.raises(FaultyFile, match="no rate_hz"):
        load_rig("sim:mouse").with_devices([{"name": "a", "driver": "toy", "primary": True}])


def test_two_runs_of_a_simulated_rig_are_two_rigs_with_one_hash():
    one, two = load_rig("sim:quick"), load_rig("sim:quick")
    assert one.runtime_name != two.runtime_name
    assert one.sha256 == two.sha256


def test_the_instance_of_a_simulated_rig_can_be_given():
    assert load_rig("sim:quick", instance="0a1b2c3d").runtime_name == "sim-quick-0a1b2c3d"


def test_an_unknown_simulator_is_named():
    with pytest.raises(UnknownName, match=r"no simulator 'mose'\. Did you mean mouse"):
        load_rig("sim:mose")


@pytest.mark.parametrize("name", examples.names())
def test_every_example_rig_can_be_loaded(name):
    assert load_rig(examples.path_of(name, "rig")).primary.name in ("probe", "eeg")
