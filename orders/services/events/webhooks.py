"""Webhook endpoints as people manage them; deliveries themselves are in :mod:`orders.services.events.delivering`."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from django.conf import settings
from django.utils.translation import gettext as _

from integrations import webhook_calls
from integrations.webhook_calls import Delivery
from orders.models import EVENT_TYPES, Document, WebhookEndpoint
from orders.services.access import MANAGE_WEBHOOKS, Actor
from orders.services.errors import OrderError, RefusalKind
from orders.services.events import delivering
from orders.services.events.reading import problem_of_moment
from orders.services.events.webhook_messages import new_secret
from orders.services.lifecycle.idempotency_keys import KeyedRequest, reused
from orders.services.text_rules import one_line, problem_of
from orders.storage import event_feed, webhook_endpoints
from orders.storage.database import writing

MOST_ENDPOINTS = 50
MOST_SECRETS = 5
"""A rotation that was begun several times, perhaps since its answer was lost, leaves the one that is in use."""
LONGEST_URL, LONGEST_DESCRIPTION = 2000, 200


class InvalidWebhook(OrderError):
    """An endpoint cannot be so; `errors` says why, by field."""

    code = "invalid_webhook"
    kind = RefusalKind.INVALID


class WebhookNotFound(OrderError):
    code = "webhook_not_found"
    kind = RefusalKind.NOT_FOUND


class TooManyWebhooks(OrderError):
    """There are as many endpoints as there may be."""

    code = "too_many_webhooks"
    kind = RefusalKind.CONFLICT


@dataclass(frozen=True)
class NewSecret:
    """An endpoint, and its secret, which is shown this once.

    :ivar replayed: it was made before, by the same request with the same key.
    """

    endpoint: WebhookEndpoint
    secret: str
    replayed: bool = False


def list_endpoints(actor: Actor) -> list[WebhookEndpoint]:
    """:raises NotPermitted:"""
    actor.require(MANAGE_WEBHOOKS)
    return list(WebhookEndpoint.objects.order_by("pk"))


def get_endpoint(endpoint_id: ObjectId, actor: Actor) -> WebhookEndpoint:
    """:raises NotPermitted, WebhookNotFound:"""
    actor.require(MANAGE_WEBHOOKS)
    found = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
    if found is None:
        raise WebhookNotFound(_("There is no webhook endpoint %(endpoint)s.") % {"endpoint": endpoint_id})
    return found


def create_endpoint(
    *, url: str, types: Collection[str] = (), description: str = "", actor: Actor, at: datetime, key: str | None = None
) -> NewSecret:
    """Add an endpoint, which is sent what is told from now on.

    :param key: an idempotency key: the same request with it adds one endpoint, and is told its secret again for
        IDEMPOTENCY_KEY_TTL.
    :raises NotPermitted, InvalidWebhook, TooManyWebhooks:
    :raises KeyReused: the key was used for another request, or too long ago.
    """
    actor.require(MANAGE_WEBHOOKS)
    asked = {"url": url, "types": sorted(set(types)), "description": one_line(description)}
    keyed = KeyedRequest.of(caller=actor.label, key=key, request=asked) if key else None
    endpoint_id = ObjectId(keyed.key[:24]) if keyed else ObjectId()
    if keyed and (made := webhook_endpoints.whole(endpoint_id)):
        return _replayed(made, keyed, actor, at)
    _require_valid(url, types, description)
    if WebhookEndpoint.objects.count() >= MOST_ENDPOINTS:
        raise TooManyWebhooks(
            _("There are %(most)d webhook endpoints, which is the limit. Delete one first.") % {"most": MOST_ENDPOINTS}
        )
    secret = new_secret()
    cursor, by = event_feed.newest_cursor(), actor.label
    new = WebhookEndpoint(id=endpoint_id, **asked, secrets=[secret], cursor=cursor, created_at=at, created_by=by)
    stored = webhook_endpoints.add(new, request=keyed.fingerprint if keyed else "")
    if keyed and secret not in stored["secrets"]:
        return _replayed(stored, keyed, actor, at)
    return NewSecret(get_endpoint(endpoint_id, actor), secret)


def _replayed(made: Document, keyed: KeyedRequest, actor: Actor, at: datetime) -> NewSecret:
    """:param made: the endpoint that was added under this key. :raises KeyReused:"""
    age = at - made["created_at"].replace(tzinfo=UTC)
    if made["request"] != keyed.fingerprint or age > timedelta(seconds=settings.IDEMPOTENCY_KEY_TTL):
        raise reused()
    return NewSecret(get_endpoint(made["_id"], actor), made["secrets"][0], replayed=True)


def change_endpoint(
    endpoint_id: ObjectId,
    *,
    actor: Actor,
    url: str | None = None,
    types: Collection[str] | None = None,
    description: str | None = None,
    active: bool | None = None,
) -> WebhookEndpoint:
    """Change what is given of an endpoint. One that is switched on again goes on where it stopped.

    Switching one off that the service has switched off says that it is to stay so. What went wrong at another address
    is forgotten.

    :raises NotPermitted, WebhookNotFound, InvalidWebhook:
    """
    endpoint = get_endpoint(endpoint_id, actor)
    _require_valid(endpoint.url if url is None and active else url, types or (), description or "")
    given: dict[str, object] = {"url": url, "types": None if types is None else sorted(set(types)), "active": active}
    fields = {name: value for name, value in given.items() if value is not None}
    if description is not None:
        fields["description"] = one_line(description)
    if active is not None:
        fields["stopped_because"] = ""
    if active is not None or fields.get("url", endpoint.url) != endpoint.url:
        fields |= {"failures": 0, "failing_since": None, "due_at": None}
    return _changed(endpoint_id, fields, actor)


def delete_endpoint(endpoint_id: ObjectId, *, actor: Actor) -> None:
    """:raises NotPermitted, WebhookNotFound:"""
    endpoint = get_endpoint(endpoint_id, actor)
    with writing():
        endpoint.delete()


def rotate_secret(endpoint_id: ObjectId, *, actor: Actor) -> NewSecret:
    """Give an endpoint a new secret. Events are signed with those before as well, until :func:`end_rotation`.

    :raises NotPermitted, WebhookNotFound:
    """
    secret = new_secret()
    get_endpoint(endpoint_id, actor)
    webhook_endpoints.add_secret(endpoint_id, secret, MOST_SECRETS)
    return NewSecret(get_endpoint(endpoint_id, actor), secret)


def end_rotation(endpoint_id: ObjectId, *, actor: Actor) -> WebhookEndpoint:
    """Sign with the newest secret alone. :raises NotPermitted, WebhookNotFound:"""
    get_endpoint(endpoint_id, actor)
    webhook_endpoints.keep_newest_secret(endpoint_id)
    return get_endpoint(endpoint_id, actor)


def replay(endpoint_id: ObjectId, *, after: int, actor: Actor) -> WebhookEndpoint:
    """Deliver again, or for the first time, all events with a larger number.

    :raises NotPermitted, WebhookNotFound:
    :raises InvalidWebhook: events after that one have been deleted, or it is still to come.
    """
    get_endpoint(endpoint_id, actor)
    first, newest = (event_feed.oldest_cursor() or 1) - 1, event_feed.newest_cursor()
    if not first <= after <= newest:
        problem = _("The events that can be delivered follow %(first)d to %(newest)d.")
        problem %= {"first": first, "newest": newest}
        raise InvalidWebhook(problem, errors={"after": [problem]})
    return _changed(endpoint_id, {"cursor": after, "failures": 0, "failing_since": None, "due_at": None}, actor)


def replay_since(endpoint_id: ObjectId, *, since: datetime, actor: Actor, at: datetime) -> WebhookEndpoint:
    """Deliver again, or for the first time, all events that were told since a moment.

    :param at: now.
    :raises NotPermitted, WebhookNotFound:
    :raises InvalidWebhook: events of that time have been deleted, or it is still to come.
    """
    get_endpoint(endpoint_id, actor)
    if problem := problem_of_moment(since, at):
        raise InvalidWebhook(problem, errors={"since": [problem]})
    return replay(endpoint_id, after=event_feed.last_before(since), actor=actor)


def send_test(endpoint_id: ObjectId, *, actor: Actor) -> Delivery:
    """Send an event of the type `webhook.test`, once, whether the endpoint is on or off; nothing is recorded of it.

    :raises NotPermitted, WebhookNotFound:
    """
    endpoint = get_endpoint(endpoint_id, actor)
    return delivering.send_test({"url": endpoint.url, "secrets": endpoint.secrets})


def deliveries(endpoint_id: ObjectId, actor: Actor) -> list[Document]:
    """The last deliveries to an endpoint, the newest first. :raises NotPermitted:"""
    actor.require(MANAGE_WEBHOOKS)
    return webhook_endpoints.deliveries(endpoint_id)


def last_deliveries(actor: Actor) -> dict[ObjectId, Document]:
    """The last delivery to each endpoint that has had one. :raises NotPermitted:"""
    actor.require(MANAGE_WEBHOOKS)
    return webhook_endpoints.last_deliveries()


def newest_cursor(actor: Actor) -> int:
    """How far an endpoint can be: the number of the newest event. :raises NotPermitted:"""
    actor.require(MANAGE_WEBHOOKS)
    return event_feed.newest_cursor()


def _changed(endpoint_id: ObjectId, fields: dict[str, object], actor: Actor) -> WebhookEndpoint:
    webhook_endpoints.change(endpoint_id, fields)
    return get_endpoint(endpoint_id, actor)


def _require_valid(url: str | None, types: Collection[str], description: str) -> None:
    errors: dict[str, list[str]] = {}
    if url is not None and (problem := _problem_of_url(url)):
        errors["url"] = [problem]
    if unknown := [kind for kind in types if kind not in EVENT_TYPES]:
        told = _("There is no type %(unknown)s. Known: %(types)s.")
        errors["types"] = [told % {"unknown": unknown[0][:100], "types": ", ".join(EVENT_TYPES)}]
    if len(one_line(description)) > LONGEST_DESCRIPTION or problem_of(one_line(description)):
        errors["description"] = [
            _("One line of at most %(longest)d characters is allowed.") % {"longest": LONGEST_DESCRIPTION}
        ]
    if errors:
        raise InvalidWebhook(" ".join(problem for [problem] in errors.values()), errors=errors)


def _problem_of_url(url: str) -> str:
    try:
        webhook_calls.checked(url, insecure=settings.WEBHOOKS_INSECURE)
    except webhook_calls.Forbidden as error:
        return str(error)
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable():
        return _("At most %(longest)d visible ASCII characters are allowed.") % {"longest": LONGEST_URL}
    return ""
