"""Webhook endpoints over the API, for admins; deliveries themselves are the workers'."""

from typing import Any

from bson import ObjectId
from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status as http
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api import parameters
from orders.api.operations import ALWAYS, ONE_WEBHOOK, UNSURE, WEBHOOK_ID, WEBHOOK_KEY, operation, problems
from orders.api.presentation import present_test_delivery, present_webhook
from orders.api.viewsets import LimitedViewSet, caller, expect_nothing, given_of, marked
from orders.api.webhook_serializers import (
    ChangeWebhookSerializer,
    CreateWebhookSerializer,
    ReplaySerializer,
    TestDeliverySerializer,
    WebhookSerializer,
)
from orders.models import WebhookEndpoint
from orders.services.access import MANAGE_WEBHOOKS
from orders.services.events import reading, webhooks

WRITTEN: dict[Any, Any] = {**ONE_WEBHOOK, **UNSURE}


@extend_schema(tags=["webhooks"])
class WebhookViewSet(LimitedViewSet):
    """Endpoints to which events are sent."""

    @operation(
        operation_id="list_webhooks",
        responses={
            200: WebhookSerializer(many=True),
            **problems(e403="The caller is not an admin."),
            **ALWAYS,
        },
    )
    def list(self, request: Request) -> Response:
        """List the endpoints, the oldest first."""
        found = webhooks.list_endpoints(caller(request))
        newest = reading.newest_cursor()
        return Response([present_webhook(endpoint, newest) for endpoint in found])

    @operation(
        operation_id="create_webhook",
        request=CreateWebhookSerializer,
        parameters=[WEBHOOK_KEY],
        responses={
            201: WebhookSerializer,
            **problems(
                e400="Malformed, or nothing may be sent to this address; `errors` names fields.",
                e403="The caller is not an admin.",
                e409="There are as many endpoints as there may be.",
                e422="The key was used for another request, or more than a day ago.",
            ),
            **ALWAYS,
            **UNSURE,
        },
    )
    def create(self, request: Request) -> HttpResponse:
        """Add an endpoint. It is sent what is told from now on.

        The answer has the secret by which it verifies signatures; it is not shown again, except to the same request
        with the same `Idempotency-Key`.
        """
        caller(request).require(MANAGE_WEBHOOKS)
        key = parameters.idempotency_key(request)
        given = given_of(CreateWebhookSerializer, request)
        made = webhooks.create_endpoint(**given, actor=caller(request), at=timezone.now(), key=key)
        address = f"{settings.API_PREFIX}/webhooks/{made.endpoint.pk}"
        answer = _with_secret(made, status=http.HTTP_201_CREATED, headers={"Location": address})
        return marked(answer, replayed=made.replayed)

    @operation(operation_id="get_webhook", parameters=[WEBHOOK_ID], responses={200: WebhookSerializer, **ONE_WEBHOOK})
    def retrieve(self, request: Request, webhook_id: str) -> Response:
        """Show an endpoint, how far it is, and its last deliveries."""
        return _shown(webhooks.get_endpoint(_id(request, webhook_id), caller(request)), request)

    @operation(
        operation_id="change_webhook",
        request=ChangeWebhookSerializer,
        parameters=[WEBHOOK_ID],
        responses={200: WebhookSerializer, **WRITTEN},
    )
    def partial_update(self, request: Request, webhook_id: str) -> Response:
        """Change an endpoint, or switch it off or on."""
        endpoint_id = _id(request, webhook_id)
        given = given_of(ChangeWebhookSerializer, request)
        return _shown(webhooks.change_endpoint(endpoint_id, **given, actor=caller(request)), request)

    @operation(operation_id="delete_webhook", request=None, parameters=[WEBHOOK_ID], responses={204: None, **WRITTEN})
    def destroy(self, request: Request, webhook_id: str) -> HttpResponse:
        """Delete an endpoint, with the record of its deliveries."""
        endpoint_id = _id(request, webhook_id)
        expect_nothing(request)
        webhooks.delete_endpoint(endpoint_id, actor=caller(request))
        return HttpResponse(status=http.HTTP_204_NO_CONTENT)

    @operation(
        operation_id="test_webhook",
        request=None,
        parameters=[WEBHOOK_ID],
        responses={200: TestDeliverySerializer, **ONE_WEBHOOK},
    )
    def test(self, request: Request, webhook_id: str) -> Response:
        """Send an endpoint an event of the type `webhook.test` and wait up to five seconds for its answer."""
        endpoint_id = _id(request, webhook_id)
        expect_nothing(request)
        return Response(present_test_delivery(webhooks.send_test(endpoint_id, actor=caller(request))))

    @operation(
        operation_id="rotate_webhook_secret",
        request=None,
        parameters=[WEBHOOK_ID],
        responses={200: WebhookSerializer, **WRITTEN},
    )
    def rotate_secret(self, request: Request, webhook_id: str) -> Response:
        """Give an endpoint a new secret, which the answer has; it is not shown again.

        Events are signed with the secrets before as well, until the rotation is ended.
        """
        endpoint_id = _id(request, webhook_id)
        expect_nothing(request)
        return _with_secret(webhooks.rotate_secret(endpoint_id, actor=caller(request)))

    @operation(
        operation_id="end_webhook_rotation",
        request=None,
        parameters=[WEBHOOK_ID],
        responses={200: WebhookSerializer, **WRITTEN},
    )
    def end_rotation(self, request: Request, webhook_id: str) -> Response:
        """Sign with the newest secret alone from now on."""
        endpoint_id = _id(request, webhook_id)
        expect_nothing(request)
        return _shown(webhooks.end_rotation(endpoint_id, actor=caller(request)), request)

    @operation(
        operation_id="replay_webhook",
        request=ReplaySerializer,
        parameters=[WEBHOOK_ID],
        responses={200: WebhookSerializer, **WRITTEN},
    )
    def replay(self, request: Request, webhook_id: str) -> Response:
        """Set an endpoint's cursor: what follows it is sent, even if it was sent before."""
        endpoint_id = _id(request, webhook_id)
        given = given_of(ReplaySerializer, request)
        return _shown(webhooks.replay(endpoint_id, after=given["after"], actor=caller(request)), request)


def _id(request: Request, text: str) -> ObjectId:
    """:raises NotPermitted: before anything else is said. :raises ValidationError:"""
    caller(request).require(MANAGE_WEBHOOKS)
    return parameters.order_id(text, "webhook_id")


def _shown(endpoint: WebhookEndpoint, request: Request) -> Response:
    last = webhooks.deliveries(endpoint.pk, caller(request))
    return Response(present_webhook(endpoint, reading.newest_cursor()) | {"deliveries": last})


def _with_secret(made: webhooks.NewSecret, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    shown = present_webhook(made.endpoint, reading.newest_cursor()) | {"secret": made.secret}
    return Response(shown, status=status, headers={"Cache-Control": "no-store", **(headers or {})})
