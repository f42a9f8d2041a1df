"""Arousal: features at 10 Hz, a live and a final track of states; science.md C.

`roles` says which stream gives which feature; an extractor turns samples into values of the
0.1-s lattice; `Joiner` puts the streams side by side; `Arousal` steps through the ticks and
keeps the live track; `Arousal.close` makes the final one; `rows` are the intervals of the file.
"""

from tenmin.checks.arousal.features import FEATURES, Features
from tenmin.checks.arousal.join import Joiner
from tenmin.checks.arousal.roles import Role, roles
from tenmin.checks.arousal.rows import Row, rows
from tenmin.checks.arousal.ruleset import Ruleset, load, shipped
from tenmin.checks.arousal.session import Arousal, family
from tenmin.checks.arousal.states import COARSE, LABELS, Tick

__all__ = [
    "COARSE",
    "FEATURES",
    "LABELS",
    "Arousal",
    "Features",
    "Joiner",
    "Role",
    "Row",
    "Ruleset",
    "Tick",
    "family",
    "load",
    "roles",
    "rows",
    "shipped",
]
