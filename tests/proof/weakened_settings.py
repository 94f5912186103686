"""As in development, but a write counts as soon as one node has it: the run over lost nodes must find that out."""

from orders_project.settings.development import *  # noqa: F403
from orders_project.settings.development import DATABASES

DATABASES["default"]["OPTIONS"] |= {"w": 1, "readConcernLevel": "local"}
