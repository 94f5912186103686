"""Log lines (`logs`), the context that they carry (`context`), and metrics (`metrics`).

`processes` combines the metrics of several processes, `exposition` serves them. Nothing here knows about orders, and
everything may use it. docs/observability.md lists what is logged and measured.
"""
