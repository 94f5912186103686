"""`requirements/system.py` gets what a machine lacks in one of two ways, or says in a line what to install."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from devtools.localhost import ROOT

SYSTEM = ROOT / "requirements" / "system.py"
APT_GET = """
echo "$@" >> {folder}/asked
[ -x {folder}/policy-rc.d ] || exit 9
for last; do :; done
case "$last" in {has}) touch "{folder}/$last";; update) ;; *) echo "E: Unable to locate package" >&2; exit 100;; esac
"""


@pytest.fixture
def system() -> ModuleType:
    spec = importlib.util.spec_from_file_location("system", SYSTEM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Machine = Callable[..., None]


@pytest.fixture
def machine(system: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A maker of machines: what a list asks for is there once its file is, and apt-get has some of the packages."""

    def make(packages: str, *, apt: str = "", uid: int = 0, playwright: str = "") -> None:
        (tmp_path / "bin").mkdir()
        if apt:
            program = tmp_path / "bin" / "apt-get"
            program.write_text("#!/bin/sh\n" + APT_GET.format(folder=tmp_path, has=apt))
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin" if apt else str(tmp_path / "bin"))
        monkeypatch.setattr(system.os, "geteuid", lambda: uid)
        monkeypatch.setattr(system, "POLICY", tmp_path / "policy-rc.d")
        other = {"chromium": (sys.executable, "-c", playwright or "raise SystemExit(1)", str(tmp_path))}
        needs = [system.Need(name, (tmp_path / name).exists, other.get(name, ())) for name in packages.split()]
        monkeypatch.setitem(system.LISTS, "test", needs)

    return make


def asked(tmp_path: Path) -> list[str]:
    """The last word of each call of apt-get."""
    file = tmp_path / "asked"
    return [line.split()[-1] for line in file.read_text().splitlines()] if file.exists() else []


def test_what_is_there_costs_nothing_and_says_nothing(
    system: ModuleType, machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine("libcurl4 nginx-light", apt="nginx-light")
    (tmp_path / "libcurl4").touch()
    (tmp_path / "nginx-light").touch()
    assert system.main(["test"]) == 0
    assert capsys.readouterr() == ("", "")
    assert asked(tmp_path) == []


def test_as_root_debian_has_what_is_missing_and_it_is_said_in_a_line(
    system: ModuleType, machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine("libcurl4 chromium nginx-light", apt="chromium|nginx-light")
    (tmp_path / "libcurl4").touch()
    assert system.main(["test"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("Installing what is missing on this machine: apt-get install chromium nginx-light\n", "")
    assert asked(tmp_path) == ["update", "chromium", "nginx-light"]
    assert not (tmp_path / "policy-rc.d").exists(), "services may be started again"


def test_a_policy_of_the_machines_own_is_left_alone(system: ModuleType, machine: Machine, tmp_path: Path) -> None:
    machine("nginx-light", apt="nginx-light")
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o755)
    assert system.main(["test"]) == 0
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


FETCHES = "import pathlib, sys; pathlib.Path(sys.argv[1], 'chromium').touch()"


@pytest.mark.parametrize(
    ("apt", "uid"), [("", 0), ("chromium", 1000), ("libcurl4", 0)], ids=["none", "no root", "unknown"]
)
def test_where_debians_browser_cannot_be_had_it_is_playwrights(
    system: ModuleType, machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str], apt: str, uid: int
) -> None:
    machine("chromium", apt=apt, uid=uid, playwright=FETCHES)
    assert system.main(["test"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith("Getting what is missing on this machine: python")
    assert err == ""
    assert bool(asked(tmp_path)) == (apt == "libcurl4")


@pytest.mark.parametrize(("apt", "uid"), [("", 0), ("chromium", 1000), ("gcc", 0)], ids=["none", "no root", "unknown"])
def test_where_nothing_works_one_line_says_what_to_install(
    system: ModuleType, machine: Machine, capsys: pytest.CaptureFixture[str], apt: str, uid: int
) -> None:
    machine("chromium nginx-light", apt=apt, uid=uid)
    assert system.main(["test"]) == 2
    err = capsys.readouterr().err
    assert err == "What is missing on this machine could not be got: as root, apt-get install chromium nginx-light\n"


def test_one_package_that_debian_does_not_know_keeps_no_other_away(
    system: ModuleType, machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine("nginx spin gcc", apt="nginx|gcc")
    assert system.main(["test"]) == 2
    assert capsys.readouterr().err.endswith("apt-get install spin\n")
    assert (tmp_path / "gcc").exists()


def test_where_all_is_real_no_library_of_mongod_is_missed(
    system: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(system, "MONGOD", [system.Need("libcurl4", lambda: False)])
    monkeypatch.setitem(system.LISTS, "run", system.MONGOD)
    monkeypatch.setattr(system.os, "geteuid", lambda: 1000)
    assert system.main(["run"]) == 2
    capsys.readouterr()
    for name in system.REAL:
        monkeypatch.setenv(name, "somewhere")
    assert system.main(["run"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_library_is_missed_only_for_the_wheels_mongod(system: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("MONGOD_BINARY", raising=False)
    assert not system.loads("libnowhere.so.7")()
    assert system.loads("libc.so.6")()
    monkeypatch.setenv("MONGOD_BINARY", "/opt/mongod")
    assert system.loads("libnowhere.so.7")()


def test_it_looks_at_this_machine_without_a_virtual_environment() -> None:
    done = subprocess.run(
        ["/usr/bin/env", "python3", "-S", str(SYSTEM), "run"], env={"PATH": os.environ["PATH"]},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_each_target_that_starts_something_asks_for_what_it_needs() -> None:
    recipes = re.findall(r"(?m)^([a-z-]+):.*## .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text())
    asks = {target: re.findall(r"@\$\(GET\) ([a-z-]+)", recipe) for target, recipe in recipes}
    assert asks["run"] == ["run"]
    assert asks["test"] == ["test"]
    assert asks["test-all"] == asks["coverage"] == ["test-all"]
    assert asks["proof"] == ["proof"]
    assert asks["screenshots"] == ["pictures"]
    assert {target for target, lists in asks.items() if not lists} == {"help", "clean"}
