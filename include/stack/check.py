"""`make stack-check`: start the real containers, and run a pipeline in them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

from include.stack.docker import StackError
from include.stack.env_file import read_env
from include.stack.up import up

if TYPE_CHECKING:
    from include.stack.docker import Docker

PARAMETERS = '{"algorithms": ["lightgbm"], "trials": 3}'
SECONDS_TO_ANSWER = 30


def stack_check(docker: Docker) -> None:
    """Start the stack, train on it, and look for the mail. Raises StackError, also without a container engine."""
    try:
        docker.check()
    except StackError as error:
        raise StackError(f"there is no container engine here, so nothing was started: {error}") from None
    up(docker)
    mails = f"http://localhost:{read_env(docker.project / '.env')['MAIL_PORT']}/api/v1/messages?limit=1"
    before = newest_mail(mails)
    command = ("airflow", "dags", "test", "churn_training", "--conf", PARAMETERS)
    if docker.stream("exec", "-T", "airflow-scheduler", *command):
        raise StackError("the run of churn_training failed; its log is above")
    if newest_mail(mails) == before:
        raise StackError("the run of churn_training ended well, but its mail did not arrive; make logs SERVICE=mail")
    sys.stdout.write("The stack works: a run of churn_training ended well, and its mail arrived.\n")


def newest_mail(address: str) -> str:
    """Return the id of the catcher's newest mail, empty if it has none. Raises StackError if it does not answer."""
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=SECONDS_TO_ANSWER) as response:
            return "".join(str(mail["ID"]) for mail in json.load(response)["messages"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StackError(f"the mail catcher did not answer at {address}: {error}; make logs SERVICE=mail") from None
