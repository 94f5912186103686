"""What can be posted to an order from its page, and which function of the forms carries it out."""

from orders.admin import desk_forms, erasing_form, order_forms, part_forms, refund_forms
from orders.admin.order_forms import Change

FORMS: dict[str, Change] = {
    "transition": order_forms.change_status,
    "address": order_forms.change_address,
    "note": order_forms.write_note,
    "resolve": order_forms.resolve,
    "erase": erasing_form.erase_customer,
    "ship": part_forms.ship,
    "tracking": part_forms.change_tracking,
    "cancellation": part_forms.cancel_items,
    "refund": refund_forms.refund,
    "return": part_forms.take_back,
    "receive": part_forms.receive,
    "hold": part_forms.hold,
    "lift": part_forms.lift_hold,
    "assign": desk_forms.assign,
    "tag": desk_forms.tag,
}
"""By the last part of the address."""
