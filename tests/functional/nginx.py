"""Debian's nginx, run with the project's own file as docker-compose.yml runs it."""

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, Self

import pytest
from django.conf import settings

from devtools.child_processes import Child
from devtools.localhost import ROOT, free_port, listens

TEMPLATE = ROOT / "orders_project" / "web" / "nginx.conf.template"
MISSING = "nginx is not installed, which these tests run: apt-get install nginx-light"
START = 30.0
"""Seconds for it to listen, on a machine that has a lot to do."""


def written(template: str, *, listen: str, upstream: str, **times: str) -> str:
    """The file as the image's entrypoint writes it, with other values for directives that stand in it once."""
    text = template.replace("${LISTEN}", listen).replace("${UPSTREAM}", upstream)
    text = text.replace("${API_PREFIX}", settings.API_PREFIX).replace("${LOG}", "/dev/stdout")
    for directive, value in times.items():
        text, found = re.subn(rf"(?m)^( *{directive}) [^;]+;", rf"\1 {value};", text)
        assert found == 1, directive
    return text


class Nginx:
    """nginx in front of an upstream, as a context manager; without root, unless the tests themselves have it.

    :param times: shorter values of the file's directives.
    """

    def __init__(self, directory: Path, upstream: str, **times: str) -> None:
        binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if binary is None:
            pytest.fail(MISSING, pytrace=False)
        self.port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.log = directory / "nginx.log"
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / "nginx.conf"
        listen = f"127.0.0.1:{self.port}"
        file.write_text(written(TEMPLATE.read_text(), listen=listen, upstream=upstream, **times))
        command = [binary, "-p", str(directory), "-c", str(file), "-e", "stderr"]
        command += ["-g", "user root;"] if os.geteuid() == 0 else []  # else its processes could not enter the directory
        self._child = Child("nginx", command, log=self.log)

    def __enter__(self) -> Self:
        self._child.start(dict(os.environ))
        until = time.monotonic() + START
        while not listens(self.port):
            if not self._child.running or time.monotonic() > until:
                raise self._child.failure()
            time.sleep(0.05)
        return self

    def __exit__(self, *_exception: Any) -> None:
        self._child.stop()
