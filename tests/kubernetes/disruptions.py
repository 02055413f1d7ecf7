"""What can befall a pod that runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.kubernetes import states
from tests.kubernetes.events import record

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.faults import Fault
    from tests.kubernetes.kubelet import Worker


def befall(fault: Fault, worker: Worker, cluster: Cluster) -> None:
    """Let a fault come true."""
    worker.stays_until_read = fault.until_read
    match fault.kind:
        case "oom":
            worker.kill(out_of_memory=True)
        case "killed":
            worker.kill()
        case "evicted":
            evict(worker, cluster, fault.message)
        case "preempted":
            preempt(worker, cluster, fault.message)
        case "node_shutdown":
            shut_down(worker)
        case "node_lost":
            cluster.lose_node(worker.pod["spec"]["nodeName"], returns=True)
        case "gone":
            vanish(worker, cluster)


def evict(worker: Worker, cluster: Cluster, message: str = "") -> None:
    """The node is short of something and ends the pod at once; the object stays, failed."""
    from tests.kubernetes.kubelet import Order

    said = message or (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi. Container base was using 3Gi, "
        "request is 2Gi, has larger consumption of memory. "
    )
    worker.update(lambda pod: states.set_condition(pod, states.DISRUPTED, "True", "TerminationByKubelet", said))
    record(cluster.store, worker.pod, "Evicted", said, "Warning")
    worker.end(Order(0, "Evicted", said))


def preempt(worker: Worker, cluster: Cluster, message: str = "") -> None:
    """The scheduler makes room for a pod of higher priority: this one is deleted, with its grace."""
    said = message or "default-scheduler: preempting to accommodate a higher priority pod"
    worker.update(lambda pod: states.set_condition(pod, states.DISRUPTED, "True", "PreemptionByScheduler", said))
    record(cluster.store, worker.pod, "Preempted", f"Preempted by a pod on node {worker.pod['spec']['nodeName']}")
    cluster.delete_pod(worker.namespace, worker.name, None)


def shut_down(worker: Worker) -> None:
    """The node shuts down in an orderly way; the object stays, failed."""
    from tests.kubernetes.kubelet import Order

    said = "Pod was terminated in response to imminent node shutdown."
    worker.update(lambda pod: states.set_condition(pod, states.DISRUPTED, "True", "TerminationByKubelet", said))
    worker.end(Order(worker.pod["spec"]["terminationGracePeriodSeconds"], "Terminated", said))


def vanish(worker: Worker, cluster: Cluster) -> None:
    """The pod's object is gone at once, as after a forced deletion."""
    cluster.delete_pod(worker.namespace, worker.name, 0)


def lose(worker: Worker, cluster: Cluster) -> None:
    """The pod's node is gone: nobody says how the containers ended, and in the end the object is taken away."""
    from tests.kubernetes.kubelet import Order

    worker.lost = True
    worker.end(Order(0, silent=True))
    worker.update(lambda pod: states.set_condition(pod, "Ready", "False", "NodeNotReady"))
    record(cluster.store, worker.pod, "NodeNotReady", "Node is not ready", "Warning")
    threading.Thread(target=_taken_away, args=(worker, cluster), name="taint-manager", daemon=True).start()


def _taken_away(worker: Worker, cluster: Cluster) -> None:
    """First the taint manager asks for its end, which nobody on the node hears; then it is collected."""
    if not cluster.sleep(cluster.spec.unreachable_seconds):
        return
    said = "Taint manager: deleting due to NoExecute taint"
    worker.update(lambda pod: states.set_condition(pod, states.DISRUPTED, "True", "DeletionByTaintManager", said))
    record(
        cluster.store, worker.pod, "TaintManagerEviction", f"Marking for deletion Pod {worker.namespace}/{worker.name}"
    )
    cluster.mark_deleted(worker)
    if cluster.sleep(cluster.spec.unreachable_seconds):
        cluster.wait_until_read(worker)
        cluster.remove(worker)
