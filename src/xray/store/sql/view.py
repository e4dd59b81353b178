"""A store to ask and not to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext

from xray.errors import StoreError
from xray.model.facts import Receipt
from xray.model.forgetting import Forgotten, Progress
from xray.model.removal import Removed
from xray.model.stored_facts import StoredFact
from xray.store.sql.answers import Answers


class View(Answers):
    """The verbs of a store, of which those that write refuse."""

    def submit(self, batch_id: str, facts: Sequence[StoredFact]) -> Future[Receipt]:  # noqa: ARG002
        """Refuse: this is for questions.

        Raises:
            StoreError: always.
        """
        raise _refuse()

    def delete_runs(self, run_ids: Sequence[str]) -> Future[Removed]:  # noqa: ARG002
        """Refuse: this is for questions.

        Raises:
            StoreError: always.
        """
        raise _refuse()

    def forget_runs(
        self,
        run_ids: Sequence[str],  # noqa: ARG002
        pipelines: Sequence[str],  # noqa: ARG002
        show: Callable[[Progress], None],  # noqa: ARG002
    ) -> Future[Forgotten]:
        """Refuse: this is for questions.

        Raises:
            StoreError: always.
        """
        raise _refuse()

    def claim(self, task: str) -> AbstractContextManager[bool]:  # noqa: ARG002
        """Never: nothing is written by who only looks."""
        return nullcontext(False)


def _refuse() -> StoreError:
    return StoreError("The database was opened to be read only.", code="read_only")
