"""What the checks have to know of the rig and the block beside the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tenmin.checks.parameters import ParameterSet, shipped
from tenmin.checks.peers import Peers


@dataclass(frozen=True)
class Setting:
    """The circumstances of a block.

    Attributes
    ----------
    mains_hz : float or None
        Of the rig's building; None: not told, so checks of the mains are UNKNOWN.
    facts : mapping of str to object
        Known facts by the paths of science.md A.5: ``dot.condition``, ``anaes.agent`` …
    parameters : ParameterSet
    peers : Peers
        What the streams of the block tell each other.
    """

    mains_hz: float | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    parameters: ParameterSet = field(default_factory=shipped)
    peers: Peers = field(default_factory=Peers)
