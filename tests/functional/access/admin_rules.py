"""Who gets which answer from the backoffice. Whoever is no staff is sent to the login, wherever he asks."""

from collections.abc import Collection, Mapping
from typing import Any

from tests.functional.access.callers import ADMIN_CALLERS, ADMIN_OUTSIDERS, STAFF
from tests.functional.access.rules import Answers, Ask, Rule
from tests.functional.admin_helpers import ADDRESS, PASSWORD, ROLES, WHY, WORK

LOOKERS = ("looker", *ROLES.keys() - {"nobody"})
WORKERS = tuple(ROLES.keys() - {"nobody"})
ROOT = ("superuser",)
SOURCE = {
    "pay": "pending", "start_processing": "paid", "ship": "processing", "deliver": "shipped", "cancel": "pending",
    "refund": "paid",
}  # fmt: skip
"""Transition → the status of an order that can make it."""
NEW_PASSWORD = {"new_password1": "another battery staple", "new_password2": "another battery staple"}
LOGIN = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
JOINED = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "is_active": "on"}

STAFF_KEEPERS = ("Manager", "superuser")
"""Who manages colleagues."""
COLLEAGUE, THE_USER = "admin:staff/<str:user_id>/", {"user_id": "user"}


def staff(status: int, roles: Collection[str] = STAFF, otherwise: int = 403, *, outside: int = 302) -> Answers:
    """This for these roles, `otherwise` for the others, `outside` for whoever is no staff."""
    return dict.fromkeys(ADMIN_OUTSIDERS, outside) | {role: status if role in roles else otherwise for role in STAFF}


def everybody(status: int) -> Answers:
    return dict.fromkeys(ADMIN_CALLERS, status)


def may(transition: str) -> list[str]:
    return [role for role, transitions in ROLES.items() if transition in transitions]


def works(permission: str) -> list[str]:
    return ["superuser", *(role for role, permissions in WORK.items() if permission in permissions)]


def page(*asks: Ask) -> Rule:
    return Rule(asks, everybody(405))


def get(answers: Answers, **more: Any) -> tuple[Ask, ...]:
    return Ask("GET", answers, **more), Ask("HEAD", answers, **more)


def post(answers: Answers, body: Mapping[str, Any], **values: str) -> Ask:
    return Ask("POST", answers, body, changes=True, values=values)


def idle(answers: Answers) -> Ask:
    """A POST from which nobody has anything."""
    return Ask("POST", answers)


def shown(answers: Answers, **more: Any) -> Rule:
    """A page of Django's, which answers a POST as if it were a GET."""
    return page(*get(answers, **more), Ask("POST", answers, **more))


def seen(roles: Collection[str], **more: Any) -> Rule:
    """A page that is only looked at."""
    return page(*get(staff(200, roles), **more), idle(staff(405)))


def of_logins(name: str, add: Mapping[str, str], change: Mapping[str, str]) -> dict[str, Rule]:
    """The pages of users, or of groups: for superusers."""
    here, one = f"admin:auth/{name}/", f"admin:auth/{name}/<path:object_id>/"
    root, done = staff(200, ROOT), staff(302, ROOT)
    values = {"object_id": name}
    return {
        here: shown(root),
        f"{here}add/": page(*get(root), post(done, add)),
        one: shown(everybody(302), values=values),
        f"{one}change/": page(*get(root, values=values), post(done, change, **values)),
        f"{one}delete/": page(*get(root, values=values), post(done, {"post": "yes"}, **values)),
        f"{one}history/": shown(root, values=values),
    }


def of_transitions(body: Mapping[str, str], status: int = 302, *, changes: bool = True) -> list[Ask]:
    """A POST for each transition, of an order that can make it."""
    return [
        Ask(
            "POST",
            staff(status, may(name)),
            {**body, "transition": name, "action": name},
            changes=changes,
            values={"object_id": source},
        )
        for name, source in SOURCE.items()
    ]


def several() -> Rule:
    """A print of several orders: without any it leads back to the list, and of such as there are not, it is none."""
    return page(*get(staff(302, LOOKERS)), *get(staff(404, LOOKERS), query=f"ids={'0' * 24}"), idle(staff(405)))


