"""rig.toml to validated values: which rig, which devices, which facts; every fault at once."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from tenmin import examples, registry
from tenmin import facts as dictionary
from tenmin import rig_faults as faulty
from tenmin.checks import parameters
from tenmin.errors import FaultyFile, RigError, UsageError
from tenmin.lines import read_toml
from tenmin.rig_faults import Fault, Keys, called
from tenmin.source import DeviceConfig

SIM = "sim:"


@dataclass(frozen=True)
class Rig:
    """A rig as its file describes it.

    Attributes
    ----------
    id : str
        The lab's name of the rig; the name of its folder while it runs.
    mains_hz : int
        50 or 60.
    facts : mapping
        Dotted paths of `tenmin.facts` to JSON-able values.
    devices : tuple of DeviceConfig
        Each an instance of its driver's ``Config``. Empty for a simulated rig until
        `with_devices` has told what its simulator offers.
    simulator : str, optional
        Entry point of the group ``tenmin.simulators`` that plays this rig.
    instance : str, optional
        What tells two runs of the same simulated rig apart.
    path : Path, optional
        The file it was read from.
    checks : Path, optional
        A file of the lab's own parameters of the checks.
    """

    id: str
    mains_hz: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    devices: tuple[DeviceConfig, ...] = ()
    simulator: str | None = None
    instance: str | None = None
    path: Path | None = None
    checks: Path | None = None

    @property
    def simulated(self) -> bool:
        """Whether its devices are simulated."""
        return self.simulator is not None

    @property
    def runtime_name(self) -> str:
        """Name of its folder in the runtime directory."""
        return self.id if self.simulator is None else f"sim-{self.simulator}-{self.instance}"

    @property
    def primary(self) -> DeviceConfig:
        """The device whose sample counter is the reference clock."""
        return next(d for d in self.devices if d.primary)

    @property
    def device_tables(self) -> list[dict[str, Any]]:
        """The devices as JSON-able tables, every key given; `device_configs` reads them back."""
        return [dictionary.plain(_jsonable(asdict(device))) for device in self.devices]

    def device(self, name: str) -> DeviceConfig:
        """The device of this name."""
        return next(d for d in self.devices if d.name == name)

    def with_devices(self, tables: Sequence[Mapping[str, Any]]) -> Rig:
        """The same rig with these ``[[device]]`` tables.

        Raises
        ------
        FaultyFile
            With every fault in them.
        """
        devices, faults = _devices(list(tables), self._folder)
        faulty.refuse(f"The devices of {self.id} cannot be used:", faults)
        return replace(self, devices=tuple(devices))

    def as_dict(self) -> dict[str, Any]:
        """JSON-able and canonical: the same rig gives the same value on every computer."""
        return {
            "id": self.id,
            "mains_hz": self.mains_hz,
            "simulator": self.simulator,
            "facts": dict(sorted(self.facts.items())),
            "devices": self.device_tables,
        }

    @property
    def sha256(self) -> str:
        """Hash of `as_dict`, hexadecimal."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def _folder(self) -> Path:
        return self.path.parent if self.path is not None else Path()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Rig:
        """The rig that `as_dict` described."""
        return cls(
            id=data["id"],
            mains_hz=data["mains_hz"],
            facts=dict(data["facts"]),
            devices=tuple(device_configs(data["devices"])),
            simulator=data.get("simulator"),
            instance=data.get("instance"),
        )


def load_rig(source: str | Path, *, instance: str | None = None) -> Rig:
    """The rig of a file, or of ``sim:NAME`` without its devices.

    Parameters
    ----------
    source : str or Path
        Path of a rig.toml, or ``sim:`` and the name of a simulator.
    instance : str, optional
        For simulated rigs, else drawn at random.

    Raises
    ------
    FaultyFile
        With every fault and its line.
    UnknownName
        There is no such simulator.
    """
    if isinstance(source, str) and source.startswith(SIM):
        return _simulated(source.removeprefix(SIM), instance or secrets.token_hex(4))
    path = Path(source)
    text, document = read_toml(path)
    rig, faults = _read(document, path)
    faulty.refuse(f"{path} cannot be used:", faults, text)
    assert rig is not None
    return rig


