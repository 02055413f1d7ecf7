"""Tasks that ask a person: before production moves, before a run begins, and whether a request is granted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

from include.flows.questions import MoveRequest, promotion_question, question_link, request_question, start_question
from include.flows.run_form import with_trigger
from include.mail import send
from include.operators.base import open_run
from include.operators.step_servers import is_one_process
from trainer.decision import Answer, DecisionResult, approve_run, unasked_answer
from trainer.errors import TrainerError
from trainer.run.execute import execute
from trainer.run.flow import APPROVE, APPROVE_REQUEST, APPROVE_START
from trainer.run.outages import outage_explained
from trainer.run.records import ApprovalResult, Failure, RequestResult
from trainer.run.waiting import begin_waiting, end_waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from include.flows.questions import Question
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

PROMOTE, KEEP = "Promote", "Keep production"
START, DECLINE = "Start", "Decline"
APPROVE_MOVE = "Approve"
REQUEST_FILE = "request.json"
"""In the run folder itself: a step that asks again empties its own part."""
SECONDS_TO_KEEP_AN_ANSWER = 1800
"""Time for a run folder that is away to come back: a task that fails loses the answer and asks again."""
WORDS = "words"
LONGEST_WORDS = 1000


class AskOperator(HITLOperator):
    """A question to a person on Airflow's page "Required Actions"; its subclasses know what is asked.

    It has no retries, since a retry would ask again, and no time-out but that of the answer.

    :param run: address of the run folder (templated)
    :param pipeline: the pipeline whose `approval` says who may answer, and until when
    """

    template_fields: Sequence[str] = ("run",)
    holds_up_runs: ClassVar[bool] = True
    """True if further runs of the pipeline are queued behind the question."""

    def __init__(
        self, *, run: str, pipeline: Pipeline, options: list[str], on_timeout: str | None, **kwargs: Any
    ) -> None:
        approval = pipeline.approval
        words = Param(
            None, type=["null", "string"], maxLength=LONGEST_WORDS, title="Why",
            description_md="Kept with the answer: in the run's summary, its mail and the version's tags.",
        )  # fmt: skip
        hours = approval.timeout_hours
        super().__init__(
            subject="",  # written when it is asked
            options=options,
            defaults=on_timeout,
            params={WORDS: words},
            assigned_users=[{"id": user, "name": user} for user in approval.assignees] or None,
            response_timeout=timedelta(hours=hours) if hours else None,
            execution_timeout=None,
            retries=0,
            **kwargs,
        )
        self.run = run

    def ask(self, context: Context, folder: RunFolder, question: Question) -> None:
        """Put a question on the page and mail where it is; the task then waits for the answer.

        :param folder: of this task; an answer that it has from an earlier question does not count any more
        """
        self._keep(folder.begin)
        self.subject, self.body = question.subject, question.body
        link = question_link(self.dag_id, question.run_id, self.task_id)
        if self.holds_up_runs:
            self._keep(lambda: begin_waiting(folder, question.run_id, question.subject, link))
        send.on_question(question, link)
        super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  (Airflow's)
        """Keep the answer; returns it. Raises AirflowFailException if the run may not go on."""
        if self.holds_up_runs:
            self._keep(lambda: end_waiting(open_run(self.run)))
        return self.answered(event)

    def answered(self, event: dict[str, Any]) -> dict[str, Any]:
        """Keep the answer that Airflow's event brings; returns it."""
        raise NotImplementedError

    def _keep(self, step: Any) -> Any:
        """Return what `step()` returns, tried again while the run folder is away."""
        try:
            for attempt in Retrying(
                retry=retry_if_exception(partial(_may_pass, store=self.run)),
                stop=stop_after_delay(SECONDS_TO_KEEP_AN_ANSWER),
                wait=wait_exponential(max=60),
                reraise=True,
            ):
                with attempt:
                    return step()
        except TrainerError as error:
            raise AirflowFailException(f"{type(error).__name__}: {error}") from error


