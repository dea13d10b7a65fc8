"""A carrier's way, with the client that openapi-python-client makes of the hub's document.

carrier.py BASE OPERATOR_KEY RECIPIENT: the operator makes a site, a carrier and a key and lets a locker join, all by the
documented interface; then the carrier announces a parcel and brings it. Prints what the customer must see."""

import base64
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from postern_hub_client import AuthenticatedClient
from postern_hub_client.api.carriers import carriers_announce, carriers_deposit, carriers_dispatch, carriers_show
from postern_hub_client.api.operators import (
    operators_locker,
    operators_new_key,
    operators_provision,
    operators_put_carrier,
    operators_put_site,
)
from postern_hub_client.api.webhooks import webhooks_create, webhooks_list
from postern_hub_client.models import (
    Access,
    ApiKey,
    CarrierSettings,
    Code,
    Deposit,
    DoorInfo,
    LockerDescriptor,
    LockerReport,
    NewKey,
    NewParcel,
    NewWebhook,
    Parcel,
    Problem,
    Provision,
    Provisioned,
    Reach,
    Site,
    Size,
    State,
    Webhooks,
)

BASE, OPERATOR_KEY, RECIPIENT = sys.argv[1:4]


def text(key):
    return base64.urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()


def client(key):
    return AuthenticatedClient(base_url=BASE, token=key)


def is_a(kind, answer):
    assert isinstance(answer, kind), answer
    return answer


def refused(answer, status, code):
    problem = is_a(Problem, answer)
    assert (problem.status, problem.code) == (status, code), problem
    return problem


operator = client(OPERATOR_KEY)
site = Site(
    name="Marktgasse",
    address="Marktgasse 3, 3011 Bern",
    latitude=46.948,
    longitude=7.447,
    hours="Mo-Su 06:00-22:00",
    always_open=False,
    access=Access.PUBLIC,
    step_free=True,
)
assert operators_put_site.sync_detailed("marktgasse", client=operator, body=site).status_code == 204
settings = CarrierSettings(name="Swift", pickup_hours=48)
assert operators_put_carrier.sync_detailed("swift", client=operator, body=settings).status_code == 204
locker = "c0ffee0000000001"
doors = [
    DoorInfo(door=n, label=f"A{n}", column=0, row=n - 1, height=1, size=Size.M, reach=Reach.EASY, chilled=False)
    for n in (1, 2)
]
descriptor = LockerDescriptor(
    id=locker,
    name="Marktgasse 1",
    site="marktgasse",
    static_key=text(X25519PrivateKey.generate().public_key()),
    receipt_key=text(Ed25519PrivateKey.generate().public_key()),
    scanner=False,
    keypad=True,
    reopen_minutes=5,
    doors=doors,
)
provisioned = is_a(Provisioned, operators_provision.sync(client=operator, body=Provision(descriptor=descriptor)))
assert provisioned.issuer_keys
report = is_a(LockerReport, operators_locker.sync(locker, client=operator))
assert report.gaps == [] and len(report.doors) == 2
scopes = ["parcels"]
key = is_a(ApiKey, operators_new_key.sync(client=operator, body=NewKey(name="t", carrier="swift", scopes=scopes)))
scopes = ["webhooks"]
other = is_a(ApiKey, operators_new_key.sync(client=operator, body=NewKey(name="w", carrier="swift", scopes=scopes)))

carrier = client(key.key)
parcel = NewParcel(reference="SW1000", recipient=RECIPIENT, title="A lamp", site="marktgasse", size=Size.M)
announced = is_a(Parcel, carriers_announce.sync(client=carrier, body=parcel, idempotency_key="announce-sw1000"))
assert announced.state == State.ANNOUNCED and "/claim/" in announced.claim_link
again = carriers_announce.sync_detailed(client=carrier, body=parcel, idempotency_key="announce-sw1000")
assert again.status_code == 201 and is_a(Parcel, again.parsed).claim_link == announced.claim_link
# Somebody whom the network does not know is announced to like anybody else; what is no address is not.
somebody = NewParcel(reference="SW1003", recipient="somebody@example.org", title="A hat", site="marktgasse", size=Size.M)
unknown = is_a(Parcel, carriers_announce.sync(client=carrier, body=somebody))
assert "/claim/" in unknown.claim_link and unknown.state == State.ANNOUNCED
mistyped = NewParcel(reference="SW1004", recipient="482 915 0637", title="A hat", site="marktgasse", size=Size.M)
assert refused(carriers_announce.sync(client=carrier, body=mistyped), 400, Code.MALFORMED).pointer == "/recipient"

# Each refusal is typed, and says what to do.
another = NewParcel(reference="SW1001", recipient=RECIPIENT, title="A desk", site="marktgasse", size=Size.M)
mismatch = carriers_announce.sync(client=carrier, body=another, idempotency_key="announce-sw1000")
refused(mismatch, 422, Code.IDEMPOTENCY_MISMATCH)
refused(carriers_announce.sync(client=carrier, body=parcel), 409, Code.WRONG_STATE)
nowhere = NewParcel(reference="SW1002", recipient=RECIPIENT, title="A cup", site="atlantis", size=Size.S)
assert refused(carriers_announce.sync(client=carrier, body=nowhere), 400, Code.MALFORMED).pointer == "/site"
refused(carriers_announce.sync(client=client(other.key), body=another), 403, Code.FORBIDDEN)
refused(carriers_announce.sync(client=client("pk_nobody_" + "x" * 43), body=another), 401, Code.UNAUTHENTICATED)
refused(carriers_show.sync("01m00000000000000000000000", client=carrier), 404, Code.NOT_FOUND)

assert is_a(Parcel, carriers_dispatch.sync(announced.id, client=carrier)).state == State.IN_TRANSIT
deposited = is_a(Parcel, carriers_deposit.sync(announced.id, client=carrier, body=Deposit(locker=locker)))
assert deposited.state == State.READY and deposited.locker == locker
assert is_a(Parcel, carriers_show.sync(announced.id, client=carrier)).door == deposited.door

hooks = client(other.key)
plain = webhooks_create.sync(client=hooks, body=NewWebhook(url="http://carrier.example/hook"))
assert refused(plain, 400, Code.MALFORMED).pointer == "/url"
made = webhooks_create.sync(client=hooks, body=NewWebhook(url="https://carrier.example/hook"))
assert made.secret.startswith("whsec_"), made
assert [one.url for one in is_a(Webhooks, webhooks_list.sync(client=hooks)).webhooks] == [made.url]

print(json.dumps({"parcel": announced.id, "site": "marktgasse", "locker": locker, "key": key.key}))