ORDER, ONE = "admin:orders/order/", "admin:orders/order/<path:object_id>/"
RUN, RUN_PAGE = "admin:orders/bulkrun/<str:run_id>/", "admin:orders/bulkrun/<path:object_id>/"
THE_RUN = {"object_id": "run"}
FORM = {"version": "1", "reason": WHY}
UNKNOWN = {"line": "0", "attempts": "1", "happened": "yes", "reason": WHY}
ERASURE = {"erase": "customer", "reason": WHY}
RESOLVED = staff(302, works("resolve_stock"))
TRACKED = {"carrier": "UPS", "tracking_number": "1Z99", "tracking_url": "https://ups.example/1Z99"}
NEW_ADDRESS = ADDRESS | FORM | {"city": "Elsewhere"}
SNOOZED, SELECTED = staff(302, works("snooze_order")), {"_selected_action": "{object_id}"}
ATTENTION = {"order": "{object_id}", **FORM}
BULK = {"ids": "{object_id}", "reason": WHY, "planned": "1", "can": "1", "shown": "{now}"}
HOOK, HOOK_PAGE = "admin:orders/webhookendpoint/", "admin:orders/webhookendpoint/<path:object_id>/"
THE_HOOK = {"object_id": "endpoint"}
MANAGERS = works("manage_webhooks")
MANAGED = staff(302, MANAGERS)
TOKEN, TOKEN_PAGE = "admin:orders/servicetoken/", "admin:orders/servicetoken/<path:object_id>/"
THE_TOKEN = {"object_id": "token"}
KEEPERS = works("manage_service_tokens")
PLACERS = works("place_for_customer")
NEW_TOKEN = {"name": "payments", "scopes": "pay_order", "days": "30"}
NEW_HOOK = {"url": "https://shop.example/new", "description": "New", "types": "order.paid"}


def act(name: str, *, changes: bool = True, **more: str) -> Ask:
    """What a button of a webhook's page posts."""
    return Ask("POST", MANAGED, {"act": name, **more}, changes=changes)


def part(roles: Collection[str], source: str, **fields: str) -> Rule:
    """A form about parts of an order, of one that allows it."""
    return page(*get(staff(405)), post(staff(302, roles), FORM | fields, object_id=source))


