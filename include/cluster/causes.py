"""Known causes of a pod that does not get ready, and what to do about each."""

from __future__ import annotations

import re

ANEW = "make cluster-down deletes the cluster with all that it holds, make cluster-up starts a new one"
IN_LOGS = (
    (
        r"database files are incompatible with server|initialized by PostgreSQL version",
        f"its volume is from another PostgreSQL version; dump it with that version and load it anew, or: {ANEW}",
    ),
    (
        r"password authentication failed",
        f"the password in its Secret is not the one that the database was created with; restore it, or: {ANEW}",
    ),
    (
        r'(role|database) "\w+" does not exist',
        f"the database was created without overlays/development/databases.sql; run its statements, or: {ANEW}",
    ),
    (
        r"out-of-date database schema",
        (
            "MLflow's database is older than its server; kubectl --namespace mlflow rollout restart deployment/mlflow "
            "migrates it"
        ),
    ),
    (
        r"Can't locate revision|not a known revision",
        f"the database was migrated by a newer MLflow; use the image of that version, or: {ANEW}",
    ),
    (
        r"NoSuchBucket|bucket '\w+' could not be created",
        "the S3 store has no such bucket; make cluster-up creates it",
    ),
    (r"No space left on device", "the disk is full; free space (docker system df shows what Docker uses)"),
)
WAITING = (
    (r'secret "[\w-]+" not found|find key .* in Secret', "a Secret is missing; make cluster-up creates it"),
    (r'configmap "[\w-]+" not found', "kubectl apply -k include/kubernetes/overlays/development creates it"),
    (
        r"ErrImage|ImagePull|InvalidImage|Back-off pulling",
        (
            "the node cannot get its image; see whether this machine reaches the registry, and whether make cluster-up "
            "loaded it"
        ),
    ),
    (r"exceeded quota", "its namespace's quota is used up; delete pods that have ended, or raise the ResourceQuota"),
    (r"violates PodSecurity", "its namespace refuses the pod; correct the manifest"),
    (
        r"Insufficient (memory|cpu|ephemeral)",
        "the node is too small; give the engine more memory or CPUs, or end what else runs there",
    ),
    (r"unbound immediate PersistentVolumeClaim", "its volume is not bound; kubectl get storageclass has to list one"),
)
OUT_OF_MEMORY = "killed for memory; raise its limit in include/kubernetes"


def advice_of_log(log: str) -> str | None:
    """Return what to do about a known cause in a log."""
    return _first(IN_LOGS, log)


def advice_of_message(message: str) -> str | None:
    """Return what to do about a known reason why a container or pod waits."""
    return _first(WAITING, message)


def _first(causes: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((advice for pattern, advice in causes if re.search(pattern, text)), None)
