"""Get what this machine lacks beside Python's packages: `python requirements/system.py run`, or another list's name.

Debian's packages, where apt-get is there and we are root; else Playwright's own browser, which needs neither. What is
got is said in a line; where nothing helps, one line says what to install, and the exit code is 2. It runs before there
is a virtual environment, so it needs nothing but Python.
"""

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

DEBIAN_CHROMIUM = Path("/usr/bin/chromium")
POLICY = Path("/usr/sbin/policy-rc.d")
"""Asked by Debian whether a service may be started; 101 is no."""
REAL = ("MONGODB_URI", "USER_SERVICE_URL", "PRODUCT_SERVICE_URL", "INVENTORY_SERVICE_URL")
APT = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]


class Need(NamedTuple):
    """Something that has to be there.

    :ivar package: Debian's name for it.
    :ivar is_there: tells whether it is, whoever has put it there.
    :ivar otherwise: a command that gets it where Debian's package cannot be had.
    """

    package: str
    is_there: Callable[[], bool]
    otherwise: tuple[str, ...] = ()


def loads(library: str) -> Callable[[], bool]:
    """A library of the mongod that the wheel carries, for Linux; another mongod brings its own."""

    def is_there() -> bool:
        if sys.platform != "linux" or os.environ.get("MONGOD_BINARY", "").strip() or shutil.which("mongod"):
            return True
        try:
            ctypes.CDLL(library)
        except OSError:
            return False
        return True

    return is_there


def runs(program: str) -> Callable[[], bool]:
    """A program; those for administrators are not on everybody's PATH."""
    return lambda: shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None


def browser_is_there() -> bool:
    return DEBIAN_CHROMIUM.exists() or playwrights_browser_runs()


def playwrights_browser_runs() -> bool:
    """Whether it has been downloaded and finds its libraries; False too where there is no Playwright yet."""
    code = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    browser = asked.stdout.strip()
    if asked.returncode or not Path(browser).exists():
        return False
    return subprocess.run([browser, "--version"], capture_output=True, check=False).returncode == 0


def can_make_venvs() -> bool:
    """Whether the Makefile finds a Python that can."""
    code = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
    found = [python for python in ("python3.11", "python3") if shutil.which(python)]
    return any(subprocess.run([one, "-c", code], capture_output=True, check=False).returncode == 0 for one in found)


VENV = [Need("python3-venv", can_make_venvs)]
MONGOD = [Need("libcurl4", loads("libcurl.so.4")), Need("libssl3", loads("libssl.so.3"))]
BROWSER = Need("chromium", browser_is_there, (sys.executable, "-m", "playwright", "install", "chromium"))
NGINX = Need("nginx-light", runs("nginx"))
SYSTEMD = Need("systemd", runs("systemd-analyze"))
"""For its word on the units in deploy/; it need not run."""
RABBITMQ = Need("rabbitmq-server", Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists)
"""A program for tests, which start one of their own: Debian is kept from starting it as a service (see POLICY)."""
NODE = [Need("nodejs", runs("node")), Need("npm", runs("npm"))]
"""For a provider that staff sign on at, and for generated clients."""
JAVA = [  # what compiles and runs a client that is generated from the OpenAPI document
    Need("default-jdk-headless", runs("javac")),
    Need("libjakarta-annotation-api-java", Path("/usr/share/java/jakarta-annotation-api.jar").exists),
]
MODEL = [
    Need("spin", runs("spin")),
    Need("gcc", runs("gcc")),
    Need("libc6-dev", lambda: sys.platform != "linux" or Path("/usr/include/stdio.h").exists()),
]
GETTEXT = Need("gettext", runs("xgettext"))
TEST = [*MONGOD, BROWSER, NGINX, SYSTEMD, GETTEXT, *NODE]
LISTS = {
    "venv": VENV,
    "run": MONGOD,
    "pictures": [*MONGOD, BROWSER],
    "messages": [GETTEXT],
    "test": TEST,
    "test-all": [*TEST, RABBITMQ, *MODEL, *JAVA],
    "proof": [*MONGOD, *MODEL],
}


def main(argv: list[str] | None = None) -> int:
    """Get what is missing of a list. :returns: 0 if it is all there then, else 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", choices=LISTS)
    needs = LISTS[parser.parse_args(argv).list]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which cleans up
    if needs is MONGOD and all(os.environ.get(name, "").strip() for name in REAL):
        return 0  # everything is real, and no mongod is started
    missing = by_apt([need for need in needs if not need.is_there()])
    missing = [need for need in missing if not by_its_other_way(need)]
    if missing:
        packages = " ".join(need.package for need in missing)
        sys.stderr.write(f"What is missing on this machine could not be got: as root, apt-get install {packages}\n")
    return 2 if missing else 0


def by_apt(missing: list[Need]) -> list[Need]:
    """Install Debian's packages. :returns: what is missing still."""
    if not missing or os.geteuid() != 0 or not shutil.which("apt-get"):
        return missing
    say(f"Installing what is missing on this machine: apt-get install {' '.join(need.package for need in missing)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with no_service_started():
        for arguments in (["update"], *(["install", "-y", "--no-install-recommends", n.package] for n in missing)):
            command = [*APT, *arguments]
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return [need for need in missing if not need.is_there()]


def by_its_other_way(need: Need) -> bool:
    """Get it without Debian. :returns: whether it is there now."""
    if not need.otherwise:
        return False
    say(f"Getting what is missing on this machine: {' '.join(['python', *need.otherwise[1:]])}")
    done = subprocess.run(need.otherwise, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0 and need.is_there()


@contextmanager
def no_service_started() -> Iterator[None]:
    """Keep Debian from starting what it installs: nginx is a program for tests here, and no server of this machine."""
    if POLICY.exists() or not POLICY.parent.is_dir():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
