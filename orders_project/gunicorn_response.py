"""gunicorn's answer, whose head goes out together with the first part of its body."""

from typing import Any

from gunicorn.http import wsgi


class Response(wsgi.Response):
    """Takes one system call and one segment on the wire where gunicorn's own takes two, and wakes the client once."""

    sock: Any
    chunked: bool
    headers_sent: bool
    _omits_body: bool

    def send_headers(self) -> None:
        """Called before each part of the body. Until something goes out, gunicorn may answer otherwise instead."""
        if self._omits_body:
            super().send_headers()

    def _emit_body(self, data: bytes) -> None:
        if self.headers_sent or self.chunked:
            super().send_headers()
            super()._emit_body(data)
            return
        lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
        self.headers_sent = True
        self.sock.sendall("".join(lines).encode("latin-1") + data)

    def sendfile(self, respiter: Any) -> bool:
        super().send_headers()
        return bool(super().sendfile(respiter))

    def close(self) -> None:
        super().send_headers()
        super().close()
