# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whose log lines are: the project and the request that they bear.

oslo.log takes both from the context that was made last in the thread, and
Octavia's code makes one wherever it reads a certificate. In a thread that
works for one load balancer after the other, that is the project of another
one. So each piece of work sets its own, and leaves the thread as it was.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from oslo_context import context as oslo_context
from oslo_log import formatters
from oslo_log import log as oslo_log

_OURS = "octavia_anycast"
_SUMMARY = ": %(error_summary)s"
_REQUEST_ID = "openstack.request_id"  # oslo.middleware's
_environ: ContextVar[Mapping[str, Any] | None] = ContextVar(
    "environ", default=None
)


@contextmanager
def kept() -> Iterator[None]:
    """Have the lines after this block bear what those before it did."""
    before = oslo_context.get_current()
    try:
        yield
    finally:
        _set(before)


def bear(project_id: str | None, request_id: str | None = None) -> None:
    """Have the lines from here on bear a project, and the request that asked.

    Until the :func:`kept` around it ends, so that whoever logs a failure
    there does it with both.

    :param request_id: of the API request; None if it is not known
    """
    oslo_context.RequestContext(
        project_id=project_id, global_request_id=request_id
    )


def bear_request(request_id: str) -> None:
    """Have the lines after a :func:`bear` bear the request from here on.

    :param request_id: of the API request that asked; empty: nobody asked
    """
    current = oslo_context.get_current()
    if current is not None:
        current.global_request_id = request_id or None


@contextmanager
def serving(environ: Mapping[str, Any]) -> Iterator[None]:
    """Answer an API request within: :func:`request_id` is that of it.

    :param environ: of WSGI; oslo.middleware adds the id while it is served
    """
    token = _environ.set(environ)
    try:
        yield
    finally:
        _environ.reset(token)


def request_id() -> str:
    """The id of the API request that this thread answers; empty: none.

    Not that of oslo.context: Octavia's API makes another context, with an id
    of its own, where it reads the secrets of a listener or pool.
    """
    environ = _environ.get()
    if environ is not None:
        return str(environ.get(_REQUEST_ID, ""))
    current = oslo_context.get_current()
    return "" if current is None else str(current.request_id or "")


class CarryingExecutor(ThreadPoolExecutor):
    """Its threads bear what the thread bears that gave them the work."""

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """As the executor's; after the work the thread bears nothing."""
        given = oslo_context.get_current()

        def carry() -> Any:
            _set(given)
            try:
                return fn(*args, **kwargs)
            finally:
                _set(None)

        return super().submit(carry)


class Formatter(formatters.ContextFormatter):
    """oslo.log's, without an exception's class behind our sentences.

    oslo.log adds class and text of the exception that is being handled to
    each warning. Our warnings have the text already.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Format a line; oslo.log has just chosen how."""
        is_ours = record.name.split(".")[0] == _OURS
        if is_ours and not record.exc_info and sys.exc_info()[0] is not None:
            chosen = str(self._fmt).removesuffix(_SUMMARY)
            return logging.PercentStyle(chosen).format(record)
        return str(super().formatMessage(record))


def set_up(conf: Any) -> None:
    """Have the handlers that oslo.log has set up write lines as above."""
    for handler in oslo_log.getLogger(None).logger.handlers:
        if type(handler.formatter) is formatters.ContextFormatter:
            handler.setFormatter(
                Formatter(datefmt=conf.log_date_format, config=conf)
            )


def _set(context: Any) -> None:
    if context is not None:
        context.update_store()
        return
    # As oslo.context's own fixture does: it has no call for it.
    vars(oslo_context._request_store).pop("context", None)