class ApprovePromotionOperator(AskOperator):
    """Asks whether a challenger becomes production, if its decision says that a person has to be asked."""

    def __init__(self, *, pipeline: Pipeline, **kwargs: Any) -> None:
        keeps = pipeline.approval.on_timeout == "keep"
        super().__init__(pipeline=pipeline, options=[PROMOTE, KEEP], on_timeout=KEEP if keeps else None, **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the answer at once if there is nobody to ask, else wait for it."""
        folder = open_run(self.run)
        decision = folder.at("decide").result(DecisionResult)
        if decision.outcome != "promote":
            raise AirflowSkipException("the decision is not to promote: there is nothing to approve")
        pipeline = folder.pipeline()
        if not decision.asks or is_one_process():
            return self._answered(folder, unasked_answer(pipeline))
        if pipeline.run.answer:
            self.log.warning("the run parameter `answer` counts only where no scheduler can ask a person")
        question = promotion_question(pipeline, folder, decision, str(context["run_id"]))
        self.ask(context, folder.at(APPROVE), question)
        raise AssertionError("the question has not made the task wait")

    def answered(self, event: dict[str, Any]) -> dict[str, Any]:
        """Keep the answer; returns it."""
        return self._answered(open_run(self.run), _answer_of(event, {PROMOTE: "promote", KEEP: "keep"}, "keep"))

    def _answered(self, folder: RunFolder, answer: Answer) -> dict[str, Any]:
        step = partial(approve_run, answer=answer)
        result = self._keep(lambda: execute(step, folder.pipeline(), folder.at(APPROVE)))
        self.log.info("%s", result.reason)
        return dict(result.model_dump(mode="json"))


class ApproveStartOperator(AskOperator):
    """Asks whether a run may begin, before it spends anything; one that is declined fails."""

    def __init__(self, *, pipeline: Pipeline, **kwargs: Any) -> None:
        super().__init__(pipeline=pipeline, options=[START, DECLINE], on_timeout=None, **kwargs)
        self._question = partial(start_question, pipeline)

    def execute(self, context: Context) -> dict[str, Any]:
        """Wait for the answer; a run in one process was begun by the person at that terminal."""
        if is_one_process():
            return self._answered(Answer("begin", "nobody"), "begun by hand, without a scheduler")
        parameters = with_trigger(context["params"], context["triggering_asset_events"])
        question = self._question(parameters, str(context["run_id"]))
        self.ask(context, open_run(self.run).at(APPROVE_START), question)
        raise AssertionError("the question has not made the task wait")

    def answered(self, event: dict[str, Any]) -> dict[str, Any]:
        """Keep the answer; returns it. Raises AirflowFailException if the run may not begin."""
        answer = _answer_of(event, {START: "begin", DECLINE: "decline"}, "decline")
        words = f": {answer.words}" if answer.words else ""
        if answer.source == "timeout":
            return self._answered(answer, "nobody has answered in time, so the run does not begin")
        done = "approved the start" if answer.outcome == "begin" else "declined this run"
        return self._answered(answer, f"{answer.by} {done}{words}")

    def _answered(self, answer: Answer, reason: str) -> dict[str, Any]:
        folder = open_run(self.run).at(APPROVE_START)
        if answer.outcome != "begin":
            failure = Failure(step=APPROVE_START, error="RunDeclined", message=reason, exit_code=1)
            self._keep(lambda: folder.fail(failure))
            raise AirflowFailException(reason)
        result = ApprovalResult(
            outcome="begin", source=answer.source, by=answer.by, words=answer.words, answered_at=answer.at,
            reason=reason, finished_at=datetime.now(UTC).isoformat(),
        )  # fmt: skip
        self._keep(lambda: folder.finish(result))
        self.log.info("%s", reason)
        return dict(result.model_dump(mode="json"))


class ApproveRequestOperator(AskOperator):
    """Asks whether production moves as the run's form says; a request that is declined fails, and nothing moves."""

    holds_up_runs = False

    def __init__(self, *, pipeline: Pipeline, **kwargs: Any) -> None:
        super().__init__(pipeline=pipeline, options=[APPROVE_MOVE, DECLINE], on_timeout=None, **kwargs)
        self._question = partial(request_question, pipeline)

    def execute(self, context: Context) -> dict[str, Any]:
        """Wait for the answer. Without a scheduler nobody can be asked, and the task fails."""
        request = _request_of(context)
        if is_one_process():
            raise AirflowFailException(
                f"a person has to approve the {request.move} of {request.model} version {request.version}, and without "
                "a scheduler nobody can be asked: nothing moves. Start this DAG in Airflow's UI or over REST"
            )
        folder = open_run(self.run).at(APPROVE_REQUEST)
        self._keep(lambda: folder.at("").write_text(REQUEST_FILE, request.model_dump_json(indent=2) + "\n"))
        self.ask(context, folder, self._question(request, str(context["run_id"])))
        raise AssertionError("the question has not made the task wait")

    def answered(self, event: dict[str, Any]) -> dict[str, Any]:
        """Keep the approval; returns it. Raises AirflowFailException if the request is not approved."""
        answer = _answer_of(event, {APPROVE_MOVE: "begin", DECLINE: "decline"}, "decline")
        folder = open_run(self.run).at(APPROVE_REQUEST)
        request = self._keep(lambda: MoveRequest.model_validate_json(folder.at("").read_text(REQUEST_FILE)))
        if answer.outcome != "begin" or answer.source != "person":
            reason = f"{answer.by} declined the {request.move}" + (f": {answer.words}" if answer.words else "")
            late = "nobody has answered in time, so nothing moves"
            failure = Failure(
                step=APPROVE_REQUEST, error="RequestDeclined", exit_code=1,
                message=late if answer.source == "timeout" else reason,
            )  # fmt: skip
            self._keep(lambda: folder.fail(failure))
            raise AirflowFailException(failure.message)
        result = RequestResult(
            move=request.move, model=request.model, version=request.version, by=answer.by, answered_at=answer.at,
            reason=f"{request.sentence}; {answer.by} approved it" + (f": {answer.words}" if answer.words else ""),
            finished_at=datetime.now(UTC).isoformat(),
        )  # fmt: skip
        self._keep(lambda: folder.finish(result))
        self.log.info("%s", result.reason)
        return dict(result.model_dump(mode="json"))


def _request_of(context: Context) -> MoveRequest:
    """Return the request of a run: its form, and the user who started it."""
    params = {name: context["params"][name] for name in ("move", "model", "version", "reason", "by_agent")}
    return MoveRequest(**params, asked_by=getattr(context["dag_run"], "triggering_user_name", None) or "")


def _answer_of(event: dict[str, Any], outcomes: dict[str, Any], otherwise: Any) -> Answer:
    """Return the answer in Airflow's event; `outcomes` are those of the options, `otherwise` that of no answer."""
    if event.get("error_type") == "timeout" or event.get("timedout"):
        return Answer(otherwise, "timeout")
    if "error" in event:
        raise AirflowFailException(f"the answer cannot be read: {event['error']}")
    chosen, user, at = event["chosen_options"], event["responded_by_user"], event["responded_at"]
    name = user["name"] if isinstance(user, dict) else getattr(user, "name", "")
    words = str((event.get("params_input") or {}).get(WORDS) or "").strip()[:LONGEST_WORDS]
    outcome = outcomes[chosen[0]] if len(chosen) == 1 else otherwise
    return Answer(outcome, "person", by=str(name), words=words, at=at.isoformat() if at else "")


def _may_pass(error: BaseException, store: str) -> bool:
    """Return True if a failure is one of the world, which another try may not meet.

    :param store: address of the run folder; an object store's client raises errors that are not OSErrors
    """
    explained = outage_explained(error, store) if isinstance(error, Exception) else error
    return explained.retry_can_help if isinstance(explained, TrainerError) else isinstance(explained, OSError)
