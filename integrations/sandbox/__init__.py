"""Stand-ins for the three peers (users, products, inventory): one small real HTTP server, stock in MongoDB.

For development and tests only. It answers as the published services do, and on request it is slow, fails,
drops the answer after acting, or honours idempotency keys. It knows neither Django nor orders.

`Sandbox` serves it inside a process, `python -m integrations.sandbox` in the foreground. What `Control`
raises::

    ValueError
    └── BadControlError       what was asked of the control is malformed; over HTTP a 400
    LookupError
    └── UnknownProductError   no such product in the stock
"""

from integrations.sandbox.app import Sandbox
from integrations.sandbox.control import Control
from integrations.sandbox.faults import Fault
from integrations.sandbox.http_messages import BadControlError
from integrations.sandbox.stock import Stock, UnknownProductError

__all__ = ["BadControlError", "Control", "Fault", "Sandbox", "Stock", "UnknownProductError"]
