"""The service user's key: made once, for its owner alone, and known by its fingerprint."""

import base64
import hashlib
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.provision.key_pair import KeyPair


def test_a_new_one_is_stored_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "home" / "key.p8"
    made = KeyPair.of(path, "")
    assert not made.is_stored
    assert not path.exists()
    made.store()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = KeyPair.of(path, "")
    assert found.is_stored
    assert found.public == made.public
    body = path.read_bytes()
    found.store()
    assert path.read_bytes() == body


def test_text_and_fingerprint_are_those_that_snowflake_shows(tmp_path: Path) -> None:
    public = KeyPair.of(tmp_path / "key.p8", "").public
    der = base64.b64decode(public.text)
    assert serialization.load_der_public_key(der)
    digest = base64.b64encode(hashlib.sha256(der).digest()).decode()
    assert public.fingerprint == f"SHA256:{digest}"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption(),
    )


def test_one_with_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key.p8"
    path.write_bytes(pem(rsa.generate_private_key(65537, 2048), b"secret"))
    assert KeyPair.of(path, "secret").is_stored
    for wrong in ("", "other"):
        with pytest.raises(FixConfiguration, match="SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"):
            KeyPair.of(path, wrong)


def test_a_new_one_has_the_passphrase_that_is_set(tmp_path: Path) -> None:
    path = tmp_path / "key.p8"
    KeyPair.of(path, "secret").store()
    assert b"ENCRYPTED" in path.read_bytes()
    assert KeyPair.of(path, "secret").is_stored
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_no_rsa_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.p8"
    for body in (b"nothing", pem(ec.generate_private_key(ec.SECP256R1()), b"")):
        path.write_bytes(body)
        with pytest.raises(FixConfiguration, match="private RSA key"):
            KeyPair.of(path, "")
