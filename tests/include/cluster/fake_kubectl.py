"""A `kubectl` that answers from the folder of its own program, and keeps what it was asked."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
from pathlib import Path

HOME = Path(sys.argv[0]).parent / "state"
KUBECONFIG = {
    "clusters": [
        {"name": "kind-training", "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Q0E="}}
    ]
}


def main(arguments: list[str]) -> int:
    with (HOME / "calls").open("a") as calls:
        calls.write("kubectl " + " ".join(arguments) + "\n")
    said = " ".join(arguments)
    for refusal in json.loads((HOME / "refusals.json").read_text()):
        if refusal[0] in said:
            sys.stderr.write(refusal[1] + "\n")
            return 1
    if "port-forward" in arguments:
        return forward(arguments)
    if "create --filename -" in said:
        return create(json.load(sys.stdin))
    if "logs" in arguments:
        return show_log(arguments)
    sys.stdout.write(answer(said, arguments))
    return 0


def answer(said: str, arguments: list[str]) -> str:
    if "get secrets" in said:
        namespace = arguments[arguments.index("--namespace") + 1]
        found = json.loads((HOME / "secrets.json").read_text())
        return json.dumps({"items": [one for one in found if one["metadata"]["namespace"] == namespace]})
    if "get deployments" in said:
        looks = sorted(HOME.glob("objects-*.json"))
        text = looks[0].read_text()
        if len(looks) > 1:
            looks[0].unlink()
        return text
    if "config view" in said:
        return json.dumps(KUBECONFIG)
    return "a-token\n" if "create token" in said else "ok\n"


def create(secret: dict) -> int:  # type: ignore[type-arg]
    data = {key: base64.b64encode(value.encode()).decode() for key, value in secret["stringData"].items()}
    found = json.loads((HOME / "secrets.json").read_text())
    found.append({"metadata": secret["metadata"], "data": data})
    (HOME / "secrets.json").write_text(json.dumps(found))
    return 0


def show_log(arguments: list[str]) -> int:
    pod, container = arguments[arguments.index("logs") + 1], arguments[arguments.index("--container") + 1]
    file = HOME / f"log-{pod}-{container}"
    if "--previous" in arguments or not file.exists():
        return 1
    sys.stdout.write(file.read_text())
    return 0


def forward(arguments: list[str]) -> int:
    """Listen, and pass on what comes to the address in the file `target`."""
    port = int(arguments[-1].partition(":")[0])
    host, number = (HOME / "target").read_text().split(":")
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            client = server.accept()[0]
            other = socket.create_connection((host, int(number)))
            for source, target in ((client, other), (other, client)):
                threading.Thread(target=relay, args=(source, target), daemon=True).start()


def relay(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
