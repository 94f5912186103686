"""Orders in the backoffice: the list, the page of one, what waits, and what others hear of, under one address."""

from django.contrib import admin

from orders.admin.attention_page import AttentionPages
from orders.admin.bulk_actions import BulkActions
from orders.admin.dashboard_files import DashboardTables
from orders.admin.event_pages import EventPages
from orders.admin.new_order_page import NewOrderPages
from orders.admin.order_export import OrderExport
from orders.admin.order_list import OrderList
from orders.admin.order_page import OrderPage
from orders.admin.print_actions import PrintActions
from orders.admin.product_lookup import ProductLookup
from orders.admin.view_pages import ViewPages
from orders.models import Order


@admin.register(Order)
class OrderAdmin(
    NewOrderPages,
    ProductLookup,
    AttentionPages,
    DashboardTables,
    EventPages,
    ViewPages,
    PrintActions,
    BulkActions,
    OrderExport,
    OrderList,
    OrderPage,
):
    """Staff read every order, drafts and rejected ones included, and change it by its transitions only."""
