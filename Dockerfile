# Airflow with this project's DAGs: `make images IMAGES=airflow`. It holds no library that trains: steps run in pods of
# the images of tasks_image/Dockerfile. With `--build-arg STEPS=local`, as docker-compose.yaml builds it, steps run in
# child processes of Airflow's scheduler, and it holds all that they need.
#
# Any image of this Airflow version with Python 3.11 will do as a base: Apache's own as it stands, or its smaller
# `apache/airflow:slim-3.3.2-python3.11`.
# The Astro CLI builds this file too (`astro dev start`), and mounts dags/, plugins/ and include/ over what it holds: set
# the default of AIRFLOW_BASE to the Astro Runtime image of this Airflow version. That image installs packages.txt and
# requirements.txt by itself, in the same versions, and so can run steps locally as well; its `-base` variant does not.
# airflow_settings.yaml is loaded by the CLI.
ARG AIRFLOW_BASE=apache/airflow:3.3.2-python3.11
ARG STEPS=pods

FROM ${AIRFLOW_BASE} AS pods

FROM ${AIRFLOW_BASE} AS local
USER root
COPY packages.txt /tmp/packages.txt
RUN apt-get update -qq \
 && xargs --arg-file /tmp/packages.txt apt-get install -y -qq --no-install-recommends \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
USER airflow

FROM ${STEPS}
ARG STEPS
COPY requirements-airflow.txt /tmp/requirements-airflow.txt
COPY requirements.txt /tmp/requirements.txt
COPY tasks_image/pyproject.toml /tmp/tasks_image/pyproject.toml
COPY tasks_image/src /tmp/tasks_image/src
# The trainer without its dependencies: they are locked in requirements-airflow.txt (the light ones) and requirements.txt.
# An index of your own: `--secret id=pip,src=pip.conf`; it leaves nothing in the image.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf,mode=0444 \
    if [ "${STEPS}" = local ]; then trains="--requirement /tmp/requirements.txt"; fi \
 && pip install --quiet --no-cache-dir --requirement /tmp/requirements-airflow.txt ${trains:-} \
 && pip install --quiet --no-cache-dir --no-deps /tmp/tasks_image \
 && if [ "${STEPS}" = local ]; then trainer describe --extra tabular --extra cluster; fi

COPY airflow_settings.yaml ${AIRFLOW_HOME}/
COPY dags ${AIRFLOW_HOME}/dags
COPY plugins ${AIRFLOW_HOME}/plugins
COPY include ${AIRFLOW_HOME}/include
ENV PYTHONPATH=${AIRFLOW_HOME} AIRFLOW__CORE__LOAD_EXAMPLES=False

# An image in which a DAG does not parse does not build. A wrong pipeline file becomes a DAG with the tag `broken`.
# Airflow writes a configuration with keys of its own wherever it runs: none may stay.
RUN AIRFLOW_HOME=/tmp/check python -c "from airflow.dag_processing.dagbag import DagBag; bag = DagBag('${AIRFLOW_HOME}/dags'); \
wrong = [*bag.import_errors.values(), *(dag.dag_id for dag in bag.dags.values() if 'broken' in dag.tags)]; \
raise SystemExit('\n'.join(wrong) or 0 if bag.dags else 'no DAG was found')" \
 && rm -rf /tmp/check
ARG VERSION=local
ARG REVISION=unknown
LABEL org.opencontainers.image.title=training-airflow org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}
