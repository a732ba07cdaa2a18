"""A reference to the secret that travels in place of it; every worker resolves it for itself."""

from __future__ import annotations

import atexit
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from transforms.errors import ConfigError

ENVIRONMENT_VARIABLE = "DICOM_DEID_SECRET"
MIN_SECRET_BYTES = 16
_HOW = "make one with: openssl rand -hex 32 > secret"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where the secret is; never the secret.

    Attributes:
        kind: ``file``, ``env``, ``ephemeral`` (a file of this run only), ``gcp-secret`` or ``aws-secret``.
        where: path, variable name, ``projects/P/secrets/S[/versions/V]``, or an AWS secret's name or ARN.
    """

    kind: str
    where: str

    @classmethod
    def parse(cls, text: str) -> SecretRef:
        """``gcp-secret://projects/P/secrets/S``, ``aws-secret://NAME``, ``env://NAME``, ``file://PATH``, or a path.

        Raises:
            ConfigError: the scheme is unknown.
        """
        kind, separator, where = text.partition("://")
        if not separator:
            return cls("file", os.path.abspath(text))  # noqa: PTH100  # workers may have another folder
        if kind not in ("file", "env", "gcp-secret", "aws-secret") or not where:
            raise ConfigError("expected a secret as a path, file://, env://, gcp-secret:// or aws-secret://, found another scheme")
        return cls(kind, where)

    @classmethod
    def ephemeral(cls) -> SecretRef:
        """A random secret in a file that only this user reads and that goes when this process ends."""
        handle, name = tempfile.mkstemp(prefix="dicom-deid-secret-")
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
        atexit.register(_forget, name, os.getpid())
        return cls("ephemeral", name)


def find(secret_file: str | None, ephemeral: bool) -> SecretRef:
    """The reference that the command line asks for: a file or URI, a random one, or the environment variable.

    Raises:
        ConfigError: none is given, or two are.
    """
    if secret_file and ephemeral:
        raise ConfigError("--secret-file and --ephemeral-secret exclude each other")
    if secret_file:
        return SecretRef.parse(secret_file)
    if ephemeral:
        return SecretRef.ephemeral()
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return SecretRef("env", ENVIRONMENT_VARIABLE)
    raise ConfigError(f"no secret: give --secret-file or ${ENVIRONMENT_VARIABLE} ({_HOW}), or --ephemeral-secret to try things out")


def resolve(ref: SecretRef) -> bytes:
    """The secret itself, without white space around it. Call it on the worker; never store what it returns.

    Raises:
        ConfigError: the secret is not there, is too short, or its library is not installed.
    """
    raw = {"file": _file, "ephemeral": _file, "env": _env, "gcp-secret": _google, "aws-secret": _amazon}[ref.kind](ref.where).strip()
    if len(raw) < MIN_SECRET_BYTES:
        raise ConfigError(f"the secret has {len(raw)} bytes; at least {MIN_SECRET_BYTES} are needed ({_HOW})")
    return raw


def _file(where: str) -> bytes:
    try:
        return Path(where).read_bytes()
    except OSError as exc:
        # What was given may be the secret itself: it is not repeated in what logs keep.
        raise ConfigError(f"the secret file cannot be read ({type(exc).__name__}): expected its path, never the secret; {_HOW}") from None


def _env(where: str) -> bytes:
    value = os.environ.get(where)
    if value is None:
        raise ConfigError(f"the environment variable {where} is not set on this worker; use --secret-file or a secret manager")
    return value.encode("utf-8", "surrogateescape")


def _google(where: str) -> bytes:
    try:
        from google.cloud import secretmanager
    except ImportError:
        raise ConfigError("gcp-secret:// needs google-cloud-secret-manager: pip install 'dicom-deid-pipeline[gcp]'") from None
    name = where if "/versions/" in where else f"{where}/versions/latest"
    try:
        client = secretmanager.SecretManagerServiceClient()
        return bytes(client.access_secret_version(request={"name": name}).payload.data)
    except Exception as exc:  # the client raises errors of four libraries
        raise ConfigError(f"Google Secret Manager did not give the secret ({type(exc).__name__})") from None


def _amazon(where: str) -> bytes:
    try:
        import boto3  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError("aws-secret:// needs boto3: pip install 'dicom-deid-pipeline[aws]'") from None
    try:
        found = boto3.client("secretsmanager").get_secret_value(SecretId=where)
    except Exception as exc:  # the client raises errors of two libraries
        raise ConfigError(f"AWS Secrets Manager did not give the secret ({type(exc).__name__})") from None
    return bytes(found["SecretBinary"]) if "SecretBinary" in found else str(found["SecretString"]).encode()


def _forget(name: str, owner: int) -> None:
    """Remove the ephemeral file, in the process that made it only: forked workers run the same exit handlers."""
    if os.getpid() == owner:
        Path(name).unlink(missing_ok=True)