def _simulated(name: str, instance: str) -> Rig:
    registry.find(registry.SIMULATORS, name)
    path = examples.path_of(name, "rig")
    text, document = read_toml(path)
    document.pop("device", None)  # the simulator announces its own
    rig, faults = _read(document, path, simulator=name)
    faulty.refuse(f"{path} cannot be used:", faults, text)
    assert rig is not None
    return replace(rig, id=f"sim-{name}", instance=instance)


def _read(
    document: dict[str, Any], path: Path, simulator: str | None = None
) -> tuple[Rig | None, list[Fault]]:
    faults = faulty.unknown_keys(document, ("rig", "device", "facts"), ())
    head = faulty.head(document.get("rig"), faults)
    told = document.get("facts", {})
    facts: dict[str, Any] = {}
    if isinstance(told, dict):
        facts, wrong = dictionary.read(told)
        faults += [(("facts", *keys), text) for keys, text in wrong]
        faults += [(("facts",), text) for _, text in dictionary.contradictions(facts)]
    else:
        faults.append((("facts",), "facts is not a table; write [facts]"))
    devices: list[DeviceConfig] = []
    if simulator is None:
        devices, wrong_devices = _devices(document.get("device", []), path.parent)
        faults += wrong_devices
    checks, wrong_checks = _checks(head.get("checks"), path.parent)
    faults += wrong_checks
    if faults:
        return None, faults
    facts.setdefault("ephys.line_freq_hz", head["mains_hz"])
    return Rig(
        head["id"], head["mains_hz"], facts, tuple(devices), simulator, path=path, checks=checks
    ), []


def _checks(told: object, folder: Path) -> tuple[Path | None, list[Fault]]:
    """The lab's file of check parameters, if it names one that can be used."""
    if not isinstance(told, str):
        return None, []
    path = (folder / told).absolute()
    try:
        parameters.load(path)
    except FaultyFile as error:
        return None, [(("rig", "checks"), fault) for fault in error.faults or (error.message,)]
    return path, []


# Devices -------------------------------------------------------------------------------------


def device_configs(tables: Sequence[Mapping[str, Any]], folder: Path = Path()) -> list[Any]:
    """Validated configurations of a rig's devices, in order.

    Parameters
    ----------
    tables : sequence of mapping
        The ``[[device]]`` tables; also those of `Rig.device_tables`.
    folder : Path
        Where relative paths begin.

    Raises
    ------
    FaultyFile
        With every fault.
    """
    devices, faults = _devices(list(tables), folder)
    faulty.refuse("The devices of this rig cannot be used:", faults)
    return devices


def _devices(tables: Any, folder: Path) -> tuple[list[DeviceConfig], list[Fault]]:
    if not isinstance(tables, list) or not all(isinstance(t, Mapping) for t in tables):
        return [], [(("device",), "device is not a list of tables; write [[device]]")]
    if not tables:
        return [], [((), "there is no device; add at least one table [[device]]")]
    classes = [_config_class(table) for table in tables]
    made = [
        _device(table, made_of, ("device", n), folder)
        for n, (table, made_of) in enumerate(zip(tables, classes, strict=True))
    ]
    faults = [fault for _, wrong in made for fault in wrong]
    faults += (
        faulty.duplicates(tables)
        + faulty.primaries(tables)
        + faulty.orphans(tables, [_may_derive(found) for found in classes])
    )
    return [config for config, _ in made if config is not None], faults


def _config_class(table: Mapping[str, Any]) -> type | RigError | None:
    """Of the table's driver; why there is none; None where no driver is named."""
    driver = table.get("driver")
    if not isinstance(driver, str) or not driver:
        return None
    try:
        found: type = registry.load(registry.DRIVERS, driver).Config
    except RigError as error:
        return error
    return found


def _may_derive(made_of: type | RigError | None) -> bool:
    return isinstance(made_of, type) and any(f.name == "source" for f in fields(made_of))


