"""subject.toml: facts of the subject and of today's session, validated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenmin import facts as dictionary
from tenmin.errors import FaultyFile, UsageError
from tenmin.lines import at_line, read_toml


@dataclass(frozen=True)
class Subject:
    """What a subject file says.

    Attributes
    ----------
    facts : mapping
        Dotted paths of `tenmin.facts` to JSON-able values: ``subject.code``, ``experimenter`` ...
    path : Path, optional
        The file it was read from.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @property
    def sha256(self) -> str:
        """Hash of the facts, hexadecimal."""
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()


def load_subject(path: str | Path) -> Subject:
    """The facts of a subject file; what is missing is told later, when all sources are merged.

    Raises
    ------
    FaultyFile
        With every fault and its line.
    """
    path = Path(path)
    text, document = read_toml(path)
    facts, wrong = dictionary.read(document)
    faults = [at_line(text, keys, fault) for keys, fault in wrong]
    for name, fault in dictionary.contradictions(facts):
        faults.append(at_line(text, tuple(name.split(".")), fault))
    if faults:
        raise FaultyFile(f"{path} cannot be used:", tuple(faults))
    return Subject(facts, path)


def merge(*sources: Mapping[str, Any], settings: Iterable[str] = ()) -> dict[str, Any]:
    """Facts of several sources, a later one before an earlier one, ``KEY=VALUE`` texts last.

    Raises
    ------
    UsageError
        With every setting that cannot be used.
    FaultyFile
        The sources contradict each other.
    """
    given: dict[str, Any] = {}
    faults: list[str] = []
    for setting in settings:
        try:
            name, value = dictionary.parse(setting)
        except ValueError as error:
            faults.append(str(error))
        else:
            given[name] = value
    if faults:
        raise UsageError("\n  ".join(("--set cannot be used:", *faults)))
    facts = {k: v for source in (*sources, given) for k, v in source.items()}
    wrong = tuple(fault for _, fault in dictionary.contradictions(facts))
    if wrong:
        raise FaultyFile("The facts do not go together:", wrong)
    return facts


def require(facts: Mapping[str, Any], required: Iterable[str]) -> None:
    """Refuse to go on while facts are missing, and name them all.

    Raises
    ------
    FaultyFile
        With every missing fact, its unit and an example.
    """
    absent = dictionary.missing(facts, required)
    if absent:
        raise FaultyFile(
            f"{len(absent)} required fact{'s are' if len(absent) > 1 else ' is'} missing:",
            tuple(dictionary.wish(name) for name in absent),
            remedy="Write them into rig.toml or subject.toml, or give them with --set KEY=VALUE.",
        )


def of_nwb(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that have a field in NWB, under that field's name.

    Returns
    -------
    dict
        ``subject_id``, ``species``, ``strain``, ``genotype``, ``sex``, ``age``, ``weight``
        ("21.4 g"), ``description``, ``date_of_birth``, ``experimenter``, ``institution``,
        ``lab``, ``experiment_description``, ``keywords``, ``related_publications``,
        ``protocol``, ``notes``; only those that are known.
    """
    found = {
        name: facts[path]
        for name, path in NWB_FIELDS.items()
        if facts.get(path) is not None and not dictionary.is_missing(facts[path])
    }
    if "weight" in found:
        found["weight"] = weight(found["weight"])
    return found


NWB_FIELDS = {
    "subject_id": "subject.code",
    "species": "subject.species",
    "strain": "subject.strain",
    "genotype": "subject.genotype",
    "sex": "subject.sex",
    "age": "subject.age",
    "age_reference": "subject.age_reference",
    "weight": "subject.weight_g",
    "description": "subject.description",
    "date_of_birth": "subject.date_of_birth",
    "experimenter": "experimenter",
    "institution": "institution",
    "lab": "lab",
    "experiment_description": "experiment_description",
    "keywords": "keywords",
    "related_publications": "related_publications",
    "protocol": "ethics.approval_id",
    "surgery": "subject.surgery",
    "notes": "notes",
}


def weight(grams: float) -> str:
    """A weight as NWB writes it: ``21.4 g``, ``71.5 kg``; never with an exponent."""
    number, unit = (grams / 1000, "kg") if grams >= 1000 else (grams, "g")
    return f"{number:.6f}".rstrip("0").rstrip(".") + f" {unit}"
