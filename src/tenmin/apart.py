"""Which devices are read by a process of their own."""

from __future__ import annotations

from collections.abc import Sequence

from tenmin import registry
from tenmin.source import DeviceConfig, is_derived


def wants_isolation(config: DeviceConfig) -> bool:
    """Whether a device's driver gets a process of its own.

    What rig.toml says; else what the driver's class says of itself (`isolate`): true for those
    that load native code of a vendor. No driver is made for it: that may end a process already.
    """
    if config.isolate is not None:
        return config.isolate
    return bool(getattr(registry.load(registry.DRIVERS, config.driver), "isolate", False))


def isolated_names(configs: Sequence[DeviceConfig]) -> dict[str, list[str]]:
    """Devices that get a process of their own, each with the streams derived from it."""
    found = {
        config.name: [config.name]
        for config in configs
        if not is_derived(config) and wants_isolation(config)
    }
    for config in configs:
        if is_derived(config):
            parent = str(getattr(config, "source", "")).split(":")[0]
            if parent in found:
                found[parent].append(config.name)
    return found
