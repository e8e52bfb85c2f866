# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Secrets at rest: Octavia's own Fernet keys.

The keys are [certificates] server_certs_key_passphrase, with which Octavia
protects private keys, too. The first key encrypts and all keys decrypt, so
that keys can be rotated.
"""

import hmac

from cryptography.fernet import InvalidToken
from octavia.common import utils
from oslo_config import cfg

from octavia_anycast.model.errors import Permanent


def derived_key(purpose: str) -> bytes:
    """Derive a key of the first passphrase, for one purpose (HMAC-SHA256).

    All controllers derive the same one, and it is stored nowhere.
    """
    passphrase = str(cfg.CONF.certificates.server_certs_key_passphrase[0])
    return hmac.digest(passphrase.encode(), purpose.encode(), "sha256")


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
