"""Watching a pod while its output is followed: what is announced to it can be gone with it within seconds."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiException
from kubernetes.watch import Watch
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kubernetes.client import CoreV1Api
    from kubernetes.client.models import V1Pod

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Before a watch that broke off begins anew."""
SECONDS_TO_STOP = 5.0


@contextlib.contextmanager
def watched(client: CoreV1Api, pod: V1Pod, seen: Callable[[V1Pod], Any]) -> Iterator[None]:
    """Call `seen` with each state that a pod takes while the block runs.

    If the pod may not be watched, the block runs all the same: its events say afterwards what they can.
    """
    stopping, watch = threading.Event(), Watch()
    thread = threading.Thread(target=_watch, args=(watch, client, pod, seen, stopping), name="watch-pod", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        _stop(watch, thread)


def _watch(
    watch: Watch, client: CoreV1Api, pod: V1Pod, seen: Callable[[V1Pod], Any], stopping: threading.Event
) -> None:
    only = f"metadata.name={pod.metadata.name}"
    while not stopping.is_set():
        try:
            for event in watch.stream(client.list_namespaced_pod, pod.metadata.namespace, field_selector=only):
                seen(event["object"])
        except ApiException as error:
            watch.resource_version = None  # it may be too old
            if error.status in {401, 403}:
                logger.warning("pod %s may not be watched (%s): an eviction may read as a deletion", only, error.reason)
                return
        except (HTTPError, OSError, AttributeError) as error:  # the client's own, where it is stopped while it connects
            logger.debug("the watch of pod %s broke off: %s", only, error)
        stopping.wait(PAUSE_SECONDS)


def _stop(watch: Watch, thread: threading.Thread) -> None:
    """Stop the thread. A stop that comes before the connection is there has no effect, so it is repeated."""
    for _ in range(int(SECONDS_TO_STOP / 0.05)):
        watch.stop()
        thread.join(0.05)
        if not thread.is_alive():
            return
