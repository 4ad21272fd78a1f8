"""The private key that a job's ssh uses: ed25519, RSA or ECDSA, in OpenSSH or PEM form, without a passphrase.

The key is read where it is and never written. Errors name the place of the key and never show it.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.named_file import content_of

if TYPE_CHECKING:
    import paramiko

USUAL_FILES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


class KeyFileError(LoaderError):
    """There is no private key, or it cannot be used."""


def private_key(path: str | Path | None, environ: Mapping[str, str]) -> paramiko.PKey:
    """Return the private key of a job. Raises KeyFileError.

    The first of: `path`, SAURON_SSH_KEY_PATH, SSH_PRIVATE_KEY_B64, the usual files below ~/.ssh.
    """
    for named, where in ((path, "key_path"), (environ.get("SAURON_SSH_KEY_PATH"), "SAURON_SSH_KEY_PATH")):
        if named:
            return _parsed(_content(named, where), f"the file {named}")
    if encoded := environ.get("SSH_PRIVATE_KEY_B64"):
        try:
            text = base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError):
            raise KeyFileError(
                "SSH_PRIVATE_KEY_B64 is not base64: write the output of `base64 -w0 <key file>`."
            ) from None
        return _parsed(text, "SSH_PRIVATE_KEY_B64")
    for usual in USUAL_FILES:
        file = Path(usual).expanduser()
        if file.is_file():
            return _parsed(_content(str(file), "~/.ssh"), f"the file {file}")
    raise KeyFileError(
        "there is no private key: set SSH_PRIVATE_KEY_B64 (the output of `base64 -w0 <key file>`), "
        "or pass key_path"
    )


def _content(path: str | Path, where: str) -> bytes:
    try:
        return content_of(Path(path).expanduser())
    except OSError as error:
        raise KeyFileError(
            f"{where} names the file {path}, which cannot be read: {error.strerror or error}."
        ) from error


def _parsed(text: bytes, where: str) -> paramiko.PKey:
    """Read a key in any form with cryptography, and pass it to paramiko in the OpenSSH form."""
    import paramiko
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    text = text.strip() + b"\n"
    if text.startswith(b"PuTTY-User-Key-File"):
        raise KeyFileError(
            f"{where} is a PuTTY key: export it in the OpenSSH form (puttygen key.ppk -O private-openssh)."
        )
    if text.startswith((b"ssh-", b"ecdsa-", b"-----BEGIN PUBLIC")):
        raise KeyFileError(f"{where} is a public key: give the private half, the file without .pub.")
    load = (
        serialization.load_ssh_private_key if b"BEGIN OPENSSH" in text else serialization.load_pem_private_key
    )
    try:
        key = load(text, password=None)
    except TypeError:
        raise KeyFileError(
            f"{where} is protected by a passphrase, which a job cannot type: "
            "make a key without a passphrase for the jobs"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(
            f"{where} is not a valid private key: write one that begins with -----BEGIN ... "
            "PRIVATE KEY-----, "
            "of the kind ed25519, RSA or ECDSA, in the OpenSSH or PEM form"
        ) from None
    kinds: dict[type, type[paramiko.PKey]] = {
        ed25519.Ed25519PrivateKey: paramiko.Ed25519Key,
        rsa.RSAPrivateKey: paramiko.RSAKey,
        ec.EllipticCurvePrivateKey: paramiko.ECDSAKey,
    }
    for kind, reader in kinds.items():
        if isinstance(key, kind):
            plain = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            )
            return reader.from_private_key(io.StringIO(plain.decode()))
    raise KeyFileError(
        f"{where} is an unsupported {type(key).__name__}: make a key with `ssh-keygen -t ed25519`"
    )
