"""The checks of other distributions in the pre-flight: without them a block goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenmin.checks.installed import installed

if TYPE_CHECKING:
    from tenmin.commands.check import Finding


def guests() -> Iterator[Finding]:
    """One finding for each; one that cannot be loaded spoils nothing but its own verdict."""
    from tenmin.commands.check import Finding

    for one in installed():
        about = f"check {one.name}"
        if one.fault:
            remedy = f"Mend or uninstall {one.distribution}; until then its verdict is UNKNOWN."
            yield Finding(about, True, one.fault, remedy, warning=True)
        else:
            yield Finding(about, True, f"of {one.distribution}, in a process of its own")