def _device(
    table: Mapping[str, Any], made_of: type | RigError | None, at: Keys, folder: Path
) -> tuple[DeviceConfig | None, list[Fault]]:
    faults: list[Fault] = []
    if "name" not in table:
        faults.append((at, "the device has no name"))
    elif wrong := faulty.unsafe("name", table["name"]):
        faults.append(((*at, "name"), wrong))
    if made_of is None:
        faults.append((at, f"{called(table)} has no driver; write one of {faulty.drivers()}"))
        return None, faults
    if isinstance(made_of, RigError):
        return None, [*faults, ((*at, "driver"), str(made_of))]
    unknown = faulty.unknown_keys(table, [f.name for f in fields(made_of)], at)
    lacking = [f.name for f in fields(made_of) if _is_required(f) and f.name not in table]
    misfits = _misfits(made_of, table)
    faults += unknown
    faults += [
        (at, f"{called(table)} has no {key}, which {table['driver']} needs")
        for key in lacking
        if key != "name"
    ]
    faults += [((*at, *_keys(wrong["loc"], table)), _wrong_type(wrong, table)) for wrong in misfits]
    wrong_keys = {str(wrong["loc"][0]) for wrong in misfits if wrong["loc"]}
    sound = {key: value for key, value in table.items() if key not in wrong_keys}
    # A name of its own does no harm here: with a fault there is no configuration in the end.
    sound.setdefault("name", "unnamed")
    if any(_is_required(f) and f.name not in sound for f in fields(made_of)):
        return None, faults
    config = _make(made_of, sound, folder)
    if isinstance(config, RigError):
        # What is refused for want of a key that is told already is no fault of its own.
        meant = wrong_keys | faulty.near(table, [f.name for f in fields(made_of)])
        if not meant & set(re.findall(r"\w+", str(config))):
            faults.append((at, f"{called(table)}: {config.message}"))
        return None, faults
    return (None, faults) if faults else (config, [])


def _make(config_class: type, table: Mapping[str, Any], folder: Path) -> DeviceConfig | RigError:
    """The configuration; what is wrong with it where the driver itself refuses it."""
    values = _validate(config_class, table)
    for key, value in values.items():
        if isinstance(value, Path) and not value.is_absolute():
            values[key] = folder / value
    try:
        made: DeviceConfig = config_class(**values)
    except RigError as error:
        return error
    except ValueError as error:
        return UsageError(str(error))
    return made


def _is_required(of: Any) -> bool:
    return of.default is MISSING and of.default_factory is MISSING


def _misfits(config_class: type, table: Mapping[str, Any]) -> list[Any]:
    """Complaints of pydantic about the types of keys, one per key."""
    try:
        _validate(config_class, table)
    except ValidationError as error:
        return _first_per_key(error)
    return []


def _first_per_key(error: ValidationError) -> list[Any]:
    """One complaint per key: a union complains once for each of its types."""
    found: dict[Any, Any] = {}
    for wrong in error.errors(include_url=False):
        if wrong["type"] != "missing":
            found.setdefault(wrong["loc"][:1], wrong)
    return list(found.values())


def _keys(loc: tuple[Any, ...], table: Mapping[str, Any]) -> Keys:
    return loc[:1] if loc and loc[0] in table else ()


def _wrong_type(wrong: Any, table: Mapping[str, Any]) -> str:
    key = wrong["loc"][0] if wrong["loc"] else "table"
    message = str(wrong["msg"]).removeprefix("Input ").removeprefix("Value error, ")
    return f"{called(table)}: {key} = {table.get(key)!r}: {message}"


@cache
def _model(config_class: type) -> type[BaseModel]:
    """A pydantic model of a driver's configuration: same keys, types checked strictly."""
    hints = get_type_hints(config_class)
    keys: dict[str, Any] = {
        f.name: (hints[f.name], ... if _is_required(f) else None) for f in fields(config_class)
    }
    return create_model(config_class.__name__, __config__=ConfigDict(strict=True), **keys)


def _validate(config_class: type, table: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a table in the types of the configuration; unknown keys are left out.

    Goes through JSON, where a list may become a tuple and an integer a float, and nothing else
    changes its type.
    """
    known = {f.name for f in fields(config_class)}
    text = json.dumps(dictionary.plain({k: v for k, v in table.items() if k in known}))
    model = _model(config_class).model_validate_json(text)
    return {name: getattr(model, name) for name in model.model_fields_set}


def _jsonable(value: Any) -> Any:
    """Paths as text."""
    if isinstance(value, Mapping):
        return {k: _jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(v) for v in value]
    return value.as_posix() if isinstance(value, Path) else value
