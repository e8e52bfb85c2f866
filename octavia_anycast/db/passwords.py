# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Encryption of stored passwords; the cipher is a parameter."""

from typing import Protocol

HIDDEN = "*"


class Cipher(Protocol):
    """Encrypts and decrypts the stored passwords."""

    def encrypt(self, text: str) -> str: ...
    def decrypt(self, text: str) -> str: ...


class WithoutPasswords:
    """A cipher for readers that show no passwords: it decrypts nothing."""

    def encrypt(self, text: str) -> str:
        """Refuse: this cipher is for readers only."""
        raise NotImplementedError

    def decrypt(self, text: str) -> str:
        """Return a placeholder."""
        return HIDDEN
