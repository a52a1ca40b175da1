"""Servers of a plant whose certificates are of an authority of its own."""

_SIGNS = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed")


def untrusted(reason: str) -> str:
    """What to add to an error that came of a certificate; nothing to any other.

    Args:
        reason: What the error says. Every library reads one of the two variables.
    """
    if not any(sign in reason for sign in _SIGNS):
        return ""
    return (
        "; where it is of an authority of your own, name a PEM file with that one and the public "
        "ones in SSL_CERT_FILE and in REQUESTS_CA_BUNDLE"
    )
