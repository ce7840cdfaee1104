"""Public keys, as users have them: the text of a PEM file, with or without its frame."""

import base64
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from spotify_pipeline_tests.emulators.snowflake_errors import SnowflakeError

_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
_BITS = 2048


def public_key(text: str) -> rsa.RSAPublicKey:
    """The key; refuses what is none, or too short."""
    body = "".join(text.replace(_BEGIN, "").replace(_END, "").split())
    pem = f"{_BEGIN}\n{body}\n{_END}\n"
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _rejected("Invalid Public key") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise _rejected("Invalid Public key")
    if key.key_size < _BITS:
        raise _rejected(
            f"Key length {key.key_size} is smaller than minimal requirement of {_BITS}."
        )
    return key


def fingerprint(text: str) -> str:
    """As DESC USER tells it."""
    der = public_key(text).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"SHA256:{base64.b64encode(hashlib.sha256(der).digest()).decode()}"


def _rejected(reason: str) -> SnowflakeError:
    text = f"SQL execution error:\nNew public key rejected by current policy. Reason: '{reason}'"
    return SnowflakeError(1008, "22023", text)