ADMIN_RULES = {
    "admin:": shown(staff(200)),
    "admin:login/": page(
        Ask("GET", staff(302, outside=200)), Ask("HEAD", everybody(200)), Ask("POST", everybody(200))
    ),
    "admin:logout/": page(*get(staff(405)), post(staff(200), {})),
    "admin:login/code/": shown(everybody(302)),
    "admin:set-password/<uidb64>/<token>/": shown(everybody(200)),
    "admin:account/security/": seen(STAFF),
    "admin:account/two-factor/": page(
        *get(staff(200)), Ask("POST", staff(200), {"password": PASSWORD, "code": "no code"})
    ),
    "admin:account/act/": page(
        *get(staff(405)),
        *(Ask("POST", staff(302), {"act": act, "sign_in": "{user_id}"}) for act in ("end", "end_others")),
    ),
    "admin:staff/": page(*get(staff(200, STAFF_KEEPERS)), idle(staff(405))),
    "admin:staff/add/": page(
        *get(staff(200, STAFF_KEEPERS)),
        post(staff(200, STAFF_KEEPERS), {"username": "new", "email": "new@shop.example", "role": "{role}"}),
    ),
    f"{COLLEAGUE}change/": page(*get(staff(200, STAFF_KEEPERS), values=THE_USER), idle(staff(405))),
    f"{COLLEAGUE}act/": page(
        *get(staff(405)),
        *(post(staff(302, STAFF_KEEPERS), {"act": act, **more}, **THE_USER)
          for act, more in {"role": {"role": "{role}"}, "switch_off": {}}.items()),
        *(Ask("POST", staff(302, STAFF_KEEPERS), {"act": act}, values=THE_USER)
          for act in ("switch_on", "second_factor", "end_sessions")),
        post(staff(200, STAFF_KEEPERS), {"act": "password"}, **THE_USER),
    ),
    "admin:sign-on/": page(Ask("GET", everybody(404))),
    "admin:sign-on/callback/": page(Ask("GET", everybody(404))),
    "admin:password_change/": page(*get(staff(200)), post(staff(302), {"old_password": PASSWORD, **NEW_PASSWORD})),
    "admin:password_change/done/": seen(STAFF),
    "admin:search/": shown(staff(200)),
    "admin:autocomplete/": page(*get(staff(403)), idle(staff(405))),
    "admin:jsi18n/": seen(STAFF),
    "admin:r/<path:content_type_id>/<path:object_id>/": shown(everybody(404)),
    "admin:^(?P<app_label>auth|orders)/$": page(
        *get(staff(200, LOOKERS, 404)),
        *get(staff(200, ROOT, 404), values={"app_label": "auth"}),
        idle(staff(200, LOOKERS, 404)),
    ),
    "admin:(?P<url>.*)$": shown(staff(404)),
    **of_logins("user", {"username": "new", **LOGIN}, {"username": "renamed", **JOINED}),
    "admin:auth/user/<id>/password/": page(
        *get(staff(200, ROOT)),
        post(staff(302, ROOT), {"password1": "a new staple", "password2": "a new staple", "usable_password": "true"}),
    ),
    **of_logins("group", {"name": "new"}, {"name": "renamed"}),
    "admin:orders/bulkrun/": shown(staff(200, WORKERS)),
    "admin:orders/bulkrun/add/": shown(staff(403)),
    RUN_PAGE: shown(everybody(302), values=THE_RUN),
    f"{RUN_PAGE}change/": seen(WORKERS, values=THE_RUN),
    f"{RUN_PAGE}delete/": shown(staff(403), values=THE_RUN),
    f"{RUN_PAGE}history/": shown(staff(200, WORKERS), values=THE_RUN),
    f"{RUN}progress.json": seen(WORKERS),
    f"{RUN}report.csv": seen(WORKERS),
    f"{RUN}steer/": page(
        *get(staff(405)),
        post(staff(302, may("pay")), {"step": "pause"}),
        post(staff(302, may("pay")), {"step": "cancel"}),
        post(staff(302, may("pay")), {"step": "resume"}, run_id="paused"),
    ),
    ORDER: page(
        *get(staff(200, LOOKERS)),
        idle(staff(200, LOOKERS)),
        post(staff(302, LOOKERS), {"act": "save", "name": "Mine", "query": "status=paid"}),
        *of_transitions({"_selected_action": "{object_id}"}, 200, changes=False),
        *(
            Ask("POST", staff(302, LOOKERS), {"_selected_action": "{object_id}", "action": name})
            for name in ("packing-slips", "confirmations", "pick-list")
        ),
    ),
    f"{ORDER}packing-slips/": several(),
    f"{ORDER}confirmations/": several(),
    f"{ORDER}pick-list/": several(),
    f"{ORDER}add/": page(
        *get(staff(200, PLACERS)), Ask("POST", staff(200, PLACERS), {"check": "1"})
    ),
    f"{ORDER}products/": page(*get(staff(404, PLACERS)), idle(staff(405))),
    f"{ORDER}attention/": page(
        *get(staff(200, LOOKERS)),
        post(RESOLVED, ATTENTION | UNKNOWN | {"act": "resolve"}, object_id="unknown"),
        post(RESOLVED, ATTENTION | {"act": "retry"}, object_id="owed"),
        post(RESOLVED, ATTENTION | {"act": "accept", "line": "0", "discrepancy": "1"}, object_id="short"),
        post(staff(302, may("cancel")), ATTENTION | {"act": "verify"}, object_id="unverified"),
        post(SNOOZED, SELECTED | {"act": "snooze", "for": "24", "reason": WHY}, object_id="short"),
        post(SNOOZED, SELECTED | {"act": "wake"}, object_id="snoozed"),
        *of_transitions(ATTENTION | {"act": "transition"}),
    ),
    f"{ORDER}bulk/": page(
        *get(staff(302)), *get(staff(200, may("pay")), query="transition=pay&filter="), *of_transitions(BULK)
    ),
    f"{ORDER}export/": page(Ask("GET", staff(200, works("export_orders"))), Ask("HEAD", staff(405)), idle(staff(405))),
    f"{ORDER}figures/<str:name>.csv": page(
        Ask("GET", staff(200, LOOKERS)), Ask("GET", staff(404, LOOKERS), values={"name": "all"}),
        Ask("HEAD", staff(405)), idle(staff(405)),
    ),
    f"{ORDER}views/": page(
        *get(staff(200, LOOKERS)),
        post(staff(302, LOOKERS), {"act": "save", "name": "Mine", "query": "status=paid"}),
        post(staff(302, works("share_views")), {"act": "save", "name": "Ours", "query": "", "shared": "yes"}),
        post(staff(302, LOOKERS), {"act": "columns", "columns": "total", "query": ""}),
        post(
            staff(302, works("share_views")),
            {"act": "change", "view": "{view}", "name": "Ours", "shared": "yes"},
            view="view",
        ),
    ),
    f"{ORDER}events/": seen(LOOKERS),
    f"{ORDER}events/<str:cursor>/": page(
        *get(staff(200, LOOKERS)), *get(staff(404, LOOKERS), values={"cursor": "2"}), idle(staff(405))
    ),
    HOOK: page(*get(staff(200, MANAGERS)), idle(staff(405))),
    f"{HOOK}add/": page(*get(staff(200, MANAGERS)), post(MANAGED, NEW_HOOK)),
    HOOK_PAGE: shown(everybody(302), values=THE_HOOK),
    f"{HOOK_PAGE}change/": page(*get(staff(200, MANAGERS), values=THE_HOOK), post(MANAGED, NEW_HOOK, **THE_HOOK)),
    f"{HOOK_PAGE}delete/": page(*get(staff(200, MANAGERS), values=THE_HOOK), post(MANAGED, {}, **THE_HOOK)),
    f"{HOOK_PAGE}history/": shown(staff(200, MANAGERS), values=THE_HOOK),
    f"{HOOK}<str:endpoint_id>/act/": page(
        *get(staff(405)),
        act("off"),
        act("rotate"),
        act("end_rotation", changes=False),
        act("test", changes=False),
        act("replay", after="0"),
        act("replay_since", since="2020-01-01T00:00:00"),
    ),
    TOKEN: page(*get(staff(200, KEEPERS)), idle(staff(405))),
    f"{TOKEN}add/": page(*get(staff(200, KEEPERS)), post(staff(200, KEEPERS), NEW_TOKEN)),
    f"{TOKEN}<str:token_id>/revoke/": page(*get(staff(200, KEEPERS)), post(staff(302, KEEPERS), {})),
    TOKEN_PAGE: shown(everybody(302), values=THE_TOKEN),
    f"{TOKEN_PAGE}change/": page(*get(staff(200, KEEPERS), values=THE_TOKEN), idle(staff(405))),
    f"{TOKEN_PAGE}delete/": shown(staff(403), values=THE_TOKEN),
    f"{TOKEN_PAGE}history/": shown(staff(200, KEEPERS), values=THE_TOKEN),
    ONE: shown(everybody(302)),
    f"{ONE}change/": page(*get(staff(200, LOOKERS)), idle(staff(403))),
    f"{ONE}delete/": shown(staff(403)),
    f"{ONE}history/": shown(staff(200, LOOKERS)),
    f"{ONE}version/": seen(LOOKERS),
    f"{ONE}items/": page(*get(staff(200, PLACERS)), Ask("POST", staff(200, PLACERS), {"check": "1"})),
    f"{ONE}packing-slip/": seen(LOOKERS),
    f"{ONE}confirmation/": seen(LOOKERS),
    f"{ONE}transition/": page(*get(staff(405)), *of_transitions(FORM)),
    f"{ONE}address/": page(*get(staff(405)), post(staff(302, works("change_address")), NEW_ADDRESS)),
    f"{ONE}note/": page(*get(staff(405)), post(staff(302, works("write_notes")), {"text": "A note"})),
    f"{ONE}erase/": page(
        *get(staff(405)), post(staff(302, works("erase_customer")), ERASURE, object_id="delivered")
    ),
    f"{ONE}resolve/": page(*get(staff(405)), post(RESOLVED, UNKNOWN, object_id="unknown")),
    f"{ONE}ship/": part(may("ship"), "processing", quantity_0="1", **TRACKED),
    f"{ONE}tracking/": part(may("ship"), "parted", number="0", **TRACKED),
    f"{ONE}cancellation/": part(may("cancel"), "pending", quantity_0="1", reason_code="customer"),
    f"{ONE}refund/": part(may("refund"), "paid", amount="1.00", reference="RF-1", reason_code="customer"),
    f"{ONE}return/": part(works("return_order"), "returnable", quantity_0="1", reason_code="customer"),
    f"{ONE}receive/": part(works("return_order"), "parted", number="0", restock="no"),
    f"{ONE}hold/": part(works("hold_order"), "paid", reason_code="customer"),
    f"{ONE}lift/": part(works("hold_order"), "held"),
    f"{ONE}assign/": part(works("assign_order"), "assigned", to="nobody"),
    f"{ONE}tag/": part(works("tag_order"), "paid", tag="VIP"),
}  # fmt: skip
