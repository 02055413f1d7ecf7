#!/usr/bin/env bash
# Migrates Airflow's database and creates its first user, whose password is in AIRFLOW_ADMIN_PASSWORD. A user who is
# already there keeps the password; a password in the arguments would be in every list of processes.
set -euo pipefail
airflow db migrate
printf '%s\n%s\n' "$AIRFLOW_ADMIN_PASSWORD" "$AIRFLOW_ADMIN_PASSWORD" \
  | airflow users create --username admin --role Admin --firstname First --lastname Admin --email admin@example.com
