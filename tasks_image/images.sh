#!/usr/bin/env bash
# Builds the images, or tries the one for tabular pipelines as a cluster would run it; `make images` and `make images-check`.
#   ENGINE       docker or podman, with its own options; the one that answers is taken (docker first)
#   IMAGES       which ones: tabular vision language mlflow airflow
#   REGISTRY     goes before each name: REGISTRY=registry.example.com/ml
#   TAG          the tag; the version of the trainer
#   BASE_IMAGE, CUDA_IMAGE, AIRFLOW_BASE   other bases than the Dockerfiles name
#   BUILD_FLAGS, RUN_FLAGS                 more options for `build` and `run`, as the machine needs them
set -euo pipefail
cd "$(dirname "$0")/.."

read -r -a images <<<"${IMAGES:-tabular mlflow airflow}"
read -r -a build_flags <<<"${BUILD_FLAGS:-}"
read -r -a run_flags <<<"${RUN_FLAGS:-}"
version=$(sed -nE 's/^version = "(.*)"/\1/p' tasks_image/pyproject.toml)
prefix=${REGISTRY:+${REGISTRY%/}/}
tag=${TAG:-$version}

fail() { echo "$*" >&2; exit 2; }

find_engine() {
  local candidate
  for candidate in docker podman; do
    if "$candidate" info >/dev/null 2>&1; then echo "$candidate"; return; fi
  done
  fail "Neither docker nor podman answers here. Install one (Debian: apt-get install podman), or start Docker's daemon."
}

name_of() { case $1 in mlflow) echo "${prefix}mlflow-server:$tag" ;; airflow) echo "${prefix}training-airflow:$tag" ;; *) echo "${prefix}trainer-$1:$tag" ;; esac; }

build() {
  local image=$1 context=tasks_image arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
  case $image in
    tabular | mlflow) arguments+=(--target "$image" ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"}) ;;
    vision | language) arguments+=(--target "$image" ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} ${CUDA_IMAGE:+--build-arg "CUDA_IMAGE=$CUDA_IMAGE"}) ;;
    airflow) context=. && arguments+=(${AIRFLOW_BASE:+--build-arg "AIRFLOW_BASE=$AIRFLOW_BASE"}) ;;
    *) fail "IMAGES: no image '$image'; there are tabular, vision, language, mlflow, airflow" ;;
  esac
  echo "Building $(name_of "$image") …"
  "${engine[@]}" build "${build_flags[@]}" "${arguments[@]}" --tag "$(name_of "$image")" "$context"
}

report() {
  local image bytes
  for image in "${images[@]}"; do
    bytes=$("${engine[@]}" image inspect --format '{{.Size}}' "$(name_of "$image")")
    printf '%-60s %6d MB\n' "$(name_of "$image")" $((bytes / 1000000))
  done
}

# Runs a command in the image as a restricted pod would: its user, a read-only root, no network, no capability.
run_restricted() {
  "${engine[@]}" run --rm --read-only --tmpfs /tmp:rw,size=1g,mode=1777 --network none --cap-drop all --security-opt no-new-privileges \
    "${run_flags[@]}" "$@"
}

check() {
  local image where=/tmp/runs/churn/images-check
  image=$(name_of tabular)
  echo "Running $image: read-only, without network or rights …"
  run_restricted "$image" trainer describe --bytecode --extra tabular --extra cluster
  run_restricted "$image" bash -c '! command -v cc gcc g++ make uv && git --version && test "$(id -u)" = 10001 && ! touch /opt/trainer/mark 2>/dev/null'
  run_restricted --env TRAINER_PIPELINE="$(cat include/pipelines/churn.yaml)" --env TRAINER_SAMPLES=true --env TRAINER_DATA_STORE=file:///tmp/data \
    --env MLFLOW_TRACKING_URI=sqlite:////tmp/mlflow.db --env TRAINER_ARTIFACT_LOCATION=file:///tmp/artifacts \
    "$image" bash -c "python -m trainer step start --run file://$where && python -m trainer step ingest --run file://$where && cat $where/ingest/result.json"
}

case ${1:-} in
  build | check) ;;
  *) fail "usage: $0 build|check" ;;
esac
read -r -a engine <<<"${ENGINE:-$(find_engine)}"
if [ "$1" = check ]; then images=(tabular); fi
for image in "${images[@]}"; do build "$image"; done
if [ "$1" = check ]; then check; fi
report
