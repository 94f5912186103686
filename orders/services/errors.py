"""What every refusal of a service has in common. Each error itself stands beside the function that raises it."""

from typing import Any, ClassVar


class OrderError(Exception):
    """Something was asked that cannot be done; nothing was changed.

    The text reads alone, for people. `code` and `members` are for machines: `members` holds JSON-ready values.
    """

    code: ClassVar[str] = "order_error"

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members
