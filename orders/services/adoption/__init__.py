"""Taking over the orders of the FastAPI service that used the same collection (docs/moving.md)."""
