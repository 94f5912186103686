"""gunicorn's answer, whose head goes out together with the first part of its body."""

from typing import Any

from gunicorn.http import wsgi


class Response(wsgi.Response):
    """Takes one system call and one segment on the wire where gunicorn's own takes two, and wakes the client once."""

    sock: Any
    chunked: bool
    headers_sent: bool
    _head = b""

    def send_headers(self) -> None:
        if not self.headers_sent:
            lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
            self._head = "".join(lines).encode("latin-1")
            self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        if self._head and not self.chunked:
            data, self._head = self._head + data, b""
        self._send_head()
        super()._emit_body(data)

    def sendfile(self, respiter: Any) -> bool:
        self.send_headers()
        self._send_head()
        return bool(super().sendfile(respiter))

    def close(self) -> None:
        self.send_headers()
        self._send_head()
        super().close()

    def _send_head(self) -> None:
        if self._head:
            self.sock.sendall(self._head)
            self._head = b""
