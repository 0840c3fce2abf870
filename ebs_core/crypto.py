"""Secrets at rest: sealed with AES-256-GCM under the first key of a key file; older keys in it only open.

A sealed text is ``ebs1:<key id>:<base64 of nonce, ciphertext and tag>``. The key file has one key per line, base64 of 32 bytes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ebs_core.domain.errors import InputError, SecretDamaged, StorageError
from ebs_core.domain.text import Secret

_PREFIX = "ebs1"
_NONCE = 12


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"ebs key id" + key).hexdigest()[:8]


def new_key() -> str:
    """A fresh key as a line of a key file."""
    return base64.b64encode(AESGCM.generate_key(bit_length=256)).decode()


class SecretBox:
    """Seals and opens secrets. Thread-safe."""

    def __init__(self, keys: list[bytes]) -> None:
        if not keys:
            raise InputError("the key file is empty", remedy="restore it from the backup")
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._current = _key_id(keys[0])
        self._fingerprints = hmac.digest(keys[0], b"ebs fingerprints", "sha256")

    @classmethod
    def from_lines(cls, lines: str, source: str) -> SecretBox:
        keys = []
        for number, line in enumerate(lines.splitlines(), 1):
            if not line.strip():
                continue
            try:
                key = base64.b64decode(line.strip(), validate=True)
            except ValueError:
                key = b""
            if len(key) != 32:
                raise InputError(f"{source}, line {number}: not a key (base64 of 32 bytes)", remedy="restore it from the backup")
            keys.append(key)
        return cls(keys)

    @classmethod
    def from_file(cls, path: Path) -> SecretBox:
        """Raises InputError if there is no usable key file."""
        try:
            return cls.from_lines(path.read_text(encoding="ascii"), str(path))
        except FileNotFoundError:
            raise InputError(
                f"there is no key file {path}", remedy="run 'ebs init' first, or set EBS_KEY_FILE to this site's key"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the key file {path} cannot be read: {error}") from error

    def seal(self, plain: str) -> str:
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self._current].encrypt(nonce, plain.encode(), None)
        return f"{_PREFIX}:{self._current}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str) -> Secret:
        """Raises StorageError if the text was sealed under a key that is not here, SecretDamaged if it was changed."""
        prefix, _, rest = sealed.partition(":")
        key_id, _, body = rest.partition(":")
        if prefix == _PREFIX and body and key_id not in self._ciphers:
            raise StorageError(
                "a stored secret was sealed under another key", remedy="point EBS_KEY_FILE to this site's key file"
            )
        try:
            raw = base64.b64decode(body, validate=True)
            return Secret(self._ciphers[key_id].decrypt(raw[:_NONCE], raw[_NONCE:], None).decode())
        except (KeyError, ValueError, InvalidTag):
            raise SecretDamaged("a stored secret was changed or damaged", remedy="import or set that password again") from None

    def fingerprint(self, text: str) -> str:
        """The same for the same text and key; tells nothing of the text to who has not the key."""
        return base64.b64encode(hmac.digest(self._fingerprints, text.encode(errors="surrogatepass"), "sha256")[:18]).decode()

    def is_current(self, sealed: str) -> bool:
        return sealed.startswith(f"{_PREFIX}:{self._current}:")


def create_key_file(path: Path) -> None:
    """Make a key file that only its owner can read. Raises FileExistsError rather than replace one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(new_key() + "\n")
        file.flush()
        os.fsync(file.fileno())
