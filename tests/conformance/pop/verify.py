#!/usr/bin/env python3
"""Verifies the signed HTTP requests of ours.json with PyPI's `oic` (pyoidc), which implements an early draft of them. usage:
verify.py, with a Python that has `pip install oic`

Method, host and path are compared, and each must be refused with another method, another host, and an altered signature. Hashes
(q, h, b) are not: pyoidc joins and pads them in another way than the draft's last version, section 3.
"""
import base64, json, pathlib

from jwkest.jwk import keyrep
from oic.extension.signed_http_req import SignedHttpRequest, ValidationError


def part(text):
    return json.loads(base64.urlsafe_b64decode(text + "=="))


def takes(key, token, **request):
    try:
        return bool(SignedHttpRequest(key).verify(token, **request))
    except ValidationError:
        return False


file = json.loads((pathlib.Path(__file__).parent / "ours.json").read_text())
for one in file["requests"]:
    head, claims, signature = one["shr"].split(".")
    key = keyrep(dict(file["jwk"], kid=part(head)["kid"]) if "kid" in part(head) else file["jwk"])
    key.deserialize()
    request = {"method": one["method"], "host": part(claims)["u"], "path": part(claims)["p"]}
    assert takes(key, one["shr"], **request), one
    assert not takes(key, one["shr"], **dict(request, method="TRACE")), one
    assert not takes(key, one["shr"], **dict(request, host="evil.example")), one
    altered = ("B" if signature[0] == "A" else "A") + signature[1:]
    assert not takes(key, f"{head}.{claims}.{altered}", **request), one
print(f"{len(file['requests'])} signed requests verified")
