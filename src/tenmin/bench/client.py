"""``tenmin record`` on a simulated rig whose engine runs already.

``python -m tenmin.bench.client record sim:NAME …``: a simulated rig is a rig of its own in each
run; this one takes the instance that a bench has started.
"""

from __future__ import annotations

import sys
from typing import Any

from tenmin import cli, rig
from tenmin.bench.rig import INSTANCE

_load = rig.load_rig


def load_rig(path: Any, *, instance: str | None = None) -> rig.Rig:
    """The rig, as the instance of the bench."""
    return _load(path, instance=INSTANCE)


if __name__ == "__main__":
    vars(rig)["load_rig"] = load_rig
    sys.exit(cli.main())
