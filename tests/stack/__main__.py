"""`python -m tests.stack`: the servers of docker-compose.yaml without containers, until Enter is pressed."""

from __future__ import annotations

import sys

from tests.stack.pipelines import churn_of_table
from tests.stack.servers import run_stack

with run_stack([churn_of_table()]) as stack:
    login = f"admin, password {stack.compose.secrets['AIRFLOW_ADMIN_PASSWORD']}"
    sys.stdout.write(f"Airflow {stack.airflow.address} ({login})\nMLflow http://127.0.0.1:{stack.port('mlflow')}\n")
    sys.stdout.write(f"Folder {stack.home}; Enter ends it all.\n")
    sys.stdout.flush()
    input()
