"""Reading the environment: every problem is collected, so that a start names all that is wrong at once."""

import os
import re
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import available_timezones

from babel.core import get_global
from environs import Env, EnvValidationError, validate
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.uri_parser import parse_uri

from orders_project.settings.refusal import SettingsRefused

T = TypeVar("T")

PLACEHOLDER_SECRETS = ("your-secret-key-here", "change-me", "changeme", "secret", "insecure", "placeholder")
PATH = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
DOTTED_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
DATABASE_NAME = re.compile(r'[^/\\. "$*<>:|?]{1,63}')
"""What MongoDB takes on every system."""
ORIGIN = re.compile(r"(?!https://.*:443$|http://.*:80$)[a-z][a-z0-9+.-]*://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
"""RFC 6454: scheme, host and, unless it is the scheme's own, port. Browsers write it in small letters."""
NO_ZONES = {"localtime", "Factory"}
"""Files beside those of time zones: whatever the machine is set to, and one for a machine that nobody has set."""
SHORTEST_SECRET = 32
"""Characters; RFC 7518 section 3.2 asks for 256 bits under HS256."""


def what_is_unfit(secret: str) -> str:
    """What keeps a secret from being one, to be read after its name; empty if nothing does."""
    if any(word in secret.lower() for word in PLACEHOLDER_SECRETS):
        return "is a placeholder"
    return f"is shorter than {SHORTEST_SECRET} characters" if len(secret) < SHORTEST_SECRET else ""


class _Environs(Env):
    def _get_value(self, env_key: str, default: Any) -> Any:
        """A blank variable counts as not set."""
        return os.environ.get(env_key, "").strip() or default


class Environment:
    """Typed readers of environment variables that remember what they could not accept.

    Each reader returns a value of its type; where the variable is malformed that is the default, so that reading goes
    on. :meth:`refuse_problems` then raises all problems together.

    :ivar problems: those that are ours to find, not those of types and ranges, which environs remembers.
    """

    def __init__(self) -> None:
        self._environs = _Environs(eager=False)
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self._read("str", name, default)

    def flag(self, name: str, default: bool) -> bool:
        return self._read("bool", name, default)

    def number(self, name: str, default: float, *, least: float = 0, most: float | None = None) -> float:
        return self._read("float", name, default, validate=validate.Range(least, most))

    def integer(self, name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
        return self._read("int", name, default, validate=validate.Range(least, most))

    def money(self, name: str, default: Decimal) -> Decimal:
        return self._read("decimal", name, default, validate=validate.Range(0))

    def _read(self, kind: str, name: str, default: T, **options: Any) -> T:
        value: T | None = getattr(self._environs, kind)(name, default, **options)
        return default if value is None else value

    def one_of(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """A word out of a few."""
        given = self.text(name, default).lower()
        if given not in choices:
            self.problems.append(f"{name}={given!r} must be one of: {', '.join(choices)}")
            return default
        return given

    def items(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """A comma-separated list; empty parts are dropped."""
        given = self.text(name)
        return [part.strip() for part in given.split(",") if part.strip()] if given else list(default)

    def currencies(self, name: str, default: str) -> list[str]:
        """A comma-separated list of currencies by their codes (ISO 4217), e.g. `EUR,CHF`."""
        codes = self.items(name, (default,))
        unknown = [code for code in codes if code not in get_global("all_currencies")]
        self.problems.extend(f"{name}: {code} is not the code of a currency (ISO 4217), e.g. EUR" for code in unknown)
        return codes

    def carriers(self, name: str) -> dict[str, str]:
        """A comma-separated list of carriers with the addresses of their pages on a parcel: `Name=https://…{number}`."""
        found = {}
        for one in self.items(name):
            carrier, _, pattern = (part.strip() for part in one.partition("="))
            if carrier and pattern.startswith("https://") and "{number}" in pattern:
                found[carrier] = pattern
            else:
                self.problems.append(f"{name}: {one!r} is not of the form Name=https://…{{number}}")
        return found

    def time_zone(self, name: str) -> str:
        """The name of a time zone, e.g. `Europe/Berlin`; UTC where the variable is not set."""
        given = self.text(name, "UTC")
        if given != "UTC" and given not in available_timezones() - NO_ZONES:
            self.problems.append(f"{name}: {given!r} is no time zone of the IANA database, e.g. Europe/Berlin")
            return "UTC"
        return given

    def origins(self, name: str, *, also: str) -> list[str]:
        """A comma-separated list of origins, as browsers send them.

        :param also: a pattern of what may stand there besides.
        """
        found = [one.lower().rstrip("/") for one in self.items(name)]
        for one in found:
            if not (ORIGIN.fullmatch(one) or re.fullmatch(also, one)):
                self.problems.append(f"{name}: {one!r} is no origin as browsers send it, such as https://shop.example")
        return found

    def integers(self, name: str, default: tuple[int, ...]) -> list[int]:
        """A comma-separated list of whole numbers."""
        try:
            return [int(part) for part in self.items(name)] or list(default)
        except ValueError:
            self.problems.append(f"{name} is not a comma-separated list of whole numbers")
            return list(default)

    def path(self, name: str, default: str) -> str:
        """An address of our own below the root, with one slash at its end and none before."""
        given = self.text(name, default).strip("/")
        if not PATH.fullmatch(given):
            self.problems.append(f"{name}={given!r} is not a path of letters, digits, - and _")
            return default
        return f"{given}/"

    def url(self, name: str) -> str:
        """An http(s) address without a trailing slash; empty where the variable is not set."""
        given = self.text(name, "").rstrip("/")
        if given:
            try:
                parts = urlsplit(given)
                usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            except ValueError:
                usable = False
            if not usable:
                # Not its value: an address may carry a password.
                self.problems.append(f"{name} is not an http or https address")
        return given

    def dotted_path(self, name: str, default: str) -> str:
        """The place of a class, as `shop.peers.Users`; whether it is there is seen once the settings are loaded."""
        given = self.text(name, default)
        if not DOTTED_PATH.fullmatch(given):
            self.problems.append(f"{name}: {given!r} is no dotted path of a class, e.g. shop.peers.Users")
            return default
        return given

    def mongodb_uri(self, name: str) -> str:
        """A MongoDB address that reads on the primary and waits for a majority."""
        given = self.text(name, "")
        if not given:
            return given
        if not given.startswith(("mongodb://", "mongodb+srv://")):
            self.problems.append(f"{name} does not start with mongodb:// or mongodb+srv://")
            return ""
        try:
            if given.startswith("mongodb://"):  # the other kind would ask the name service
                parse_uri(given)
        except (InvalidURI, ConfigurationError, ValueError):  # whose texts may quote a piece of the password
            self.problems.append(f"{name} is not a MongoDB address (is its password percent-encoded?)")
            return ""
        options = {option.lower(): value for option, value in parse_qsl(given.partition("?")[2])}
        if options.get("readpreference", "primary") != "primary":
            self.problems.append(f"{name} asks for another read preference than primary: stale reads sell a unit twice")
        if options.get("w", "majority") != "majority":
            self.problems.append(f"{name} asks for another write concern than majority: an order could be lost")
        return given

    def database_name(self, name: str, default: str) -> str:
        """The name of a MongoDB database."""
        given = self.text(name, default)
        if not DATABASE_NAME.fullmatch(given):
            self.problems.append(f'{name}={given!r} is not a database name: 1 to 63 characters, none of /\\. "$*<>:|?')
            return default
        return given

    def amqp_url(self, name: str) -> str:
        """The address of a RabbitMQ broker; empty where the variable is not set."""
        given = self.text(name)
        if given and not given.startswith(("amqp://", "amqps://")):  # not its value: it may carry a password
            self.problems.append(f"{name} does not start with amqp:// or amqps://")
        return given

    def secret(self, name: str) -> str:
        """A secret fit for production: set, long enough, and no placeholder."""
        given = self.text(name)
        if not given:
            self.problems.append(f"{name} is not set")
        else:
            self._refuse_unfit(name, given)
        return given

    def secrets(self, name: str) -> list[str]:
        """A comma-separated list of such secrets, or none."""
        given = self.items(name)
        for one in given:
            self._refuse_unfit(name, one)
        return given

    def _refuse_unfit(self, name: str, given: str) -> None:
        if problem := what_is_unfit(given):
            self.problems.append(f"{name} {problem}: set a secret of your own")

    def require(self, *names: str) -> None:
        """Note every variable of these that is not set."""
        self.problems.extend(f"{name} is not set" for name in names if not self.text(name))

    def refuse_problems(self) -> None:
        """Stop the start if anything was wrong.

        :raises SettingsRefused: naming each setting and what is wrong with it.
        """
        read, self._environs = self._environs, _Environs(eager=False)  # settings may be loaded again after a refusal
        try:
            read.seal()
        except EnvValidationError as refused:
            found: Any = refused.error_messages
            self.problems += [f"{name}: {texts[0]}" for name, texts in found.items()]
        if self.problems:
            raise SettingsRefused([*dict.fromkeys(self.problems)])
