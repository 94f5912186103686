"""Which backends the settings name, and whether they can be ones (:mod:`integrations.backends`)."""

import inspect
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from integrations.backends import (
    BulkProductBackend,
    InventoryBackend,
    ProductBackend,
    SearchableProductBackend,
    UserBackend,
)

PROTOCOLS: dict[str, type] = {
    "USER_BACKEND": UserBackend,
    "PRODUCT_BACKEND": ProductBackend,
    "INVENTORY_BACKEND": InventoryBackend,
}


class Unfit(ValueError):
    """What is named cannot be a backend; the text says why, to be read after the name of the setting."""


def user_backend() -> UserBackend:
    return cast("UserBackend", _backend("USER_BACKEND"))


def product_backend() -> ProductBackend:
    return cast("ProductBackend", _backend("PRODUCT_BACKEND"))


def inventory_backend() -> InventoryBackend:
    return cast("InventoryBackend", _backend("INVENTORY_BACKEND"))


def offers_many(backend: ProductBackend) -> bool:
    """Tell whether it is a BulkProductBackend."""
    return hasattr(backend, "fetch_many")


def offers_search(backend: ProductBackend) -> bool:
    """Tell whether it is a SearchableProductBackend."""
    return hasattr(backend, "search")


def problems() -> list[str]:
    """Load the three backends, and return what keeps them from being ones: the setting, and what is wrong with it."""
    found = []
    for setting in PROTOCOLS:
        try:
            _backend(setting)
        except ImproperlyConfigured as error:
            found.append(str(error))
    return found


def _backend(setting: str) -> object:
    path = getattr(settings, setting)
    try:
        return _made(path, PROTOCOLS[setting])
    except Unfit as error:
        raise ImproperlyConfigured(f"{setting}: {error}") from error


@cache
def _made(path: str, protocol: type) -> object:
    """Make the backend of a dotted path, once in this process. :raises Unfit:"""
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except AttributeError as error:
        raise Unfit(f"{module} has no {name}") from error
    except Exception as error:  # whatever somebody's module does when it is imported
        raise Unfit(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(found, type):
        raise Unfit(f"{path} is not a class")
    try:
        made = found()
    except Exception as error:
        raise Unfit(f"{path} cannot be made without arguments: {type(error).__name__}: {error}") from error
    if missing := list(_missing(made, path, protocol)):
        raise Unfit("; ".join(missing))
    return made


def _missing(made: Any, path: str, protocol: type) -> Iterator[str]:
    yield from _unfit_methods(made, path, protocol)
    if protocol is ProductBackend and offers_many(made):
        yield from _unfit_methods(made, path, BulkProductBackend)
        most = getattr(made, "most_at_once", None)
        if not isinstance(most, int) or most < 1:
            yield f"{path} has fetch_many, but no most_at_once of 1 or more"
    if protocol is ProductBackend and offers_search(made):
        yield from _unfit_methods(made, path, SearchableProductBackend)


def _unfit_methods(made: Any, path: str, protocol: type) -> Iterator[str]:
    """Yield what is wrong with the methods that the protocol defines, not those that it inherits."""
    for name, defined in inspect.getmembers_static(protocol, inspect.isfunction):
        if name.startswith("_") or name not in vars(protocol):
            continue
        wanted = inspect.signature(defined)
        takes = str(wanted.replace(return_annotation=inspect.Signature.empty)).replace("self, ", "")
        method = getattr(made, name, None)
        if not callable(method):
            yield f"{path} has no method {name}{takes}"
        elif inspect.iscoroutinefunction(method) or not _takes(method, wanted):
            yield f"{path}.{name} is not an ordinary method {name}{takes}"


def _takes(method: Any, wanted: inspect.Signature) -> bool:
    """Tell whether a bound method can be called as the protocol's is."""
    parameters = list(wanted.parameters.values())[1:]
    keywords = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    try:
        inspect.signature(method).bind(*[None] * (len(parameters) - len(keywords)), **dict.fromkeys(keywords))
    except (TypeError, ValueError):
        return False
    return True
