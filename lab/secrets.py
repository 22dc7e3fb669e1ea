"""Keys that are made for one lab and die with it: SSH key, certificate authority, registry certificate."""

from __future__ import annotations

import base64
import datetime
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

# what dockerd asks for when an image's name has no host in it
REGISTRY_NAMES = ("registry-1.docker.io", "index.docker.io", "docker.io", "auth.docker.io")
LIFE = datetime.timedelta(days=3650)  # a lab may be kept for a whole course
EARLIER = datetime.timedelta(days=2)  # a virtual machine's clock may be behind


def ssh_key(folder: Path) -> Path:
    """Make an Ed25519 key pair in `folder`; returns the private key's path."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ed25519.Ed25519PrivateKey.generate()
    private = folder / "id_ed25519"
    _write_private(
        private,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ),
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private.with_suffix(".pub").write_bytes(public + b" lab\n")
    return private


def certificates(folder: Path, lab: str, address: IPv4Address) -> None:
    """Make `ca.pem`, and `registry.pem` with `registry.key` signed by it, in `folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lab {lab}")])
    ca = _builder(issuer, issuer, authority).add_extension(x509.BasicConstraints(True, 0), critical=True)
    certificate = ca.sign(authority, hashes.SHA256())
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(name) for name in REGISTRY_NAMES]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, REGISTRY_NAMES[0])])
    server = (
        _builder(subject, issuer, key)
        .add_extension(x509.SubjectAlternativeName([*names, x509.IPAddress(address)]), critical=False)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .sign(authority, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "registry.pem").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    _write_private(
        folder / "registry.key",
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def ca_line(folder: Path) -> str:
    """The authority's certificate as one line of base64, to be carried on a kernel command line."""
    certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + LIFE)
    )


def _write_private(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
