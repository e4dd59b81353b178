"""Certificates that are made when a test asks for them."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

# A certificate of the past is made by no simpler command of openssl.
_AUTHORITY = """
[ca]
default_ca = here
[here]
database = {folder}/made
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = any
[any]
commonName = supplied
[names]
subjectAltName = {names}
"""


@dataclass(frozen=True)
class Certificate:
    """A certificate that vouches for itself, and its key."""

    file: Path
    key: Path

    @property
    def of_server(self) -> ssl.SSLContext:
        """What a server shows it with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def make_certificate(folder: Path, *names: str, is_expired: bool = False) -> Certificate:
    """One for *names*, e.g. `DNS:*.xray.invalid`."""
    folder.mkdir(parents=True)
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    request, authority = folder / "request.pem", folder / "authority.cnf"
    authority.write_text(_AUTHORITY.format(folder=folder, names=",".join(names)))
    (folder / "made").touch()
    (folder / "serial").write_text("01")
    _openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", "/CN=xray", "-keyout", str(made.key), "-out", str(request),
    )  # fmt: skip
    _openssl(
        "ca", "-batch", "-selfsign", "-notext", "-config", str(authority), "-keyfile",
        str(made.key), "-in", str(request), "-out", str(made.file), "-extensions", "names",
        "-startdate", "20200101000000Z",
        "-enddate", "20200201000000Z" if is_expired else "20490101000000Z",
    )  # fmt: skip
    return made


def _openssl(*words: str) -> None:
    try:
        done = subprocess.run(["openssl", *words], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no openssl here to make a certificate with")
    assert done.returncode == 0, done.stderr.decode()
