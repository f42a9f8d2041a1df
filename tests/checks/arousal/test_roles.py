import pytest

from tenmin.checks.arousal.field import Field
from tenmin.checks.arousal.roles import roles
from tenmin.checks.arousal.session import ANAESTHESIA, ANIMAL, HUMAN, IN_VITRO, family
from tenmin.stream import Stream
from tests.checks.arousal.mice import RULES

BELT = Stream("treadmill", ("position",), 1000.0, "meters", 1e-4, dtype="int32", kind="behavior")
EYE = Stream(
    "eye",
    ("pupil_diameter", "motion_energy", "confidence"),
    60.0,
    "meters",
    1e-3,
    dtype="float32",
    kind="behavior",
    channel_units=("meters", "normalized", "normalized"),
)
PROBE = Stream(
    "probe", tuple(f"AP{k}" for k in range(384)), 30_000.0, "volts", 1e-6, kind="ecephys"
)
FRAMES = Stream("frames", ("frame",), 30.0, "n/a", kind="frames")
MARKERS = Stream("markers", ("marker",), 0.0, "n/a", dtype="str", kind="marker")
EEG = Stream("eeg", ("Fp1", "Fp2", "F7", "F8", "Cz", "Oz", "ECG"), 250.0, "volts", 1e-6, kind="eeg")


def found(streams, kind=ANIMAL):
    return {role.what: role for role in roles(streams, kind, RULES)}


def test_the_streams_of_a_mouse_give_all_modalities():
    given = found([PROBE, BELT, EYE, FRAMES, MARKERS])
    assert {what: role.stream for what, role in given.items()} == {
        "field": "probe",
        "field_muscle": "probe",
        "position": "treadmill",
        "pupil": "eye",
        "motion": "eye",
    }


def test_the_pupil_comes_with_its_likelihood():
    assert found([EYE])["pupil"].channels == (0, 2)


def test_a_pupil_in_metres_is_no_position():
    assert "position" not in found([EYE])


def test_of_a_probe_a_few_channels_are_taken_from_end_to_end():
    field = found([PROBE])["field"]
    assert (len(field.channels), field.channels[0], field.channels[-1]) == (16, 0, 383)


def test_a_slow_probe_tells_no_muscle():
    assert "field_muscle" not in found([Stream("lfp", ("a", "b"), 1000.0, "volts", kind="ieeg")])


def test_the_eeg_of_a_person_gives_brain_eyes_and_heart():
    given = found([EEG], HUMAN)
    assert {what: role.labels for what, role in given.items()} == {
        "eeg": ("Fp1", "Fp2", "F7", "F8", "Cz", "Oz"),
        "eyes": ("Fp1", "Fp2", "F7", "F8"),
        "ecg": ("ECG",),
    }


def test_electrodes_of_the_eyes_come_before_those_of_the_scalp():
    stream = Stream("eeg", ("Fp1", "VEOG", "HEOG", "Oz"), 250.0, "volts", kind="eeg")
    given = found([stream], HUMAN)
    assert (given["eyes"].labels, given["eyes"].n_vertical) == (("VEOG", "HEOG"), 1)
    assert given["eeg"].labels == ("Fp1", "Oz")


def test_a_board_whose_stream_is_named_for_the_muscle_gives_the_muscle():
    assert "emg" in found([Stream("emg", ("ch1", "ch2"), 1000.0, "volts")])


def test_a_speed_in_another_unit_is_scaled():
    stream = Stream("wheel", ("speed",), 50.0, "cm/s", kind="behavior")
    assert found([stream])["speed"].factor == 0.01


def test_a_wheel_in_degrees_is_not_guessed_at():
    assert found([Stream("wheel", ("angle",), 50.0, "degrees", kind="behavior")]) == {}


def test_under_anaesthesia_suppression_is_looked_for():
    assert "suppression" in found([PROBE], ANAESTHESIA)


def test_a_slice_has_no_behaviour():
    assert found([PROBE, BELT], IN_VITRO) == {}


@pytest.mark.parametrize(
    ("condition", "kind"),
    [("EO_fix", HUMAN), ("EC", HUMAN), ("headfixed_taskfree", ANIMAL), ("exvivo", IN_VITRO)],
)
def test_the_condition_of_the_protocol_says_whose_rules_count(condition, kind):
    assert family(condition) == kind


def test_every_role_makes_its_extractor():
    for kind, streams in ((ANIMAL, [PROBE, BELT, EYE]), (ANAESTHESIA, [PROBE]), (HUMAN, [EEG])):
        for role in roles(streams, kind, RULES):
            assert role.extractor(0.0, RULES).names
    assert isinstance(found([PROBE])["field"].extractor(0.0, RULES), Field)
