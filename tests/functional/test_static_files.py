"""The backoffice's static files under the production settings: hashed, compressed, kept for a year."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from devtools.localhost import ROOT

ASK = """
import json, sys
import django
django.setup()
from django.core.management import call_command
others = ["drf_spectacular_sidecar", "unfold", "rest_framework", "orders", "js"]  # they take their time to compress
call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=others)
from django.template import Context, Template
from django.test import Client
css = Template("{% load static %}{% static 'admin/css/base.css' %}").render(Context())
asked = {
    "css": (css, {}), "gzip": (css, {"Accept-Encoding": "gzip"}),
    "plain": ("/static/admin/css/base.css", {}), "missing": ("/static/admin/css/none.css", {}),
    "wrong hash": ("/static/admin/css/base.000000000000.css", {}),
    "outside": ("/static/../manage.py", {}), "encoded": ("/static/%2e%2e/manage.py", {}),
}
client, told = Client(HTTP_HOST="orders.example"), {}
for name, (path, headers) in asked.items():
    answer = client.get(path, headers=headers, secure=True)
    told[name] = {"path": path, "status": answer.status_code, **{key.lower(): value for key, value in answer.items()}}
    told[name]["bytes"] = len(b"".join(answer.streaming_content if answer.streaming else [answer.content]))
    answer.close()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What a process with production settings answered to each path."""
    directory = tmp_path_factory.mktemp("static")
    lines = f"from orders_project.settings.production import *\nSTATIC_ROOT = {str(directory / 'files')!r}\n"
    (directory / "production_elsewhere.py").write_text(lines)
    environment = {name: os.environ[name] for name in os.environ if name in {"PATH", "HOME"} or name.startswith("COV")}
    environment |= {f"{peer}_SERVICE_URL": "http://nowhere" for peer in ("USER", "PRODUCT", "INVENTORY")}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "production_elsewhere",
        "PYTHONPATH": f"{ROOT}:{directory}",
        "SECRET_KEY": "0f3b9c1d7e5a48269b0c4d1e8f7a6b52c3",
        "MONGODB_URI": "mongodb://nowhere",
        "ALLOWED_HOSTS": "orders.example",
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def test_the_admins_css_is_named_by_its_content_and_kept_for_a_year(told: dict[str, dict[str, Any]]) -> None:
    css = told["css"]
    assert re.fullmatch(r"/static/admin/css/base\.[0-9a-f]{12}\.css", css["path"])
    assert css["status"] == 200
    assert css["content-type"].startswith("text/css")
    kept = re.fullmatch(r"max-age=(\d+), public, immutable", css["cache-control"])
    assert kept
    assert int(kept[1]) >= 365 * 24 * 3600


def test_it_is_compressed_for_who_takes_that(told: dict[str, dict[str, Any]]) -> None:
    assert told["gzip"]["content-encoding"] == "gzip"
    assert told["gzip"]["bytes"] < told["css"]["bytes"] / 2
    assert "content-encoding" not in told["css"]
    assert told["css"]["vary"] == "Accept-Encoding"


def test_a_name_without_the_hash_is_kept_for_a_short_time(told: dict[str, dict[str, Any]]) -> None:
    assert told["plain"]["status"] == 200
    assert told["plain"]["cache-control"] == "max-age=60, public"


@pytest.mark.parametrize("name", ["missing", "wrong hash", "outside", "encoded"])
def test_what_is_not_there_is_404_and_not_kept(told: dict[str, dict[str, Any]], name: str) -> None:
    assert told[name]["status"] == 404
    assert "immutable" not in told[name].get("cache-control", "")
