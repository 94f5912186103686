"""What a process tells of itself: log lines (`logs`) with what they are about (`context`), and figures (`metrics`).

`processes` makes the figures of several processes one, `exposition` serves them, `mongodb` measures what is asked of
the database. Nothing here knows what an order is, and everything may use it. docs/observability.md says what is told.
"""
