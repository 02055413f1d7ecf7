"""The bare DAG has the shape of the pipeline's, or the comparison would be unfair."""

from typing import Any

import pytest

from bench.bare_dag import bare_dag, shape_of
from bench.parsing import _dags, _pipelines


@pytest.fixture(scope="module")
def dags():
    with _pipelines(3) as folder:
        return _dags(folder)


def test_each_copy_of_the_pipeline_is_a_dag_of_its_own(dags):
    assert [dag.dag_id for dag in dags] == ["churn_0_training", "churn_1_training", "churn_2_training"]


def test_the_bare_dag_has_the_same_tasks_groups_edges_schedule_and_form(dags):
    bare: Any = bare_dag("bare", shape_of(dags[0]))
    assert shape_of(bare) == shape_of(dags[0])
    assert {task.task_id for task in bare.tasks} == {task.task_id for task in dags[0].tasks}
    assert bare.schedule == dags[0].schedule == "0 2 * * 0"
    assert bare.params.dump() == dags[0].params.dump()
