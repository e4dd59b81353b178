"""Whose certificate is taken, and that nothing in a program talks the transport out of asking."""

import dataclasses
import ssl
from contextlib import closing
from pathlib import Path

import pytest
import urllib3

from tests.fault.certificates import Certificate, make_certificate
from xray.delivery.exchange.transport import HttpTransport, TransportError
from xray.delivery.settings import DeliverySettings
from xray.settings import ClientSettings
from xray.testing import FaultServer

HERE = "IP:127.0.0.1"
PATIENT_S = 30.0


@pytest.fixture
def own(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path / "own", HERE)


def check_refused(certificate: Certificate, ca_file: Path | None) -> None:
    """Whoever trusts *ca_file* tells a server that shows *certificate* nothing."""
    with FaultServer(tls=certificate.of_server) as server:
        settings = DeliverySettings(
            url=server.url, api_key="key-1", ca_file=str(ca_file) if ca_file else None
        )
        with (
            closing(HttpTransport(settings)) as transport,
            pytest.raises(TransportError, match="TLS") as caught,
        ):
            transport.post(b"body", {}, PATIENT_S)
        assert caught.value.is_lasting
        assert server.requests == []


def test_a_certificate_that_is_not_the_trusted_one_is_refused(
    own: Certificate, tmp_path: Path
) -> None:
    check_refused(make_certificate(tmp_path / "stranger", HERE), own.file)


def test_a_trusted_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    elsewhere = make_certificate(tmp_path / "elsewhere", "DNS:another.invalid")
    check_refused(elsewhere, elsewhere.file)


def test_a_trusted_certificate_of_the_past_is_refused(tmp_path: Path) -> None:
    expired = make_certificate(tmp_path / "expired", HERE, is_expired=True)
    check_refused(expired, expired.file)


def test_no_code_switches_the_verification_off(
    own: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    for name in ("PYTHONHTTPSVERIFY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, "0" if name == "PYTHONHTTPSVERIFY" else "")
    urllib3.disable_warnings()
    check_refused(own, None)


def test_no_setting_names_the_verification() -> None:
    names = {field.name for field in dataclasses.fields(DeliverySettings)}
    names |= {field.name for field in dataclasses.fields(ClientSettings)}
    suspicious = ("verify", "insecure", "cert_reqs", "tls", "ssl", "trust")
    assert not [name for name in names if any(word in name for word in suspicious)]


def test_the_environment_names_whom_else_to_trust(
    own: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(own.file))
    with (
        FaultServer(tls=own.of_server) as server,
        closing(HttpTransport(DeliverySettings(url=server.url))) as transport,
    ):
        assert transport.post(b"body", {}, PATIENT_S).status == 400
