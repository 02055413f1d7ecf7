"""A version's process whose answers a test chooses, in place of a model that takes seconds to load.

A script like `model_server`, with the same request file. `behaviour.json` in the folder of the model is read at each
request: `status`, `seconds`, `prediction`, `probability`, `ends` (the process ends in place of an answer), and at the
start `cannot_load`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, {})

    def do_POST(self) -> None:
        rows = json.loads(self.rfile.read(int(self.headers["content-length"])) or "{}").get("rows", 1)
        wanted = json.loads((self.server.model / "behaviour.json").read_text())  # type: ignore[attr-defined]
        time.sleep(wanted.get("seconds", 0))
        if wanted.get("ends"):
            sys.stderr.write("the stand-in ends\n")
            sys.stderr.flush()
            os._exit(9)
        row = {name: wanted[name] for name in ("prediction", "probability") if name in wanted}
        self._answer(wanted.get("status", 200), {"predictions": [row] * rows})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def main() -> int:
    request = json.loads(Path(sys.argv[1]).read_text())
    model = Path(request["model"])
    if json.loads((model / "behaviour.json").read_text()).get("cannot_load"):
        sys.stderr.write("ValueError: this stand-in cannot be loaded\n")
        return 11
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=request["socket"])
    server.model = model  # type: ignore[attr-defined]
    server.daemon_threads = True
    server.serve_forever(poll_interval=0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
