"""Host keys of the SSH door, and public keys as they stand in an `authorized_keys` line."""

from __future__ import annotations

import base64
import io

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def new_host_key() -> paramiko.PKey:
    """A fresh Ed25519 key. paramiko has no generator for these; the library under it has."""
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return paramiko.Ed25519Key(file_obj=io.StringIO(private.decode("ascii")))


def public_line(key: paramiko.PKey) -> str:
    """`ssh-ed25519 AAAA…`."""
    return f"{key.get_name()} {key.get_base64()}"


def key_blob(line: str) -> bytes:
    """The key of a line `type base64 [comment]`. Raises ValueError when it is none."""
    words = line.split()
    if len(words) < 2:
        raise ValueError("a public key is expected as: type base64 [comment]")
    return base64.b64decode(words[1], validate=True)
