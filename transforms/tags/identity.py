"""Stateless identity: HMAC-SHA256 of (secret, kind, value), the same on every worker, in every run and on every engine."""

from __future__ import annotations

import hashlib
import hmac

MIN_SECRET_BYTES = 16


class Identity:
    """Derives new identifiers from a secret. Holds the secret: build it on the worker, never pickle it."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret has {len(secret)} bytes; at least {MIN_SECRET_BYTES} are needed")
        self._key = hmac.new(secret, digestmod=hashlib.sha256)

    def digest(self, kind: str, value: str) -> bytes:
        """32 bytes that depend on the secret, ``kind`` and ``value`` alone."""
        mac = self._key.copy()
        mac.update(kind.encode() + b"\0" + value.encode("utf-8", "surrogatepass"))
        return mac.digest()

    def token(self, kind: str, value: str, length: int = 16) -> str:
        """The first ``length`` hexadecimal digits of the digest."""
        return self.digest(kind, value).hex()[:length]

    def uid(self, value: str) -> str:
        """A ``2.25.`` UID (PS3.5 B.2) for ``value``; UIDs of the standard (PS3.6 A) come back unchanged, an empty value stays empty.

        Others below the root of the standard are no UIDs of the standard: somebody made them up, and they may hold anything.
        """
        from pydicom.uid import UID_dictionary  # imported late: a driver has tokens to make, no UIDs

        if not value or value in UID_dictionary:
            return value
        return f"2.25.{int.from_bytes(self.digest('uid', value)[:16], 'big')}"

    def days(self, patient_id: str, maximum: int) -> int:
        """A shift of 1 to ``maximum`` days for a patient, never 0; subtract it from each date."""
        return 1 + int.from_bytes(self.digest("date", patient_id)[:8], "big") % maximum

    def fingerprint(self) -> str:
        """Eight hexadecimal digits that tell two secrets apart and say nothing about either."""
        return self.token("fingerprint", "", 8)

    def __reduce__(self) -> str:
        raise TypeError("an Identity holds the secret and is never pickled; send a reference to the secret and resolve it on the worker")
