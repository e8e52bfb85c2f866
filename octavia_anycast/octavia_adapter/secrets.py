# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Secrets at rest: Octavia's own Fernet keys.

The keys are [certificates] server_certs_key_passphrase, with which Octavia
protects private keys, too. The first key encrypts and all keys decrypt, so
that keys can be rotated.
"""

from cryptography.fernet import InvalidToken
from octavia.common import utils

from octavia_anycast.model.errors import Permanent


class FernetCipher:
    """Encrypts text with Octavia's keys (satisfies ``db`` Cipher)."""

    def __init__(self) -> None:
        self._fernet = utils.get_server_certs_key_passphrases_fernet()

    def encrypt(self, text: str) -> str:
        """Encrypt with the first key."""
        token: bytes = self._fernet.encrypt(text.encode())
        return token.decode()

    def decrypt(self, text: str) -> str:
        """Decrypt with any of the keys.

        :raises Permanent: if none of them fits.
        """
        try:
            plain: bytes = self._fernet.decrypt(text.encode())
        except InvalidToken as e:
            raise Permanent(
                "A stored password cannot be decrypted: none of the keys in "
                "[certificates] server_certs_key_passphrase fits."
            ) from e
        return plain.decode()
