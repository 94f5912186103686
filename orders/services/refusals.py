"""The one table from the services' refusals to what they are in HTTP, for the API and the backoffice alike.

Each error is here, also one that no code of the API stands for: a test goes through them all.
"""

from http import HTTPStatus

from orders.services import (
    access,
    audit,
    bulk,
    identifiers,
    order_queries,
    product_search,
    purging,
    saved_views,
    service_tokens,
)
from orders.services.errors import OrderError
from orders.services.events import publishing, reading, webhooks
from orders.services.examination import stock_trials
from orders.services.fulfilment import holding, parts, refunding, returning, shipping
from orders.services.lifecycle import (
    assigning,
    editing,
    erasing,
    idempotency_keys,
    payments,
    placement,
    replacing,
    tagging,
    tracking,
    transitions,
    verification,
    versions,
)
from orders.services.reporting import attention, shop_figures, snoozing
from orders.services.stock import resolution
from orders.services.transfer import import_files

STATUS: dict[type[OrderError], HTTPStatus] = {
    OrderError: HTTPStatus.BAD_REQUEST,
    audit.InvalidReason: HTTPStatus.BAD_REQUEST,
    audit.ReasonMissing: HTTPStatus.BAD_REQUEST,
    identifiers.MalformedUserId: HTTPStatus.BAD_REQUEST,
    order_queries.InvalidOrderQuery: HTTPStatus.BAD_REQUEST,
    shop_figures.InvalidPeriod: HTTPStatus.BAD_REQUEST,
    access.NotPermitted: HTTPStatus.FORBIDDEN,
    access.OrderNotFound: HTTPStatus.NOT_FOUND,
    access.OrderNotAdopted: HTTPStatus.NOT_FOUND,
    # placing
    placement.InvalidOrder: HTTPStatus.BAD_REQUEST,
    verification.VerificationFailed: HTTPStatus.BAD_REQUEST,
    verification.UnknownUser: HTTPStatus.BAD_REQUEST,
    verification.UnknownProduct: HTTPStatus.BAD_REQUEST,
    verification.PriceChanged: HTTPStatus.CONFLICT,
    verification.InsufficientStock: HTTPStatus.CONFLICT,
    placement.TooManyOpenOrders: HTTPStatus.CONFLICT,
    placement.PlacementInterrupted: HTTPStatus.SERVICE_UNAVAILABLE,
    idempotency_keys.KeyInUse: HTTPStatus.CONFLICT,
    idempotency_keys.KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    replacing.OrderNotReplaceable: HTTPStatus.CONFLICT,
    product_search.NoProductSearch: HTTPStatus.NOT_FOUND,
    # changing an order
    transitions.TransitionRefused: HTTPStatus.CONFLICT,
    versions.OrderBusy: HTTPStatus.CONFLICT,
    versions.StaleOrder: HTTPStatus.PRECONDITION_FAILED,
    payments.InvalidPayment: HTTPStatus.BAD_REQUEST,
    payments.PaymentTooLow: HTTPStatus.CONFLICT,
    # parts of an order
    tracking.InvalidTracking: HTTPStatus.BAD_REQUEST,
    parts.InvalidLines: HTTPStatus.BAD_REQUEST,
    parts.LinesNotAvailable: HTTPStatus.CONFLICT,
    shipping.ShipmentNotFound: HTTPStatus.NOT_FOUND,
    refunding.InvalidRefund: HTTPStatus.BAD_REQUEST,
    refunding.RefundTooHigh: HTTPStatus.CONFLICT,
    returning.ReturnNotFound: HTTPStatus.NOT_FOUND,
    returning.ReturnReceived: HTTPStatus.CONFLICT,
    holding.HoldRefused: HTTPStatus.CONFLICT,
    # editing
    editing.InvalidAddress: HTTPStatus.BAD_REQUEST,
    editing.InvalidNote: HTTPStatus.BAD_REQUEST,
    editing.SameAddress: HTTPStatus.CONFLICT,
    editing.AddressFixed: HTTPStatus.CONFLICT,
    assigning.NoColleague: HTTPStatus.BAD_REQUEST,
    assigning.SameAssignee: HTTPStatus.CONFLICT,
    tagging.InvalidTag: HTTPStatus.BAD_REQUEST,
    tagging.SameTags: HTTPStatus.CONFLICT,
    erasing.OrderUnfinished: HTTPStatus.CONFLICT,
    erasing.NothingToErase: HTTPStatus.CONFLICT,
    resolution.NothingUnknown: HTTPStatus.CONFLICT,
    attention.NothingOwed: HTTPStatus.CONFLICT,
    attention.NothingShort: HTTPStatus.CONFLICT,
    attention.StillUnverified: HTTPStatus.CONFLICT,
    snoozing.InvalidSnooze: HTTPStatus.BAD_REQUEST,
    snoozing.NothingToSnooze: HTTPStatus.CONFLICT,
    snoozing.NotSnoozed: HTTPStatus.CONFLICT,
    snoozing.TooManySnoozed: HTTPStatus.CONFLICT,
    stock_trials.CannotTry: HTTPStatus.CONFLICT,
    # events
    reading.CursorExpired: HTTPStatus.GONE,
    reading.CursorUnknown: HTTPStatus.CONFLICT,
    publishing.EventsDeleted: HTTPStatus.GONE,
    webhooks.InvalidWebhook: HTTPStatus.BAD_REQUEST,
    webhooks.WebhookNotFound: HTTPStatus.NOT_FOUND,
    webhooks.TooManyWebhooks: HTTPStatus.CONFLICT,
    # bulk runs
    bulk.UnknownTransition: HTTPStatus.BAD_REQUEST,
    bulk.NothingSelected: HTTPStatus.BAD_REQUEST,
    bulk.RunExists: HTTPStatus.UNPROCESSABLE_ENTITY,
    bulk.RunNotFound: HTTPStatus.NOT_FOUND,
    bulk.RunIsOver: HTTPStatus.CONFLICT,
    bulk.TooManyBatches: HTTPStatus.CONFLICT,
    # tokens of services; the API answers a refused one as it does every other
    access.UnknownScope: HTTPStatus.BAD_REQUEST,
    service_tokens.InvalidServiceToken: HTTPStatus.BAD_REQUEST,
    service_tokens.ServiceTokenNotFound: HTTPStatus.NOT_FOUND,
    service_tokens.TokenRefused: HTTPStatus.UNAUTHORIZED,
    service_tokens.TokenOutOfTime: HTTPStatus.UNAUTHORIZED,
    # views of the backoffice's list
    saved_views.InvalidView: HTTPStatus.BAD_REQUEST,
    saved_views.TooManyViews: HTTPStatus.CONFLICT,
    saved_views.ViewNotFound: HTTPStatus.NOT_FOUND,
    # files and old records
    import_files.UnreadableFile: HTTPStatus.BAD_REQUEST,
    import_files.FileChanged: HTTPStatus.CONFLICT,
    purging.TooYoung: HTTPStatus.CONFLICT,
}
