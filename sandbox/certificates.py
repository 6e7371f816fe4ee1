"""A throw-away certificate authority: what is https in Azure is https in the sandbox too.

The app trusts it through SSL_CERT_FILE; nothing in the app knows that it is not a public one.
"""

import ssl
import tempfile
from pathlib import Path

import trustme


class Certificates:
    """One authority and one certificate for 127.0.0.1 and localhost, as files and as a context."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-ca-")
        folder = Path(self._folder.name)
        self.ca = folder / "ca.pem"
        """The authority's certificate: what clients trust."""
        self.certificate = folder / "server.pem"
        self.key = folder / "server.key"
        authority = trustme.CA()
        self._issued = authority.issue_cert("127.0.0.1", "localhost", "::1")
        authority.cert_pem.write_to_path(str(self.ca))
        self._issued.private_key_pem.write_to_path(str(self.key))
        for pem in self._issued.cert_chain_pems:
            pem.write_to_path(str(self.certificate), append=True)

    def server_context(self) -> ssl.SSLContext:
        """A context for a server on loopback."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._issued.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context for a client that trusts this authority only."""
        return ssl.create_default_context(cafile=str(self.ca))

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()
