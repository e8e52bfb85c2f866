# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Errors of the domain, and the checks of users' texts that raise them.

A caller can act on two classes, Retryable and Permanent. Drivers raise these
and never a library's own. Each edge (REST API, agent, controller loop) maps
them once.
"""

import unicodedata
from collections.abc import Mapping


class AnycastError(Exception):
    """Base of every error that this project raises on purpose."""


class Retryable(AnycastError):
    """It may work later; nothing has to change but time."""

    def __init__(self, message: str, *, after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class NoConnection(Retryable):
    """Nobody took the connection in time: the machine may be gone."""


class NotYetValid(Retryable):
    """The other side's certificate is of a time to come: a clock is wrong."""


class RolledBack(Retryable):
    """Another transaction got in the way of this one: nothing was changed."""


class Overtaken(Retryable):
    """Another controller may have gone on with it: nothing more is done."""


class Permanent(AnycastError):
    """Trying again without a change will fail again."""


class NoRoom(Permanent):
    """A quota is used up: it works again once something else went away."""


class SecretUnread(Retryable):
    """Secrets cannot be read now; the rest was pushed.

    :param unread_ids: the listeners that are served as they were, or not
    :param lacking_ids: those of them that the amphora does not serve at all
    """

    def __init__(
        self,
        message: str,
        *,
        unread_ids: tuple[str, ...],
        lacking_ids: tuple[str, ...] = (),
        after_seconds: float = 10.0,
    ) -> None:
        super().__init__(message, after_seconds=after_seconds)
        self.unread_ids = unread_ids
        self.lacking_ids = lacking_ids


class ContentRefused(Permanent):
    """An amphora refused a configuration; ``sentence`` is its own reason.

    :param blamed: id -> sentence, of the objects that are known to be to
        blame
    """

    def __init__(
        self,
        message: str,
        sentence: str,
        *,
        blamed: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.sentence = sentence
        self.blamed = dict(blamed or {})


class InvalidRequest(Permanent):
    """A value is refused; ``field`` names it as the user wrote it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class InvalidValue(InvalidRequest):
    """A value that nothing could serve, as opposed to one not supported."""


class NotFound(Permanent):
    """The thing named does not exist."""

    def __init__(self, resource: str, identifier: str) -> None:
        super().__init__(f"{resource} {identifier} could not be found.")
        self.resource = resource
        self.identifier = identifier


class Conflict(Permanent):
    """The request contradicts the state of the thing."""


TEXT_MAX_LENGTH = 255


def check_text(name: str, value: str | None) -> None:
    """Check that a text fits its column, and that it is one at all.

    :raises InvalidRequest: naming ``name``.
    """
    if value is None:
        return
    if len(value) > TEXT_MAX_LENGTH:
        raise InvalidRequest(
            name, f"it is longer than {TEXT_MAX_LENGTH} characters"
        )
    try:
        value.encode()
    except UnicodeEncodeError as e:
        raise InvalidRequest(name, "it is not valid Unicode") from e


def check_name(name: str, value: str | None) -> None:
    """Check a text of one line: no control characters.

    :raises InvalidRequest: naming ``name``.
    """
    check_text(name, value)
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in value or ""):
        raise InvalidRequest(name, "it has a control character")


def check_place(name: str, value: str | None) -> None:
    """Check the name of an availability zone or host; None is any.

    :raises InvalidRequest: naming ``name``.
    """
    check_name(name, value)
    if value is not None and not value.strip():
        raise InvalidRequest(name, "it is empty; leave it out to mean any")
