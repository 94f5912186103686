"""Orders in the backoffice: the list and the page of one, under one address."""

from django.contrib import admin

from orders.admin.bulk_actions import BulkActions
from orders.admin.order_export import OrderExport
from orders.admin.order_list import OrderList
from orders.admin.order_page import OrderPage
from orders.models import Order


@admin.register(Order)
class OrderAdmin(BulkActions, OrderExport, OrderList, OrderPage):
    """Staff read every order, drafts and rejected ones included, and change it by its transitions only."""

    @admin.display(description="status")
    def status_name(self, order: Order) -> str:
        return str(order.get_status_display())

    @admin.display(description="user verified", boolean=True)
    def verified(self, order: Order) -> bool:
        return order.user_verified
