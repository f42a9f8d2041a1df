"""The parts of a block protocol: the tables of its TOML file, and what each key may be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tenmin.schema import entry

POSITIONS = ("before_task", "between", "after_task", "standalone")  # science.md A.5 dot.position
CONDITIONS = ("EO_fix", "EC", "headfixed_taskfree", "freely_moving", "anaesth", "exvivo", "invitro")
STATES = (  # science.md C.1, and A.2's two of the operator's words
    "asleep", "drowsy", "quiet_wake", "active_wake", "locomotion", "suppressed",
    "network_quiescent", "network_burst", "awake", "vigall_a",
)  # fmt: skip
LETTERS = ("H", "A", "E", "2", "P", "S", "N")  # science.md A.5
EQUIPMENT = ("screen", "camera", "wheel", "probe", "sync_line")
MASKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)  # science.md 0.2
LATENCIES = ("hardware", "software", "human")


@dataclass(frozen=True, slots=True)
class Timing:
    """Lengths in seconds (science.md A.2).

    Attributes
    ----------
    settle_s, block_s, clean_target_s, hard_max_s, pads_s : float
        Settle timer, canonical window, clean-time target, longest window, each pad.
    short_s : float, optional
        A shorter window that is allowed and flagged ``short``.
    """

    settle_s: float = entry()
    block_s: float = entry(above=0.0)
    clean_target_s: float = entry()
    hard_max_s: float = entry(above=0.0)
    pads_s: float = entry(30.0)  # science.md 0.2
    short_s: float | None = entry(None, above=0.0)


@dataclass(frozen=True, slots=True)
class Extend:
    """When the block may grow after its window: declared before it starts, or never.

    Attributes
    ----------
    rules : tuple of str
        ``clean_time`` (clean time below its target), ``state`` (time in a state below its target).
    step_s : float
        By how much at a time, up to the hard maximum.
    """

    rules: tuple[str, ...] = entry((), choices=("clean_time", "state"))
    step_s: float = entry(60.0, above=0.0)  # science.md A.7


@dataclass(frozen=True, slots=True)
class Gates:
    """What must hold before a block may go on (science.md A.1).

    Attributes
    ----------
    alive_s : float
        Unbroken delivery of every required stream.
    clock_s : float
        Clock points of every stream.
    stationarity_db_per_min, stationarity_window_s : float
        Largest slope of the log broadband power, and the time it is taken over.
    brightness_pct_per_min : float, optional
        Largest slope of the brightness, for imaging.
    vm_mv_per_min : float, optional
        Largest slope of the membrane potential, for patch clamp.
    disk_factor : float
        Free space over the expected size.
    never_started_s : float
        How long a stream may deliver nothing at all before the block is given up.
    """

    alive_s: float = entry(60.0)
    clock_s: float = entry(120.0)
    stationarity_db_per_min: float = entry(1.0, above=0.0)
    stationarity_window_s: float = entry(120.0, above=0.0)
    brightness_pct_per_min: float | None = entry(None, above=0.0)
    vm_mv_per_min: float | None = entry(None, above=0.0)
    disk_factor: float = entry(3.0, low=1.0)
    never_started_s: float = entry(15.0, above=0.0)


@dataclass(frozen=True, slots=True)
class Condition:
    """What must have been so for how long before the settle timer starts; the operator confirms.

    Attributes
    ----------
    id, text : str
        Name, and what it is.
    at_least_s : float, optional
        For how long.
    """

    id: str = entry(identifier=True)
    text: str = entry()
    at_least_s: float | None = entry(None)


@dataclass(frozen=True, slots=True)
class StateTarget:
    """How long the subject is to be, or may be, in some states inside the block.

    Attributes
    ----------
    states : tuple of str
        Their times add up.
    at_least_s, at_most_s : float, optional
        Limits of the sum.
    enforced : bool
        False: reported only, never a reason to extend.
    """

    states: tuple[str, ...] = entry(choices=STATES)
    at_least_s: float | None = entry(None)
    at_most_s: float | None = entry(None)
    enforced: bool = entry(True)


@dataclass(frozen=True, slots=True)
class Rule:
    """A failing verdict that ends or marks a block that is being recorded.

    Attributes
    ----------
    id, check : str
        Name of the rule, and of the check whose FAIL it is about.
    streams : str
        ``primary``: the reference stream; ``required``: any that the block needs.
    then : str
        ``abort`` (early: the block is ended and marked; later: labelled), ``end`` (the window
        ends now and is flagged ``short``), ``label``.
    label : str
        The label it leaves.
    within_s : float, optional
        For ``abort``: how far into the window it still ends the block.
    more_than : float, optional
        The verdict's value, in the verdict's unit, must be larger.
    for_s : float
        The verdict must have been FAIL for so long.
    gate : bool
        Its FAIL also holds up the start.
    """

    id: str = entry(identifier=True)
    check: str = entry(identifier=True)
    then: str = entry(choices=("abort", "end", "label"))
    label: str = entry(identifier=True)
    streams: str = entry("required", choices=("primary", "required"))
    within_s: float | None = entry(None)
    more_than: float | None = entry(None)
    for_s: float = entry(0.0)
    gate: bool = entry(False)


@dataclass(frozen=True, slots=True)
class Step:
    """One screen with one action (science.md A.3).

    Attributes
    ----------
    id, text, help : str
        Name, the action, and what to know about it.
    at : str
        ``before`` the settling, ``settle``, ``ready``, ``recording``, ``after``.
    check : str, optional
        The automatic check; None: the operator confirms.
    fields : tuple of str
        Facts asked for on this screen.
    """

    id: str = entry(identifier=True)
    text: str = entry()
    at: str = entry("before", choices=("before", "settle", "ready", "recording", "after"))
    check: str | None = entry(None, identifier=True)
    help: str = entry("")
    fields: tuple[str, ...] = entry(())


@dataclass(frozen=True, slots=True)
class Instruction:
    """The exact words told to the subject; any change makes a new id."""

    id: str = entry(identifier=True)
    language: str = entry(identifier=True)
    text: str = entry()


@dataclass(frozen=True, slots=True)
class EventCode:
    """A word of the event vocabulary (science.md A.4).

    Attributes
    ----------
    code, text : str
        The word and its meaning.
    source : tuple of str
        Who says it: ``operator``, ``plugin``, ``sensor``, ``camera``, ``amplifier``, ``hardware``.
    mask : int, optional
        Bit of the mask lattice that it sets.
    before_s, after_s : float
        How far the mask reaches.
    latency : str
        ``hardware``, ``software`` or ``human`` (about 0.5 s).
    """

    code: str = entry(identifier=True)
    text: str = entry()
    source: tuple[str, ...] = entry(
        choices=("operator", "plugin", "sensor", "camera", "amplifier", "hardware", "auto")
    )
    latency: str = entry(choices=LATENCIES)
    mask: int | None = entry(None, above=0)
    before_s: float = entry(0.0)
    after_s: float = entry(0.0)


@dataclass(frozen=True, slots=True)
class Field:
    """A fact of science.md A.5, and who needs it.

    Attributes
    ----------
    key : str
        Its path: ``env.lux_at_eye``.
    need : tuple of str
        Letters of the preparations that require it; ``R`` for all.
    never : tuple of str
        Letters of preparations that do not, in spite of `need`.
    when : str
        Required only with this equipment, or ``task`` (the block belongs to one).
    given : str
        By whom: ``tenmin``, ``rig`` (rig.toml or the device), ``operator``, ``after`` (asked when
        the block is over).
    """

    key: str = entry()
    need: tuple[str, ...] = entry(choices=("R", *LETTERS))
    never: tuple[str, ...] = entry((), choices=LETTERS)
    when: str = entry("", choices=("", *EQUIPMENT, "task"))
    given: str = entry("operator", choices=("tenmin", "rig", "operator", "after"))

    def applies_to(self, letters: Collection[str]) -> bool:
        """Whether a preparation with these letters requires it."""
        wanted = "R" in self.need or not set(self.need).isdisjoint(letters)
        return wanted and set(self.never).isdisjoint(letters)
