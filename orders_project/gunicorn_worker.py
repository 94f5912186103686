"""gunicorn's threaded worker, which refuses new connections as soon as it is told to end."""

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):
    """Closes its end of the queue of new connections when it stops taking them, not when its last request is answered.

    Told to end, gunicorn leaves that queue open until then: who connects meanwhile waits, and is reset at the end,
    which a proxy cannot tell from a request that was carried out. Refused at once, it asks another instance. Where
    other workers go on, the queue stays theirs.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not (enabled or self.alive):
            for listener in self.sockets:
                listener.close()
