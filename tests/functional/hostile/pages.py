"""The pages of the backoffice with the fields of their forms and the parameters of their addresses."""

from orders.admin import printing
from orders.admin.list_form import AFTER, BEFORE, ListForm
from tests.functional.access.admin_rules import ADMIN_RULES
from tests.functional.access.routes import ADMIN, Route, routes
from tests.functional.access.rules import Ask, rule_of

OF_DJANGO = ("q", "o", "p", "all", "e", "_popup", "_to_field", "_facets", "_changelist_filters", "unknown")
QUERIES = {
    "admin:": ("period", "from", "to"),
    "admin:login/": ("next",),
    "admin:search/": ("s", "page", "extended"),
    "admin:autocomplete/": ("app_label", "model_name", "field_name", "term", "page"),
    "admin:jsi18n/": ("lang",),
    "admin:auth/user/": (
        *OF_DJANGO, "is_staff__exact", "is_superuser__exact", "is_active__exact", "groups__id__exact", "id__exact",
        "username__regex", "password__startswith",
    ),
    "admin:auth/group/": (*OF_DJANGO, "id__exact", "permissions__id__exact"),
    "admin:orders/bulkrun/": (*OF_DJANGO, "state__exact", "id__exact"),
    "admin:orders/bulkrun/<path:object_id>/change/": ("show", AFTER),
    "admin:orders/order/": (*OF_DJANGO, *ListForm.base_fields, AFTER, BEFORE),
    "admin:orders/order/bulk/": ("transition", "ids", "filter"),
    "admin:orders/order/events/": ("type", "order", "from"),
    "admin:orders/order/<path:object_id>/packing-slip/": ("parcel",),
    "admin:orders/order/<path:object_id>/change/": ("_changelist_filters", "place"),
    "admin:orders/order/export/": (*ListForm.base_fields,),
    **{f"admin:orders/order/{name}/": ("ids",) for name in printing.OF_MANY},
}  # fmt: skip
"""What the pages read from their address; those of forms are taken from the forms."""
OF_FORMS = {
    "admin:auth/user/<path:object_id>/change/": ("first_name", "last_name", "email", "groups", "user_permissions"),
    "admin:auth/group/<path:object_id>/change/": ("permissions",),
    "admin:orders/order/<path:object_id>/address/": ("line1", "line2", "city", "state", "postal_code", "country"),
    "admin:orders/order/attention/": ("section",),
    "admin:orders/order/bulk/": ("filter", "at", "run"),
    "admin:orders/order/views/": ("shared", "reset", "view"),
    "admin:orders/order/": ("across", "select_across", "index"),
    "admin:login/": ("username", "password", "next"),
}  # fmt: skip
"""What forms may post beside what the rules of the access matrix post."""


def posts() -> list[tuple[Route, Ask, str]]:
    """Each field of each form: one request of each kind, in which the field is to be replaced."""
    return [
        (route, ask, field)
        for route in routes()
        if route.kind == ADMIN
        for ask in kinds(rule_of(route, ADMIN_RULES).asks)
        for field in sorted({*(ask.body or ()), *OF_FORMS.get(str(route), ())})
    ]


def kinds(asks: tuple[Ask, ...]) -> list[Ask]:
    """Of the forms of a page, one for each set of fields and act."""
    found = {
        (frozenset(ask.body or ()), (ask.body or {}).get("act")): ask for ask in asks if ask.method == "POST"
    }  # fmt: skip
    return list(found.values())


def queries() -> list[tuple[Route, str]]:
    by_name = {str(route): route for route in routes()}
    return [(by_name[page], name) for page, names in QUERIES.items() for name in dict.fromkeys(names)]


def with_parameters() -> list[tuple[Route, str]]:
    """Each parameter in the path of each page."""
    return [(route, name) for route in routes() if route.kind == ADMIN for name in route.parameters]
