"""The backoffice: pages over the same services that the API uses."""

from orders.admin.bulk_run_admin import BulkRunAdmin
from orders.admin.order_admin import OrderAdmin
from orders.admin.token_pages import TokenAdmin
from orders.admin.webhook_pages import WebhookAdmin

__all__ = ["BulkRunAdmin", "OrderAdmin", "TokenAdmin", "WebhookAdmin"]
