"""The DAG of a pipeline, as Airflow loads it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization

from include.environment.settings import ENVIRONMENTS
from include.flows.pipeline_dags import refuse_unloadable
from include.flows.run_form import run_form
from include.flows.task_docs import TASK_DOCS
from include.mail import send
from include.operators.local import LocalStepOperator
from include.operators.pods.job_operator import JobStepOperator
from include.operators.pods.operator import PodStepOperator
from tests.world import churn_document
from trainer.pipeline import Pipeline

CANDIDATES = ("xgboost", "lightgbm", "random_forest")
TRAINED = {f"{name}.train" for name in CANDIDATES}
CHAIN = {
    "start": {"ingest"},
    "ingest": {"validate"},
    "validate": {"detect_drift"},
    "detect_drift": {"engineer_features"},
    "engineer_features": {f"{name}.tune" for name in CANDIDATES},
    **{f"{name}.tune": {f"{name}.train"} for name in CANDIDATES},
    **{name: {"refit", "report"} for name in TRAINED},
    "refit": {"evaluate"},
    "evaluate": {"explain"},
    "explain": {"decide"},
    "decide": {"register", "notify"},
    "register": {"accept"},
    "accept": {"promote"},
    "promote": {"publish_features", "notify"},
    "publish_features": {"report", "notify"},
    "report": {"notify"},
    "notify": set(),
}


def load(project: Path) -> dict[str, Any]:
    """The DAGs that Airflow finds in dags/, by id, without those of requests; fails if a file cannot be imported."""
    bag = DagBag(project / "dags")
    assert bag.import_errors == {}
    return {name: dag for name, dag in bag.dags.items() if "_requests" not in name}


@pytest.fixture
def dags(project: Path, airflow_home: Path) -> dict[str, Any]:
    return load(project)


@pytest.fixture
def dag(dags: dict[str, Any]) -> Any:
    return dags["churn_training"]


@pytest.fixture
def pipelines(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pipelines to change, holding the churn pipeline without what follows a promotion."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "churn.yaml").write_text(yaml.safe_dump(churn_document(), sort_keys=False), encoding="utf-8")
    monkeypatch.setenv("PIPELINES_FOLDER", str(folder))
    return folder


def test_the_shipped_pipelines_give_exactly_these_dags(dags: dict[str, Any]) -> None:
    assert set(dags) == {
        "bikes_training",
        "california_housing_training",
        "churn_deployment",
        "churn_monitoring",
        "churn_scoring",
        "churn_training",
        "mnist_training",
        "wikitext_training",
    }


def test_schedule_and_limits(dag: Any) -> None:
    assert dag.schedule == "0 2 * * 0"
    assert dag.start_date == datetime(2024, 1, 1, tzinfo=UTC)
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.tags == {"binary_classification", "churn", "tabular", "training"}
    assert dag.description == "Which telephone customers are about to leave"
    assert dag.on_failure_callback == send.on_run_failure


def test_the_schedule_means_two_o_clock_on_sundays(dag: DAG) -> None:
    scheduled = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    info = scheduled.next_dagrun_info(last_automated_run_info=None)
    assert info is not None
    assert (info.run_after.weekday(), info.run_after.hour, info.run_after.minute) == (6, 2, 0)


def test_edges(dag: DAG) -> None:
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == CHAIN


def test_trigger_rules(dag: DAG) -> None:
    rules = {task.task_id: str(task.trigger_rule.value) for task in dag.tasks}
    assert {name: rule for name, rule in rules.items() if rule != "all_success"} == {
        "refit": "none_failed_min_one_success",
        "report": "all_done",
        "notify": "none_failed",
    }


def test_the_form_is_the_dags_and_is_filled_in(dag: DAG, churn: Pipeline) -> None:
    form = run_form(churn)
    assert dag.params.dump() == {name: field.resolve() for name, field in form.items()}
    assert {name: dag.params.get_param(name).schema for name in dag.params} == {
        name: field.schema for name, field in form.items()
    }
    assert set(DagSerialization.from_dict(DagSerialization.to_dict(dag)).params) == set(form)


def test_a_failed_run_cannot_turn_green(dag: DAG) -> None:
    leaves = [task for task in dag.tasks if not task.downstream_task_ids]
    assert [(leaf.task_id, leaf.trigger_rule.value) for leaf in leaves] == [("notify", "none_failed")]
    assert {"decide", "promote", "publish_features", "report"} == leaves[0].upstream_task_ids


@pytest.mark.parametrize(
    ("environment", "retries", "delay"),
    [("development", 1, 3), ("default", 3, 300), ("staging", 3, 300), ("production", 3, 300)],
)
def test_retries_come_from_the_environment(
    environment: str, retries: int, delay: int, enter: Callable[[str], None], project: Path
) -> None:
    enter(environment)
    dag = load(project)["churn_training"]
    for task in dag.tasks:
        assert task.retries == retries
        assert task.retry_delay == timedelta(seconds=delay)
        assert task.execution_timeout == timedelta(minutes=720)
        assert task.owner == "mlops-team"


def test_the_dag_and_every_task_are_documented(dag: DAG) -> None:
    assert dag.doc_md
    assert "Which telephone customers are about to leave" in dag.doc_md
    assert {task.task_id: task.doc_md for task in dag.tasks} == {
        task.task_id: TASK_DOCS[task.task_id.rpartition(".")[-1]] for task in dag.tasks
    }


def test_algorithms_are_groups_of_their_own(dag: DAG) -> None:
    groups = {name: group.tooltip for name, group in dag.task_group.get_task_group_dict().items() if name}
    assert groups == {name: f"Tune and train {name}" for name in CANDIDATES}


def steps_of(dag: DAG) -> dict[str, Any]:
    return {task.task_id: task for task in dag.tasks if task.task_id not in ("decide", "notify")}


def test_all_but_decision_and_mail_are_steps_in_a_process_of_their_own(dag: DAG) -> None:
    for name, task in steps_of(dag).items():
        assert isinstance(task, LocalStepOperator)
        assert task.step == name.rpartition(".")[-1]
        assert task.algorithm == name.rpartition(".")[0]


def test_templated_fields(dag: DAG, home: Path) -> None:
    steps = steps_of(dag)
    for task in steps.values():
        assert set(task.template_fields) == {"run", "when", "parameters"}
        assert task.run == f"file://{home}/.runs/churn/" + "{{ run_id | run_key }}"
    conditions = {name: task.when for name, task in steps.items() if task.when != "True"}
    assert conditions == {
        **{f"{name}.tune": '{{ "' + name + '" in params.algorithms }}' for name in CANDIDATES},
        "register": "{{ ti.xcom_pull(task_ids='decide')['outcome'] == 'promote' }}",
        "accept": "{{ ti.xcom_pull(task_ids='decide')['outcome'] == 'promote' }}",
        "promote": "{{ params.promote_to != 'none' }}",
        "publish_features": "False",
    }
    assert {name: task.parameters for name, task in steps.items() if task.parameters} == {
        "start": "{{ params | tojson }}"
    }
    assert [name for name, task in steps.items() if task.needs_start] == ["report"]


class Decision:
    """A task instance whose `decide` came out in a certain way."""

    def __init__(self, outcome: str) -> None:
        self._outcome = outcome

    def xcom_pull(self, task_ids: str) -> dict[str, str]:
        assert task_ids == "decide"
        return {"outcome": self._outcome}


@pytest.mark.parametrize(("outcome", "promote_to"), [("promote", "production"), ("keep", "none")])
def test_templates_render(outcome: str, promote_to: str, dag: DAG, home: Path) -> None:
    params = {"algorithms": ["lightgbm"], "promote_to": promote_to}
    context: Any = {"run_id": "manual__2026-01-04T02:00:00+00:00", "params": params, "ti": Decision(outcome)}
    steps = {name: task.prepare_for_execution() for name, task in steps_of(dag).items()}
    for task in steps.values():
        task.render_template_fields(context)
    key = "manual__2026-01-04T02-00-00-00-00-748016e69a446a101ea6911f6a438d42"
    assert {task.run for task in steps.values()} == {f"file://{home}/.runs/churn/{key}"}
    assert steps["lightgbm.tune"].when == "True"
    assert steps["xgboost.tune"].when == "False"
    assert steps["register"].when == str(outcome == "promote")
    assert steps["promote"].when == str(promote_to != "none")


def test_only_the_first_step_is_given_the_pipeline(dag: DAG, project: Path) -> None:
    text = (project / "include" / "pipelines" / "churn.yaml").read_text()
    assert {name: task.pipeline for name, task in steps_of(dag).items() if task.pipeline} == {"start": text}


def test_the_dag_serialises_the_same_each_time(dag: DAG, project: Path) -> None:
    serialised = DagSerialization.to_dict(dag)
    DagSerialization.validate_schema(serialised)
    again = DagSerialization.to_dict(load(project)["churn_training"])
    assert again == serialised
    assert {task.task_id for task in DagSerialization.from_dict(serialised).tasks} == set(CHAIN)


def failed_with(dag: Any, caplog: pytest.LogCaptureFixture) -> str:
    """Run a broken DAG; returns what its only task logged."""
    (task,) = dag.tasks
    assert task.retries == 0
    with caplog.at_level("ERROR"):
        run = dag.test()
    assert run.state == "failed"
    assert [(ti.task_id, ti.state) for ti in run.get_task_instances()] == [("mend_the_file", "failed")]
    return caplog.text


def change(pipelines: Path, **sections: Any) -> None:
    """Change sections of the churn pipeline: a mapping is laid over what a section says, another value replaces it."""
    file = pipelines / "churn.yaml"
    document = yaml.safe_load(file.read_text())
    for name, section in sections.items():
        document[name] = {**document.get(name, {}), **section} if isinstance(section, dict) else section
    file.write_text(yaml.safe_dump(document))


def test_workers_share_a_study_before_it_is_completed_whatever_becomes_of_them(pipelines: Path, project: Path) -> None:
    change(pipelines, tuning={"workers": 3})
    dag = load(project)["churn_training"]
    for name in CANDIDATES:
        workers = [dag.get_task(f"{name}.tune_worker_{number}") for number in (1, 2, 3)]
        assert [(task.step, task.algorithm, task.worker) for task in workers] == [
            ("tune_worker", name, number) for number in (1, 2, 3)
        ]
        assert {worker.when for worker in workers} == {dag.get_task(f"{name}.tune").when}
        for worker in workers:
            assert worker.upstream_task_ids == {"engineer_features"}
            assert worker.downstream_task_ids == {f"{name}.tune"}
        tune = dag.get_task(f"{name}.tune")
        assert tune.upstream_task_ids == {"engineer_features", *(worker.task_id for worker in workers)}
        assert tune.trigger_rule.value == "all_done_min_one_success"  # not where the features are missing


def test_a_model_is_fitted_on_everything_between_the_decision_to_promote_it_and_its_registration(
    pipelines: Path, project: Path
) -> None:
    change(pipelines, refit="everything", split={"KIND": "time"}, columns={"time": "tenure"})
    dag = load(project)["churn_training"]
    edges = {task.task_id: task.downstream_task_ids for task in dag.tasks}
    assert edges == {**CHAIN, "decide": {"refit_everything", "notify"}, "refit_everything": {"register"}}
    step = dag.get_task("refit_everything")
    assert (step.step, step.algorithm, step.doc_md) == ("refit_everything", "", TASK_DOCS["refit_everything"])
    assert (step.when, step.trigger_rule.value) == (dag.get_task("register").when, "all_success")


def test_a_person_is_asked_before_the_run_and_between_decision_and_registration(pipelines: Path, project: Path) -> None:
    asks = {"when": "borderline", "start": True, "assignees": ["3"], "timeout_hours": 2, "on_timeout": "keep"}
    change(pipelines, approval=asks)
    dag = load(project)["churn_training"]
    edges = {task.task_id: task.downstream_task_ids for task in dag.tasks}
    assert edges == {
        **CHAIN, "approve_start": {"start"}, "decide": {"approve", "notify"}, "approve": {"register"},
    }  # fmt: skip
    assert dag.get_task("register").when == "{{ ti.xcom_pull(task_ids='approve')['outcome'] == 'promote' }}"
    for name, options, default in (
        ("approve_start", ["Start", "Decline"], None),
        ("approve", ["Promote", "Keep production"], ["Keep production"]),
    ):
        task = dag.get_task(name)
        assert (task.options, task.defaults) == (options, default)
        assert (task.retries, task.execution_timeout) == (0, None)
        assert (task.response_timeout, task.assigned_users) == (timedelta(hours=2), [{"id": "3", "name": "3"}])
        assert task.doc_md == TASK_DOCS[name]


def test_silence_that_refuses_has_no_default_answer(pipelines: Path, project: Path) -> None:
    change(pipelines, approval={"when": "always", "timeout_hours": None, "on_timeout": "refuse"})
    task = load(project)["churn_training"].get_task("approve")
    assert (task.defaults, task.response_timeout, task.assigned_users) == (None, None, None)


def test_a_pipelines_own_code_is_fetched_before_each_step(pipelines: Path, project: Path) -> None:
    change(pipelines, code={"repository": "https://git.example.com/ml/churn.git", "ref": "main", "path": "src"})
    steps = steps_of(load(project)["churn_training"])
    assert {task.code_path for task in steps.values()} == {"src"}
    run = steps["start"].run
    assert steps["xgboost.train"].checkout_command[1:] == [
        "-m", "trainer", "checkout", "--step", "train", "--run", run, "--algorithm", "xgboost",
    ]  # fmt: skip


def test_a_pipeline_without_code_of_its_own_fetches_none(dag: DAG) -> None:
    assert {task.code_path for task in steps_of(dag).values()} == {None}


@pytest.fixture
def with_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enter: Callable[[str], None]) -> None:
    """An environment that names a feature store."""
    folder = tmp_path / "environments"
    shutil.copytree(ENVIRONMENTS, folder)
    (folder / "development.yaml").write_text("feature_store: {address: redis://redis:6379/0}\n")
    monkeypatch.setenv("ENVIRONMENTS_FOLDER", str(folder))
    enter("development")


def test_without_a_feature_store_features_are_not_published_and_it_says_why(dag: Any, tmp_path: Path) -> None:
    step = dag.get_task("publish_features")
    step.run = str(tmp_path / "run")
    with pytest.raises(AirflowSkipException, match="this environment names no feature store"):
        step.opened("manual__1")
    assert "this environment names no feature store" in step.run_folder().left_out()


def test_features_are_published_where_there_is_a_feature_store(with_redis: None, project: Path) -> None:
    step = load(project)["churn_training"].get_task("publish_features")
    assert step.when == "{{ params.promote_to == 'production' }}"
    assert step.left_out == "this run does not promote to production"


def test_without_an_id_there_is_nothing_to_ask_for_features_by(
    with_redis: None, pipelines: Path, project: Path
) -> None:
    change(pipelines, columns={"id": None})
    step = load(project)["churn_training"].get_task("publish_features")
    step.run = str(pipelines / "run")
    with pytest.raises(AirflowSkipException, match=r"the pipeline names no `columns\.id`"):
        step.opened("manual__1")


def test_in_a_cluster_the_same_steps_are_pods_with_the_same_commands(
    dag: DAG, enter: Callable[[str], None], project: Path
) -> None:
    enter("production")
    pods = load(project)["churn_training"]
    assert {task.task_id: task.downstream_task_ids for task in pods.tasks} == CHAIN
    local = steps_of(dag)
    for name, task in steps_of(pods).items():
        assert isinstance(task, PodStepOperator)
        assert task.command[1:] == [*local[name].command[1:6], task.run, *local[name].command[7:]]
        assert (task.pipeline_name, task.team) == ("churn", "mlops-team")


def test_a_step_with_several_nodes_is_a_job(
    enter: Callable[[str], None], pipelines: Path, airflow_home: Path, project: Path
) -> None:
    enter("production")
    mnist = yaml.safe_load((project / "include" / "pipelines" / "mnist.yaml").read_text())
    shared = {**mnist, "resources": {"default": {"image": "vision"}, "train": {"nodes": 2, "gpu": 4}}}
    (pipelines / "mnist.yaml").write_text(yaml.safe_dump(shared))
    tasks = {name: type(task) for name, task in steps_of(load(project)["mnist_training"]).items()}
    assert {name for name, kind in tasks.items() if kind is JobStepOperator} == {"cnn.train", "refit"}


# svcs, which Airflow's in-process API uses, imports FastAPI's test client
@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient` is deprecated")
def test_a_broken_file_becomes_a_dag_that_says_so_and_harms_no_other(
    pipelines: Path, project: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    before = load(project)["churn_training"]
    (pipelines / "bikes.yaml").write_text("name: bikes\nproblm: regression\n")
    dags = load(project)
    assert set(dags) == {"churn_training", "bikes_broken"}
    assert DagSerialization.to_dict(dags["churn_training"]) == DagSerialization.to_dict(before)
    broken = dags["bikes_broken"]
    assert broken.tags == {"training", "broken"}
    assert broken.schedule is None
    assert "problm" in broken.doc_md
    logged = failed_with(broken, caplog) + "".join(capfd.readouterr())
    assert f"{pipelines}/bikes.yaml" in logged
    assert "problm" in logged


def test_two_files_with_one_name(pipelines: Path, project: Path) -> None:
    """The one that is named like its pipeline keeps the DAG, whichever is read first."""
    for copy in ("a_copy", "copy_of_churn"):
        shutil.copy(pipelines / "churn.yaml", pipelines / f"{copy}.yaml")
    dags = load(project)
    assert set(dags) == {"churn_training", "a_copy_broken", "copy_of_churn_broken"}
    for copy in ("a_copy", "copy_of_churn"):
        message = dags[f"{copy}_broken"].doc_md
        assert f"{copy}.yaml: name: 'churn' is the name of {pipelines}/churn.yaml too" in message


@pytest.mark.parametrize(
    ("name", "content", "dag_id", "message"),
    [
        ("empty.yaml", b"", "empty_broken", "a mapping of keys is needed"),
        ("no_yaml.yaml", b"a: [1", "no_yaml_broken", "this is no YAML"),
        ("binary.yaml", b"\xff\xfe\x00", "binary_broken", "cannot be read"),
        ("copy of bikes (1).yaml", b"name: bikes", "copy-of-bikes-1--dc7c8a2b_broken", "problem"),
    ],
    ids=["empty", "no YAML", "binary", "name that is no DAG id"],
)
def test_whatever_is_wrong_with_a_file_stays_with_it(
    name: str, content: bytes, dag_id: str, message: str, pipelines: Path, project: Path
) -> None:
    (pipelines / name).write_bytes(content)
    dags = load(project)
    assert set(dags) == {"churn_training", dag_id}
    assert message in dags[dag_id].doc_md


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"schedule": "0 24 * * *"}, "out of range"),
        ({"schedule": "every day at 5 am"}, "day"),
        ({"schedule": "0 0 30 2 *"}, "'0 0 30 2 \\*' names a day that never comes"),
        ({"owner": "a\0b"}, r"owner: the character '\\x00' cannot be stored"),
        ({"owner": "o" * 3000}, "owner: .*at most 250 characters"),
        ({"tags": ["t" * 101]}, r"tags\.0: .*at most 100 characters"),
        ({"description": "d" * 5001}, "description: .*at most 5000 characters"),
    ],
    ids=["hour", "words", "30 February", "NUL", "long owner", "long tag", "long description"],
)
def test_a_value_that_airflow_refuses_later_stays_with_its_file(
    sections: dict[str, Any], message: str, pipelines: Path, project: Path
) -> None:
    document = yaml.safe_load((pipelines / "churn.yaml").read_text())
    (pipelines / "late.yaml").write_text(yaml.dump({**document, "name": "late", **sections}))
    dags = load(project)
    assert set(dags) == {"churn_training", "late_broken"}
    assert re.search(message, dags["late_broken"].doc_md)
    refuse_unloadable(dags["late_broken"], "late.yaml")


def test_two_files_whose_names_differ_in_signs_alone_give_two_dags(pipelines: Path, project: Path) -> None:
    for name in ("a b.yaml", "a+b.yaml", "a-b.yaml"):
        (pipelines / name).write_text("")
    assert len(load(project)) == 4


def test_an_algorithm_named_like_a_step_leaves_no_half_a_dag(pipelines: Path, project: Path) -> None:
    document = yaml.safe_load((pipelines / "churn.yaml").read_text())
    algorithms = {"ingest": document["algorithms"]["xgboost"]}
    (pipelines / "clash.yaml").write_text(yaml.safe_dump({**document, "name": "clash", "algorithms": algorithms}))
    dags = load(project)
    assert set(dags) == {"churn_training", "clash_broken"}
    assert "ingest" in dags["clash_broken"].doc_md


def test_wrong_settings_break_every_pipeline_with_the_reason(enter: Callable[[str], None], project: Path) -> None:
    enter("prodution")
    dags = load(project)
    assert set(dags) == {"bikes_broken", "california_housing_broken", "churn_broken", "mnist_broken", "wikitext_broken"}
    assert all("did you mean" in dag.doc_md for dag in dags.values())


def test_an_empty_folder_gives_no_dag(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINES_FOLDER", str(tmp_path))
    assert load(project) == {}
