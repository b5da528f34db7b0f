"""The scenarios that record.py plays: each given flow in other circumstances. One generator an area."""
import json

from matchers import b64u, id_token

TENANT = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
OTHER_TENANT = "bbbbcccc-1111-dddd-2222-eeee3333ffff"
CLIENT = "99990000-aaaa-1111-bbbb-2222cccc3333"
OID = "00001111-aaaa-2222-bbbb-3333cccc4444"
HOME = OID + "." + TENANT
WORLD = "login.microsoftonline.com"
AUTHORITY = "https://%s/%s" % (WORLD, TENANT)
CLOCK = 1700000000
JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
GRAPH = ["https://graph.microsoft.com/.default"]
KEY = {"$file": "certs/rsa2048.key.pkcs8.pem"}
CERT = {"$file": "certs/rsa2048.cert.pem"}
THUMBPRINT = "2E9E65103F3507B7D3B61B6FFEAA88B494B427D6"
CLIENT_INFO = b64u(json.dumps({"uid": OID, "utid": TENANT}, separators=(",", ":")).encode())

AUTHORITIES = {
    "tenant": {"authority": AUTHORITY},
    "common": {"authority": "https://login.microsoftonline.com/common"},
    "organizations": {"authority": "https://login.microsoftonline.com/organizations"},
    "consumers": {"authority": "https://login.microsoftonline.com/consumers"},
    "default": {},
    "domain": {"authority": "https://login.microsoftonline.com/contoso.onmicrosoft.com"},
    "slash": {"authority": AUTHORITY + "/"},
    "us": {"authority": "https://login.microsoftonline.us/" + TENANT},
    "us_old": {"authority": "https://login.usgovcloudapi.net/" + TENANT},
    "us_dash": {"authority": "https://login-us.microsoftonline.com/" + TENANT},
    "china": {"authority": "https://login.partner.microsoftonline.cn/" + TENANT},
    "china_old": {"authority": "https://login.chinacloudapi.cn/" + TENANT},
    "germany_old": {"authority": "https://login.microsoftonline.de/" + TENANT},
    "france": {"authority": "https://login.sovcloud-identity.fr/" + TENANT},
    "germany": {"authority": "https://login.sovcloud-identity.de/" + TENANT},
    "singapore": {"authority": "https://login.sovcloud-identity.sg/" + TENANT},
    "windows_net": {"authority": "https://login.windows.net/" + TENANT},
    "sts": {"authority": "https://sts.windows.net/" + TENANT},
    "microsoft_com": {"authority": "https://login.microsoft.com/" + TENANT},
    "b2c": {"authority": "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_signin"},
    "b2c_cn": {"authority": "https://contoso.b2clogin.cn/contoso.onmicrosoft.com/b2c_1_signin"},
    "b2c_tfp": {"authority": "https://login.microsoftonline.com/tfp/contoso.onmicrosoft.com/B2C_1_signin"},
    "b2c_custom": {"authority": "https://login.contoso.example/contoso.onmicrosoft.com/B2C_1_signin"},
    "b2c_guid": {"authority": "https://contoso.b2clogin.com/%s/B2C_1A_SignUp" % TENANT},
    "ciam": {"authority": "https://contoso.ciamlogin.com"},
    "ciam_slash": {"authority": "https://contoso.ciamlogin.com/"},
    "ciam_tenant": {"authority": "https://contoso.ciamlogin.com/contoso.onmicrosoft.com"},
    "ciam_guid": {"authority": "https://contoso.ciamlogin.com/" + TENANT},
    "dsts": {"authority": "https://co1.dsts.example/dstsv2/7a433bfc-2514-4697-b467-e0933190487f"},
    "adfs": {"authority": "https://fs.contoso.com/adfs"},
    "adfs_case": {"authority": "https://fs.contoso.com/ADFS"},
    "adfs_slash": {"authority": "https://fs.contoso.com/adfs/"},
    "oidc": {"oidc_authority": "https://login.contoso.example/%s/v2.0" % TENANT},
    "oidc_plain": {"oidc_authority": "https://idp.example/realm"},
    "oidc_ciam": {"oidc_authority": "https://contoso.ciamlogin.com/%s/v2.0" % TENANT},
    "unknown": {"authority": "https://login.private.example/" + TENANT},
    "port": {"authority": "https://login.private.example:8443/" + TENANT, "instance_discovery": False},
    "no_discovery": {"authority": "https://login.private.example/" + TENANT, "instance_discovery": False},
    "discovery_true": {"authority": "https://login.private.example/" + TENANT, "instance_discovery": True},
    "not_validated": {"authority": "https://login.private.example/" + TENANT, "validate_authority": False},
}

CREDENTIALS = {
    "secret": "s",
    "thumbprint": {"private_key": KEY, "thumbprint": THUMBPRINT},
    "thumbprint_lower": {"private_key": KEY, "thumbprint": THUMBPRINT.lower()},
    "sha256": {"private_key": KEY, "public_certificate": CERT},
    "x5c": {"private_key": KEY, "thumbprint": THUMBPRINT, "public_certificate": CERT},
    "assertion": {"client_assertion": "header.payload.sig"},
    "callable": {"client_assertion": {"$callable": {"returns": ["a1", "a2"]}}},
    "callable_context": {"client_assertion": {"$callable": {"returns": ["a1", "a2"], "accepts_context": True}}},
    "callable_refreshed": {"client_assertion": {"$callable": {"returns": ["a1", "a2"], "auto_refresh": 100}}},
}


def ok(body, status=200, **headers):
    return {"status": status, "headers": dict(JSON_HEADERS, **headers), "body": body if isinstance(body, str) else json.dumps(body)}


