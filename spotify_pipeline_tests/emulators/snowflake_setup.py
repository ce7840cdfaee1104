"""The account as the files of `snowflake_ddl` make it."""

from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector import SnowflakeConnection

from spotify_pipeline.loading.snowflake import DDL_FOLDER
from spotify_pipeline.provision import ddl
from spotify_pipeline_tests.emulators.snowflake_lab import BUCKET

PARAMETERS = {
    **ddl.DEFAULTS,
    "role_arn": "arn:aws:iam::123456789012:role/snowflake",
    "external_id": "chosen-by-the-owner",
    "bucket_url": f"s3://{BUCKET}/team/",
}


def run_ddl(connection: SnowflakeConnection, public_key: str, pattern: str = "*.sql") -> None:
    """Runs the files in their order."""
    parameters: Mapping[str, str] = PARAMETERS | {"public_key": public_key}
    for path in sorted(DDL_FOLDER.glob(pattern)):
        sql = ddl.rendered(path.read_text(), parameters)
        for _ in connection.execute_string(sql, remove_comments=True):
            pass


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_text(key: rsa.RSAPrivateKey) -> str:
    """As ALTER USER … SET RSA_PUBLIC_KEY has it: one line, without its frame."""
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "".join(pem.decode().splitlines()[1:-1])
