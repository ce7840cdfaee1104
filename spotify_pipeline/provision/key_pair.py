"""The key pair by which the service user signs in to Snowflake.

The private key stays in its file, for its owner alone; Snowflake is given the public one.
"""

import base64
import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from spotify_pipeline.errors import FixConfiguration

_BITS = 2048


@dataclass(frozen=True)
class PublicKey:
    """A public key, DER."""

    der: bytes

    @property
    def text(self) -> str:
        """As RSA_PUBLIC_KEY wants it: one line, without a frame."""
        return base64.b64encode(self.der).decode()

    @property
    def fingerprint(self) -> str:
        """As DESC USER shows it."""
        return f"SHA256:{base64.b64encode(hashlib.sha256(self.der).digest()).decode()}"


@dataclass(frozen=True)
class KeyPair:
    """A key pair; `is_stored` says whether its file is there already."""

    path: Path
    public: PublicKey
    is_stored: bool
    _private: rsa.RSAPrivateKey = field(repr=False)
    _passphrase: str = field(repr=False)

    @classmethod
    def of(cls, path: Path, passphrase: str) -> Self:
        """The one in the file, or a new one that is not stored yet."""
        if not path.exists():
            private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
            return cls(path, _public(private), False, private, passphrase)
        try:
            found = serialization.load_pem_private_key(
                path.read_bytes(), passphrase.encode() if passphrase else None
            )
        except (ValueError, TypeError, OSError) as error:
            raise _unreadable(path) from error
        if not isinstance(found, rsa.RSAPrivateKey):
            raise _unreadable(path)
        return cls(path, _public(found), True, found, passphrase)

    def store(self) -> None:
        """Writes a new one, readable for its owner alone, and with the passphrase if there is one.

        Written aside: the name appears with the whole key or never.
        """
        if self.is_stored:
            return
        self.path.parent.mkdir(0o755, parents=True, exist_ok=True)  # whatever the umask
        lock = (
            serialization.BestAvailableEncryption(self._passphrase.encode())
            if self._passphrase
            else serialization.NoEncryption()
        )
        body = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
        )
        descriptor, aside = tempfile.mkstemp(dir=self.path.parent)  # for its owner alone
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        Path(aside).rename(self.path)


def _public(private: rsa.RSAPrivateKey) -> PublicKey:
    return PublicKey(
        private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def _unreadable(path: Path) -> FixConfiguration:
    return FixConfiguration(
        f"{path} can't be read as a private RSA key. Expected PEM, and its passphrase, if it has "
        f"one, in SNOWFLAKE_PRIVATE_KEY_PASSPHRASE. Mend it, or move it away to have a new one "
        f"made."
    )
