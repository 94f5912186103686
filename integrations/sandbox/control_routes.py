"""The control over HTTP: `/control/…`, JSON in and out. What is malformed gets a 400 that says why."""

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from integrations.sandbox.control import Control
from integrations.sandbox.http_messages import BadControlError, Request, Response, failure, parse_object


class ControlRoutes:
    """Parses, calls the `Control`, presents; it has no rule of its own."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._routes: dict[tuple[str, ...], Callable[[Request], Response]] = {
            ("GET",): self._state,
            ("PUT", "keys"): self._keys,
            ("PUT", "atomicity"): self._atomicity,
            ("POST", "faults"): self._fault,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "seed"): self._seed,
            ("POST", "reset"): self._reset,
            ("GET", "calls"): self._calls,
            ("GET", "movements"): self._movements,
            ("GET", "stock"): self._stock,
            ("PUT", "products", "{id}"): self._product,
            ("PUT", "users", "{id}"): self._user,
        }

    def answer(self, request: Request, path: tuple[str, ...]) -> Response:
        """Answer a request for `path` (below `/control`)."""
        pattern = (*path[:1], "{id}") if len(path) == 2 else path
        route = self._routes.get((request.method, *pattern))
        if route is None:
            return self._no_route(pattern)
        try:
            return route(request)
        except BadControlError as error:
            return failure(400, str(error))

    def _no_route(self, pattern: tuple[str, ...]) -> Response:
        allowed = sorted(known[0] for known in self._routes if known[1:] == pattern)
        if not allowed:
            return failure(404, "Not Found")
        return Response(405, {"detail": "Method Not Allowed"}, {"Allow": ", ".join(allowed)})

    def _state(self, _request: Request) -> Response:
        control = self._control
        state = {
            "honour": control.honours_keys,
            "atomic": control.room.atomic,
            "faults": control.faults.listed(),
            "counts": control.counts(),
        }
        return Response(200, state)

    def _keys(self, request: Request) -> Response:
        honour = _fields(request, required={"honour"})["honour"]
        if not isinstance(honour, bool):
            raise BadControlError(f"honour must be true or false, not {honour!r}")
        self._control.honour_keys(honour)
        return Response(200, {"honour": honour})

    def _atomicity(self, request: Request) -> Response:
        fields = _fields(request, required={"atomic"}, optional={"pause"})
        pause = fields.get("pause", 0)
        self._control.be_atomic(fields["atomic"], float(pause) if isinstance(pause, Decimal) else pause)
        return Response(200, {"atomic": self._control.room.atomic, "pause": self._control.room.pause})

    def _fault(self, request: Request) -> Response:
        optional = {"seconds", "status", "retry_after", "times", "probability", "product_id"}
        fields = _fields(request, required={"operation", "kind"}, optional=optional)
        plain: dict[str, Any] = {
            name: float(given) if isinstance(given, Decimal) else given for name, given in fields.items()
        }
        return Response(201, asdict(self._control.fault(**plain)))

    def _clear_faults(self, _request: Request) -> Response:
        self._control.clear_faults()
        return Response(204, None)

    def _seed(self, request: Request) -> Response:
        seed = _fields(request, required={"seed"})["seed"]
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise BadControlError(f"seed must be a whole number, not {seed!r}")
        self._control.seed(seed)
        return Response(200, {"seed": seed})

    def _reset(self, _request: Request) -> Response:
        self._control.reset()
        return Response(204, None)

    def _calls(self, request: Request) -> Response:
        calls = self._control.calls(request.query.get("operation"))
        return Response(200, {"counts": self._control.counts(), "calls": calls})

    def _movements(self, request: Request) -> Response:
        query = request.query
        return Response(200, self._control.movements(query.get("order_id"), query.get("product_id")))

    def _stock(self, _request: Request) -> Response:
        return Response(200, self._control.stocks())

    def _product(self, request: Request) -> Response:
        required = {"name", "price", "available"}
        optional = {"category", "sku", "image_url", "currency", "reserved", "reorder_threshold"}
        fields = _fields(request, required=required, optional=optional)
        self._control.put_product(request.segments[-1], **fields)
        return Response(204, None)

    def _user(self, request: Request) -> Response:
        fields = _fields(request, required={"email", "full_name"}, optional={"active"})
        given = request.segments[-1]
        try:
            user_id = int(given)
        except ValueError as error:
            raise BadControlError(f"a user id must be an integer, not {given!r}") from error
        self._control.put_user(user_id, **fields)
        return Response(204, None)


def _fields(request: Request, *, required: set[str], optional: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    try:
        fields = parse_object(request.body)
    except ValueError as error:
        raise BadControlError(f"the body must be a JSON object: {error}") from error
    if missing := sorted(required - fields.keys()):
        raise BadControlError(f"missing: {', '.join(missing)}")
    if strange := sorted(fields.keys() - required - optional):
        raise BadControlError(f"unknown: {', '.join(strange)}")
    return fields
