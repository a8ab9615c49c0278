"""A real SMTP server for tests: STARTTLS first, then AUTH, then mail. Each mail becomes a file. Arguments: port, directory."""
import datetime, ipaddress, pathlib, ssl, sys, time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

port, home = int(sys.argv[1]), pathlib.Path(sys.argv[2])
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.timezone.utc)
names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
cert = (
    x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
    .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
    .add_extension(names, False).sign(key, hashes.SHA256())
)
(home / "ca.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
(home / "key.pem").write_bytes(key.private_bytes(*form))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(home / "ca.pem", home / "key.pem")


class Keep:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        Keep.count += 1
        head = f"X-To: {','.join(envelope.rcpt_tos)}\r\nX-Tls: {session.ssl is not None}\r\nX-Login: {session.authenticated}\r\n"
        part = home / "part"
        part.write_bytes(head.encode() + envelope.content)
        part.rename(home / f"{Keep.count:04}.eml")
        return "250 kept"


def authenticate(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and data.login == b"keystead" and data.password == b"right"
    return AuthResult(success=right, handled=False)


Controller(
    Keep(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate
).start()
(home / "ready").touch()
while True:
    time.sleep(60)