def failed(error, status=400, headers=(), **more):
    return ok(dict({"error": error, "error_description": "AADSTS: " + error}, **more), status, **dict(headers))


def claims(**changes):
    made = {"aud": CLIENT, "iss": AUTHORITY + "/v2.0", "iat": CLOCK, "nbf": CLOCK, "exp": CLOCK + 3600, "name": "Ada Lovelace",
            "oid": OID, "preferred_username": "ada@contoso.com", "sub": "sub-ada", "tid": TENANT, "ver": "2.0"}
    made.update(changes)
    return {key: value for key, value in made.items() if value is not None}


def body(n=1, drop=(), **changes):
    made = {"token_type": "Bearer", "scope": "User.Read openid profile", "expires_in": 3599, "ext_expires_in": 3599,
            "access_token": "at-%d" % n, "refresh_token": "rt-%d" % n, "client_info": CLIENT_INFO, "id_token": id_token(claims())}
    made.update(changes)
    return {key: value for key, value in made.items() if key not in drop}


def tokens(n=1, drop=(), **changes):
    return ok(body(n, drop, **changes))


def app_token(n=1, drop=(), **changes):
    made = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "at-%d" % n}
    made.update(changes)
    return ok({key: value for key, value in made.items() if key not in drop})


def device(drop=(), **changes):
    made = {"user_code": "ABCD1234", "device_code": "dev-code-1", "verification_uri": "https://microsoft.com/devicelogin",
            "expires_in": 900, "interval": 5, "message": "To sign in, ..."}
    made.update(changes)
    return ok({key: value for key, value in made.items() if key not in drop})


def public(**more):
    return dict({"type": "public", "client_id": CLIENT, "authority": AUTHORITY}, **more)


def confidential(credential="s", **more):
    return dict({"type": "confidential", "client_id": CLIENT, "client_credential": credential, "authority": AUTHORITY}, **more)


def at_authority(app, kind):
    app.pop("authority", None)
    return dict(app, **AUTHORITIES[kind])


def account(home=HOME, environment=WORLD, username="ada@contoso.com", realm=TENANT, **more):
    return dict({"home_account_id": home, "environment": environment, "username": username, "account_source": None,
                 "authority_type": "MSSTS", "local_account_id": home.split(".")[0], "realm": realm}, **more)


def access(target="User.Read", secret="cached-at", expires=3000, home=HOME, environment=WORLD, realm=TENANT, client=CLIENT, drop=(), **more):
    made = {"credential_type": "AccessToken", "secret": secret, "home_account_id": home, "environment": environment,
            "client_id": client, "target": target, "realm": realm, "token_type": "Bearer", "cached_at": str(CLOCK - 600),
            "expires_on": str(CLOCK + expires), "extended_expires_on": str(CLOCK + expires)}
    made.update(more)
    key = "-".join([home or "", environment, "accesstoken", client or "", realm or "", target or ""]).lower()
    return "AccessToken", key, {name: value for name, value in made.items() if name not in drop}


def refresh(secret="cached-rt", target="User.Read", home=HOME, environment=WORLD, client=CLIENT, modified=CLOCK - 1000, drop=(), **more):
    made = {"credential_type": "RefreshToken", "secret": secret, "home_account_id": home, "environment": environment,
            "client_id": client, "target": target, "last_modification_time": str(modified)}
    made.update(more)
    made = {name: value for name, value in made.items() if name not in drop}
    return "RefreshToken", "-".join([home, environment, "refreshtoken", client, "", made.get("target") or ""]).lower(), made


def person(home=HOME, environment=WORLD, realm=TENANT, username="ada@contoso.com", drop=(), **more):
    made = {"home_account_id": home, "environment": environment, "realm": realm, "local_account_id": home.split(".")[0],
            "username": username, "authority_type": "MSSTS"}
    made.update(more)
    return "Account", "-".join([home, environment, realm or ""]).lower(), {name: value for name, value in made.items() if name not in drop}


def metadata(environment=WORLD, client=CLIENT, **more):
    made = dict({"client_id": client, "environment": environment}, **more)
    return "AppMetadata", "appmetadata-%s-%s" % (environment, client), made


def identity(home=HOME, environment=WORLD, realm=TENANT, client=CLIENT, **more):
    made = dict({"credential_type": "IdToken", "secret": id_token(claims()), "home_account_id": home, "environment": environment,
                 "realm": realm, "client_id": client}, **more)
    return "IdToken", "-".join([home, environment, "idtoken", client, realm, ""]).lower(), made


def cache(*entries):
    made = {}
    for kind, key, entry in entries:
        made.setdefault(kind, {})[key] = entry
    return made


def call(name, answers=(), bind=None, on=None, after=None, spare=False, browser=None, **args):
    made = {"call": name, "args": args, "answers": list(answers)}
    for key, value in (("bind", bind), ("on", on), ("advance_clock", after), ("browser", browser)):
        if value is not None:
            made[key] = value
    if spare:
        made["spare"] = True
    return made


INIT = {"call": "__init__", "args": {}}


def scenario(name, app, steps, cache_before=None, about=None, init=True, **more):
    built = ([dict(INIT)] if init and app is not None else []) + list(steps)
    return dict({"name": name, "about": about or name.replace("/", ", ").replace("_", " "), "clock": CLOCK, "env": {}, "app": app,
                 "cache_before": cache_before, "steps": built}, **more)


def signed_in(*more):
    return cache(person(), refresh(), metadata(), *more)


def everything():
    import scenarios_apps
    import scenarios_machines
    import scenarios_random
    import scenarios_users
    for module in (scenarios_apps, scenarios_users, scenarios_machines, scenarios_random):
        yield from module.everything()
