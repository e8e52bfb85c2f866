# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Passwords at rest: who encrypts and decrypts them is a parameter."""

from typing import Protocol

HIDDEN = "*"


class Cipher(Protocol):
    """What keeps passwords secret at rest."""

    def encrypt(self, text: str) -> str:
        """Encrypt."""

    def decrypt(self, text: str) -> str:
        """Decrypt what :meth:`encrypt` made."""


class WithoutPasswords:
    """A cipher for readers that show no passwords: it decrypts nothing."""

    def encrypt(self, text: str) -> str:
        """It is for reading only."""
        raise NotImplementedError

    def decrypt(self, text: str) -> str:
        """Something in the place of the password."""
        return HIDDEN
