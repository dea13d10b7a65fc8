"""A mail server that keeps what it is given as JSON, one file a letter. `nobody@` has no mailbox; `busy@` is told to come
again until there is a file `calm`.

Usage: mail_server.py PORT FOLDER [CERTIFICATE KEY]; with a certificate it wants STARTTLS and `postern` with `hush`.
"""

import email
import email.policy
import itertools
import json
import pathlib
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

PORT, FOLDER = int(sys.argv[1]), pathlib.Path(sys.argv[2])
NUMBERS = itertools.count()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("busy@") and not (FOLDER / "calm").exists():
            return "451 4.3.2 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        kept = {
            "to": envelope.rcpt_tos,
            "from": envelope.mail_from,
            "hello": session.host_name,
            "tls": session.ssl is not None,
            "headers": {name.lower(): str(value) for name, value in letter.items()},
            "text": letter.get_content(),
        }
        draft = FOLDER / "draft"
        draft.write_text(json.dumps(kept))
        draft.rename(FOLDER / f"{next(NUMBERS):06}.json")
        return "250 taken"


def known(server, session, envelope, mechanism, data):
    # Not handled: the server answers.
    return AuthResult(success=(data.login, data.password) == (b"postern", b"hush"), handled=False)


more = {}
if len(sys.argv) > 3:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    more = {"tls_context": context, "require_starttls": True, "authenticator": known, "auth_required": True}
Controller(Handler(), hostname="127.0.0.1", port=PORT, **more).start()
(FOLDER / "ready").touch()
threading.Event().wait()
