"""The keys of a lab are what SSH and dockerd accept, and small enough for a kernel command line."""

from __future__ import annotations

import base64
import datetime
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import paramiko
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lab import secrets


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    secrets.certificates(tmp_path / "ca", "unit", IPv4Address("10.1.0.1"))
    return tmp_path / "ca"


def test_the_ssh_key_is_private_and_its_halves_fit(tmp_path: Path) -> None:
    private = secrets.ssh_key(tmp_path / "ssh")
    assert private.stat().st_mode & 0o777 == 0o600
    key = paramiko.Ed25519Key.from_private_key_file(str(private))
    assert private.with_suffix(".pub").read_text().split()[:2] == ["ssh-ed25519", key.get_base64()]


def test_the_registry_is_signed_by_the_authority_for_docker_hubs_names(authority: Path) -> None:
    ca = x509.load_pem_x509_certificate((authority / "ca.pem").read_bytes())
    server = x509.load_pem_x509_certificate((authority / "registry.pem").read_bytes())
    server.verify_directly_issued_by(ca)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(secrets.REGISTRY_NAMES)
    assert names.get_values_for_type(x509.IPAddress) == [IPv4Address("10.1.0.1")]


def test_the_certificates_hold_for_a_clock_that_is_a_day_behind(authority: Path) -> None:
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    for name in ("ca.pem", "registry.pem"):
        text = subprocess.run(
            ["openssl", "x509", "-noout", "-startdate", "-in", str(authority / name)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        started = datetime.datetime.strptime(text.strip().split("=")[1], "%b %d %H:%M:%S %Y %Z")
        assert started.replace(tzinfo=datetime.timezone.utc) < yesterday


def test_the_authority_travels_as_one_short_line(authority: Path) -> None:
    line = secrets.ca_line(authority)
    assert "\n" not in line
    assert len(line) < 700
    certificate = x509.load_der_x509_certificate(base64.b64decode(line))
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
