import sys
from importlib.metadata import EntryPoint

import pytest

from tenmin import registry
from tenmin.errors import AmbiguousName, LibraryMissing, UnknownName

DRIVER = "class Toy:\n    pass\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that puts a distribution with one driver onto the path."""

    def add(distribution, entry, module="", text=DRIVER):
        site = tmp_path / distribution
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\n")
        (info / "entry_points.txt").write_text(f"[tenmin.drivers]\n{entry}\n")
        if module:
            (site / f"{module}.py").write_text(text)
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(site))

    return add


def test_names_are_sorted_and_nothing_is_imported(install):
    install("tenmin-zz", "zz_toy = zz_toy_module:Toy", "zz_toy_module", "raise SystemError")
    install("tenmin-aa", "aa_toy = aa_toy_module:Toy", "aa_toy_module", "raise SystemError")
    found = registry.names(registry.DRIVERS)
    assert found == sorted(found)
    assert {"aa_toy", "zz_toy"} <= set(found)


def test_a_driver_of_another_distribution_is_loaded(install):
    install("tenmin-toy", "toy = toy_module_of_test:Toy", "toy_module_of_test")
    assert registry.load(registry.DRIVERS, "toy").__name__ == "Toy"


def test_loading_one_imports_no_other(install):
    install("tenmin-toy", "toy = toy_module_of_test:Toy", "toy_module_of_test")
    install("tenmin-bad", "toy_bad = bad_module_of_test:Toy", "bad_module_of_test")
    registry.load(registry.DRIVERS, "toy")
    assert "bad_module_of_test" not in sys.modules


def test_an_unknown_name_brings_the_nearest_and_all_names(install):
    install("tenmin-toy", "treadmull = toy_module_of_test:Toy")
    with pytest.raises(UnknownName, match=r"'treadmul'.*Did you mean treadmull.*Installed drivers"):
        registry.load(registry.DRIVERS, "treadmul")


def test_an_empty_group_says_that_nothing_is_installed():
    with pytest.raises(UnknownName, match="Installed nones: none"):
        registry.load("tenmin.nones", "anything")


def test_a_name_of_two_distributions_is_refused_with_both(install):
    install("tenmin-one", "toy = toy_module_of_test:Toy", "toy_module_of_test")
    install("tenmin-two", "toy = other_module_of_test:Toy", "other_module_of_test")
    with pytest.raises(AmbiguousName, match=r"tenmin-one .*tenmin-two"):
        registry.load(registry.DRIVERS, "toy")


def test_a_distribution_seen_twice_on_the_path_is_no_ambiguity(install, tmp_path, monkeypatch):
    install("tenmin-toy", "toy = toy_module_of_test:Toy", "toy_module_of_test")
    again = tmp_path / "copy"
    (tmp_path / "tenmin-toy").rename(again)
    install("tenmin-toy", "toy = toy_module_of_test:Toy", "toy_module_of_test")
    monkeypatch.syspath_prepend(str(again))
    assert registry.find(registry.DRIVERS, "toy").name == "toy"


def test_a_driver_that_cannot_be_imported_names_its_distribution(install):
    install(
        "tenmin-toy", "toy = toy_broken_of_test:Toy", "toy_broken_of_test", "import no_such_lib"
    )
    with pytest.raises(LibraryMissing, match=r"no_such_lib.*tenmin-toy"):
        registry.load(registry.DRIVERS, "toy")


def test_a_driver_class_that_is_not_in_its_module_is_reported(install):
    install("tenmin-toy", "toy = toy_empty_of_test:Toy", "toy_empty_of_test", "")
    with pytest.raises(LibraryMissing, match="Toy"):
        registry.load(registry.DRIVERS, "toy")


def test_the_shipped_drivers_are_registered():
    assert {"brainflow", "frame_trigger", "lsl", "replay", "treadmill"} <= set(
        registry.names(registry.DRIVERS)
    )


def test_find_gives_the_entry_point_without_importing(install):
    install("tenmin-toy", "toy = toy_unseen_of_test:Toy", "toy_unseen_of_test")
    assert isinstance(registry.find(registry.DRIVERS, "toy"), EntryPoint)
    assert "toy_unseen_of_test" not in sys.modules
