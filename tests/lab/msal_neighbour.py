#!/usr/bin/env python3
"""MSAL Python with MSAL Extensions as a neighbour of our processes. Talks to nobody: its HTTP client answers by itself.

usage: msal_neighbour.py hammer FILE SECONDS   adds a token again and again; says "ack KEY" once it is in the file
       msal_neighbour.py write FILE            signs a user in, writes the file as MSAL does, with members that nobody knows
       msal_neighbour.py read FILE             gets the user's token silently; says "token SECRET", and what else is in the file
       msal_neighbour.py libsecret-write|libsecret-read FILE [SCHEMA ATTRIBUTES]
                                               the same with the Secret Service; attributes in JSON
"""
import base64, json, random, sys, time

import msal
from msal_extensions import FilePersistence, PersistedTokenCache

CLIENT, TENANT = "client-of-both", "tenant-of-both"
AUTHORITY = "https://login.microsoftonline.com/" + TENANT
command, path = sys.argv[1:3]


def b64(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class Answers:
    """What MSAL asks of an HTTP client."""

    def __init__(self, body):
        self.body = body

    def get(self, url, **_):
        endpoints = {"issuer": AUTHORITY + "/v2.0"}
        for name, where in {"authorization": "authorize", "token": "token", "device_authorization": "devicecode"}.items():
            endpoints[name + "_endpoint"] = AUTHORITY + "/oauth2/v2.0/" + where
        return Response(endpoints)

    def post(self, url, **_):
        return Response(self.body)

    def close(self):
        pass


class Response:
    status_code, headers = 200, {}

    def __init__(self, body):
        self.text = json.dumps(body)

    def raise_for_status(self):
        pass


def persistence():
    if command.startswith("libsecret"):
        from msal_extensions import LibsecretPersistence
        schema, attributes = sys.argv[3:5] or ("sansal-lab", '{"purpose": "interop"}')
        return LibsecretPersistence(path, schema_name=schema, attributes=json.loads(attributes))
    return FilePersistence(path)


def signed_in(secret):
    claims = {"oid": "oid", "tid": TENANT, "sub": "sub", "preferred_username": "ada@example.com", "aud": CLIENT, "iss": AUTHORITY + "/v2.0",
              "exp": int(time.time()) + 3600, "iat": int(time.time())}
    return {"access_token": secret, "refresh_token": "rt-" + secret, "expires_in": 3600, "token_type": "Bearer", "scope": "User.Read",
            "id_token": b64({"alg": "none"}) + "." + b64(claims) + ".x", "client_info": b64({"uid": "uid", "utid": TENANT}), "foci": "1"}


def application(cache, body=None):
    return msal.PublicClientApplication(CLIENT, authority=AUTHORITY, token_cache=cache, http_client=Answers(body or {}), instance_discovery=False)


def hammer():
    end, number, cache = time.monotonic() + float(sys.argv[3]), 0, PersistedTokenCache(persistence())
    while time.monotonic() < end:
        number += 1
        scope = "py%d" % number
        try:
            cache.add({"client_id": "hammer", "scope": [scope], "token_endpoint": "https://login.example.com/tenant/oauth2/v2.0/token",
                       "response": {"access_token": "at-%d" % number, "expires_in": 36000, "token_type": "Bearer"}})
            print("ack -login.example.com-accesstoken-hammer-tenant-" + scope, flush=True)
            found = list(cache.search(msal.TokenCache.CredentialType.ACCESS_TOKEN))
            print("saw", sum(not entry["target"].startswith("py") for entry in found), flush=True)
        except Exception as error:  # said, and counted by whoever reads this
            print("failed", type(error).__name__, error, flush=True)
        time.sleep(random.uniform(0.02, 0.1))


if command == "hammer":
    hammer()
elif command.endswith("write"):
    cache = msal.SerializableTokenCache()
    client = application(cache, signed_in("from-python"))
    result = client.acquire_token_by_username_password("ada@example.com", "irrelevant", ["User.Read"])
    assert result.get("access_token") == "from-python", result
    content = json.loads(cache.serialize())
    for section in content.values():
        for entry in section.values():
            entry["unknown_member"] = {"kept": [1, None, "x"]}
    content["UnknownSection"] = {"k": {"v": 1.5}, "l": [True]}
    persistence().save(json.dumps(content))
elif command.endswith("read"):
    cache = PersistedTokenCache(persistence())
    client = application(cache)
    account, = client.get_accounts()
    result = client.acquire_token_silent(["User.Read"], account)
    assert result and result.get("access_token"), "MSAL Python finds no token"
    print("token", result["access_token"])
    print("user", account["username"])
    print("content", json.dumps(json.loads(persistence().load())))
else:
    sys.exit(__doc__)
