"""Applications by themselves: client credentials, on behalf of, credentials, regions, throttling."""
from scenarios import *

IMDS = r"169\.254\.169\.254/metadata/instance/compute"


def by_authority():
    for kind in AUTHORITIES:
        app = at_authority(confidential(), kind)
        yield scenario("client_credentials/authority/" + kind, app, [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH),
            call("acquire_token_for_client", scopes=GRAPH, after=10),
            call("remove_tokens_for_client"),
            call("acquire_token_for_client", [app_token(2)], scopes=GRAPH, spare=True)])
        yield scenario("obo/authority/" + kind, app, [
            call("acquire_token_on_behalf_of", [tokens()], user_assertion="user-at", scopes=["User.Read"]),
            call("acquire_token_on_behalf_of", [tokens(2)], user_assertion="user-at", scopes=["User.Read"]),
            call("get_accounts")])
        signing = at_authority(confidential(CREDENTIALS["sha256"]), kind)
        yield scenario("client_credentials/cert/authority/" + kind, signing, [
            call("acquire_token_for_client", [app_token()], scopes=["https://vault.azure.net/.default"])])


def by_credential():
    for name, credential in CREDENTIALS.items():
        yield scenario("client_credentials/credential/" + name, confidential(credential), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH),
            call("acquire_token_for_client", [app_token(2)], scopes=["https://vault.azure.net/.default"], after=200)])
        yield scenario("obo/credential/" + name, confidential(credential), [
            call("acquire_token_on_behalf_of", [tokens()], user_assertion="user-at", scopes=["User.Read"])])
        yield scenario("rt_migration/credential/" + name, confidential(credential), [
            call("acquire_token_by_refresh_token", [tokens()], refresh_token="old-rt", scopes=["User.Read"])])
        yield scenario("silent/credential/" + name, confidential(credential), [
            call("acquire_token_silent", [tokens()], scopes=["User.Read"], account=account())], signed_in())
        yield scenario("ropc/credential/" + name, confidential(credential), [
            call("acquire_token_by_username_password", [tokens()], username="ada@contoso.com", password="p", scopes=["User.Read"])])
    odd = {
        "none": None, "empty_text": "", "number": 5, "list": ["s"], "bytes": {"$bytes": "73"}, "unicode": "sécret ✓ &=+%",
        "empty_assertion": {"client_assertion": ""}, "assertion_number": {"client_assertion": 5},
        "assertion_wins": {"client_assertion": "a.b.c", "private_key": KEY, "thumbprint": THUMBPRINT},
        "empty_thumbprint": {"private_key": KEY, "thumbprint": "", "public_certificate": CERT},
        "thumbprint_colons": {"private_key": KEY, "thumbprint": ":".join(THUMBPRINT[at:at + 2] for at in range(0, 40, 2))},
        "thumbprint_short": {"private_key": KEY, "thumbprint": "2E9E"},
        "thumbprint_odd": {"private_key": KEY, "thumbprint": "2E9"},
        "thumbprint_other": {"private_key": KEY, "thumbprint": "00" * 20},
        "thumbprint_spaces": {"private_key": KEY, "thumbprint": " " + THUMBPRINT + " "},
        "thumbprint_sha256": {"private_key": KEY, "thumbprint": "ab" * 32},
        "certificate_true": {"private_key": KEY, "thumbprint": THUMBPRINT, "public_certificate": True},
        "certificate_true_only": {"private_key": KEY, "public_certificate": True},
        "certificate_empty": {"private_key": KEY, "thumbprint": THUMBPRINT, "public_certificate": ""},
        "certificate_garbage": {"private_key": KEY, "public_certificate": "garbage"},
        "certificate_garbage_thumbprint": {"private_key": KEY, "thumbprint": THUMBPRINT, "public_certificate": "garbage"},
        "key_is_certificate": {"private_key": CERT, "thumbprint": THUMBPRINT},
        "key_bytes": {"private_key": {"$bytes": "2d2d2d"}, "thumbprint": THUMBPRINT},
        "pfx_missing": {"private_key_pfx_path": {"$path": "certs/no-such-file.pfx"}},
        "pfx_and_key": {"private_key_pfx_path": {"$path": "certs/rsa2048.modern.pfx"}, "passphrase": "oracle-pass", "private_key": KEY},
        "pfx_empty_path": {"private_key_pfx_path": "", "private_key": KEY, "thumbprint": THUMBPRINT},
        "pfx_certificate_text": {"private_key_pfx_path": {"$path": "certs/rsa2048.modern.pfx"}, "passphrase": "oracle-pass",
                                 "public_certificate": CERT},
        "unknown_members": {"private_key": KEY, "thumbprint": THUMBPRINT, "extra": 1},
    }
    for name, credential in odd.items():
        yield scenario("client_credentials/odd_credential/" + name, confidential(credential), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)])


def by_key_file():
    keys = ["chain.leaf.key", "ec256.key.pkcs8", "rsa2048.bag-attributes-with-key", "rsa2048.key.pkcs1", "rsa2048.key.pkcs8",
            "rsa2048.key.pkcs8.crlf", "rsa4096.key.pkcs1", "rsa4096.key.pkcs8", "chain.key-and-certs"]
    for key in keys:
        yield scenario("client_credentials/cert/key/" + key, confidential({"private_key": {"$file": "certs/%s.pem" % key},
                                                                            "thumbprint": THUMBPRINT}), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)])
    encrypted = ["rsa2048.key.enc-legacy-aes128", "rsa2048.key.enc-legacy-aes256", "rsa2048.key.enc-legacy-des3",
                 "rsa2048.key.enc-pbes2-3des", "rsa2048.key.enc-pbes2-aes128-sha1", "rsa2048.key.enc-pbes2-aes256-scrypt",
                 "rsa2048.key.enc-pbes2-aes256-sha256", "rsa4096.key.enc-pbes2-aes256-sha512"]
    for key in encrypted:
        for name, passphrase in (("right", "oracle-pass"), ("wrong", "wrong"), ("missing", None)):
            yield scenario("client_credentials/cert/encrypted_key/%s/%s" % (key, name), confidential({
                "private_key": {"$file": "certs/%s.pem" % key}, "passphrase": passphrase,
                "public_certificate": {"$file": "certs/%s.cert.pem" % key.split(".")[0]}}), [
                call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)])
    certificates = ["chain.bag-attributes.pem", "chain.crlf.pem", "chain.key-and-certs.pem", "chain.leaf-intermediate-root.pem",
                    "chain.root-first.pem", "ec256.cert.pem", "rsa2048.cert.bom.pem", "rsa2048.cert.comments.pem",
                    "rsa2048.cert.crlf.pem", "rsa2048.cert.lowercase-tags.pem", "rsa2048.cert.no-tags-one-line.txt",
                    "rsa2048.cert.no-tags.txt", "rsa2048.cert.one-line.pem", "rsa2048.cert.padded.pem", "rsa2048.cert.truncated.pem",
                    "rsa2048.cert.trusted-tag.pem", "rsa2048.cert.with-text.pem", "rsa4096.cert.pem", "rsa2048.key.pkcs8.pem",
                    "rsa2048.bag-attributes-with-key.pem"]
    for name in certificates:
        key = {"$file": "certs/chain.leaf.key.pem"} if name.startswith("chain") else KEY
        for way, thumbprint in (("sha256", {}), ("thumbprint", {"thumbprint": THUMBPRINT})):
            yield scenario("client_credentials/cert/certificate/%s/%s" % (way, name), confidential(dict({
                "private_key": key, "public_certificate": {"$file": "certs/" + name}}, **thumbprint)), [
                call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)])
        yield scenario("extract_certs/again/" + name, None, [call("extract_certs", public_cert_content={"$file": "certs/" + name})])
    files = {"chain.leaf-with-intermediate": "oracle-pass", "rsa2048.cert-only": "oracle-pass", "rsa2048.legacy-3des": "oracle-pass",
             "rsa2048.legacy-rc2-3des": "oracle-pass", "rsa2048.modern": "oracle-pass", "rsa2048.unencrypted": None,
             "rsa2048.unicode-pass": "pässwörd ✓", "rsa4096.empty-pass": ""}
    for name, passphrase in files.items():
        for x5c in (None, True):
            for kind in ("tenant", "adfs"):
                yield scenario("client_credentials/cert/pfx_file/%s/%s/%s" % (name, "x5c" if x5c else "plain", kind), at_authority(confidential({
                    "private_key_pfx_path": {"$path": "certs/%s.pfx" % name}, "passphrase": passphrase, "public_certificate": x5c}), kind), [
                    call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)])


def regions():
    imds = {"found": ok({"location": "centralus"}), "empty": ok({"location": ""}), "not_json": ok("<html/>"),
            "status_404": ok("{}", 404), "status_500": ok({"location": "eastus"}, 500), "null": ok({"location": None}),
            "number": ok({"location": 5}), "list": ok("[]"), "upper_case": ok({"location": "CentralUS"}),
            "timeout": {"transport_error": "timeout"}, "spaces": ok({"location": "central us"}), "text": ok('"eastus"')}
    for name, answer in imds.items():
        yield scenario("region/imds/" + name, confidential(azure_region=True), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH)], overrides=[{"url": IMDS, "response": answer}])
    values = {"name": "westus3", "true": True, "false": False, "empty": "", "dash": "west-us", "digit": "1west", "space": "west us",
              "long": "a" * 64, "longest": "a" * 63, "try": "TryAutoDetect", "disable": "DisableMsalForceRegion", "number": 5,
              "leading_dash": "-west", "trailing_dash": "west-", "unicode": "wést"}
    environments = {"none": {}, "env": {"REGION_NAME": "eastus"}, "env_odd": {"REGION_NAME": "East US 2"}, "env_empty": {"REGION_NAME": ""},
                    "env_bad": {"REGION_NAME": "a.b"}, "force": {"MSAL_FORCE_REGION": "northeurope"}, "force_empty": {"MSAL_FORCE_REGION": ""},
                    "force_bad": {"MSAL_FORCE_REGION": "a.b"},
                    "both": {"MSAL_FORCE_REGION": "northeurope", "REGION_NAME": "eastus"}}
    for name, value in values.items():
        for env_name, env in environments.items():
            if name not in ("name", "true", "false", "empty") and env_name not in ("none", "env"):
                continue
            yield scenario("region/%s/%s" % (name, env_name), confidential(azure_region=value), [
                call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)], env=env,
                overrides=[{"url": IMDS, "response": imds["timeout"]}])
    for env_name, env in environments.items():
        yield scenario("region/not_given/" + env_name, confidential(), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)], env=env,
            overrides=[{"url": IMDS, "response": imds["timeout"]}])
    for kind in AUTHORITIES:
        yield scenario("region/authority/" + kind, at_authority(confidential(azure_region="westus2"), kind), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH),
            call("acquire_token_on_behalf_of", [tokens()], user_assertion="user-at", scopes=["User.Read"]),
            call("acquire_token_for_client", scopes=GRAPH)], env={"REGION_NAME": "westus2"})
    signing = confidential(CREDENTIALS["thumbprint"], azure_region="westus2")
    yield scenario("region/cert", signing, [call("acquire_token_for_client", [app_token()], scopes=GRAPH)], env={"REGION_NAME": "westus2"})
    yield scenario("region/callable", confidential(CREDENTIALS["callable_context"], azure_region="westus2"), [
        call("acquire_token_for_client", [app_token()], scopes=GRAPH)], env={"REGION_NAME": "westus2"})
    yield scenario("region/public", public(), [
        call("acquire_token_by_refresh_token", [tokens()], refresh_token="r", scopes=["User.Read"])], env={"MSAL_FORCE_REGION": "westus2"})
    for status in (400, 404, 500, "connection"):
        answer = {"transport_error": status} if status == "connection" else ok("no", status)
        yield scenario("region/metadata_%s" % status, confidential(azure_region="westus2"), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)], env={"REGION_NAME": "westus2"},
            overrides=[{"url": r"westus2\.", "response": answer}])
        yield scenario("region/central_metadata_%s" % status, confidential(azure_region="westus2"), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)], env={"REGION_NAME": "westus2"},
            overrides=[{"url": "//login", "response": answer}])
    yield scenario("region/refresh_in", confidential(azure_region="westus2"), [
        call("acquire_token_for_client", [app_token(refresh_in=1800)], scopes=GRAPH),
        call("acquire_token_for_client", [app_token(2)], scopes=GRAPH, after=1801),
        call("acquire_token_for_client", [failed("invalid_client", 401)], scopes=["api/.default"])], env={"REGION_NAME": "westus2"})


ODD_ANSWERS = {
    "no_expires_in": app_token(drop=["expires_in"]), "no_ext": app_token(drop=["ext_expires_in"]), "text": app_token(expires_in="3600"),
    "text_float": app_token(expires_in="3600.5"), "float": app_token(expires_in=3600.7), "negative": app_token(expires_in=-5),
    "null_expires": app_token(expires_in=None), "expires_on": app_token(drop=["expires_in"], expires_on=CLOCK + 1000),
    "both": app_token(expires_on=CLOCK + 1000), "expires_on_text": app_token(drop=["expires_in"], expires_on=str(CLOCK + 1000)),
    "huge": app_token(expires_in=10**12), "refresh_in_text": app_token(refresh_in="1800"), "refresh_in_zero": app_token(refresh_in=0),
    "refresh_in_late": app_token(refresh_in=7200), "refresh_in_float": app_token(refresh_in=1800.5), "refresh_in_null": app_token(refresh_in=None),
    "scope_other": app_token(scope="a b"), "scope_empty": app_token(scope=""), "scope_null": app_token(scope=None),
    "scope_case": app_token(scope="HTTPS://GRAPH.microsoft.com/.default"), "type_lower": app_token(token_type="bearer"),
    "type_missing": app_token(drop=["token_type"]), "type_pop": app_token(token_type="pop"), "type_null": app_token(token_type=None),
    "unknown": app_token(custom={"a": [1, None, True, 1.5]}, ünicode="ü"), "foci": app_token(foci="1"),
    "client_info": app_token(client_info=CLIENT_INFO), "client_info_bad": app_token(client_info="%%"),
    "refresh_token": app_token(refresh_token="rt"), "id_token": app_token(id_token=id_token(claims())),
    "empty_token": app_token(access_token=""), "null_token": app_token(access_token=None), "number_token": app_token(access_token=5),
    "no_token": app_token(drop=["access_token"]), "empty": ok({}), "list": ok("[]"), "null": ok("null"), "text_body": ok('"x"'),
    "number_body": ok("5"), "error_and_token": app_token(error="x"), "status_201": ok({"access_token": "at", "expires_in": 3599}, 201),
    "status_302": ok({"error": "moved"}, 302), "status_302_html": ok("<html/>", 302), "underscore": app_token(_private="x", __x=1),
    "error_null": app_token(error=None), "error_empty": app_token(error=""), "nan": ok('{"access_token": "a", "expires_in": NaN}'),
    "duplicate": ok('{"access_token": "a", "access_token": "b", "expires_in": 3599}'), "white_space": ok(' \n{"access_token": "a"}\n '),
    "trailing": ok('{"access_token": "a"} x'), "ext_less": app_token(ext_expires_in=10), "ext_text": app_token(ext_expires_in="7200"),
    "ext_null": app_token(ext_expires_in=None), "ext_bad": app_token(ext_expires_in="x"), "bool": app_token(expires_in=True),
    "error_number": ok({"error": 5}, 400), "error_object": ok({"error": {"code": "x"}}, 400), "error_only": ok({"error": "x"}, 400),
    "description_only": ok({"error_description": "x"}, 400), "empty_400": ok("", 400), "list_400": ok("[]", 400), "null_400": ok("null", 400),
    "token_400": app_token(n=4) and ok({"access_token": "a", "expires_in": 3599}, 400),
    "suberror": failed("invalid_grant", suberror="x", error_codes=[1, 2], timestamp="t", trace_id="t", correlation_id="c", error_uri="u"),
    "claims": failed("interaction_required", claims='{"access_token":{"x":null}}'), "401": failed("invalid_client", 401),
    "403": failed("x", 403), "404_html": ok("<html/>", 404), "429_json": failed("x", 429), "429_html": ok("slow", 429),
    "500_json": failed("server_error", 500), "502_html": ok("<html/>", 502), "503_retry": failed("x", 503, {"Retry-After": "7"}),
    "504": ok("", 504), "resource": app_token(resource="r"), "extra_types": app_token(n=7, extra=10**30),
}


def odd_answers():
    for name, answer in ODD_ANSWERS.items():
        yield scenario("error_shapes/client_credentials/" + name, confidential(), [
            call("acquire_token_for_client", [answer], scopes=GRAPH),
            call("acquire_token_for_client", [app_token(9)], scopes=GRAPH, after=30, spare=True),
            call("acquire_token_for_client", [app_token(10)], scopes=GRAPH, after=1900, spare=True)])


def client_cache():
    for expires in (-10, -1, 0, 1, 299, 300, 301, 302):
        yield scenario("client_credentials/cache/expires_%s" % expires, confidential(), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)],
            cache(access(GRAPH[0], home=None, expires=expires)))
    for refresh_on in (-1, 0, 1):
        yield scenario("client_credentials/cache/refresh_on_%s" % refresh_on, confidential(), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True)],
            cache(access(GRAPH[0], home=None, refresh_on=str(CLOCK + refresh_on))))
    for name, answer in {"400": failed("x"), "429": failed("x", 429), "connection": {"transport_error": "connection"},
                         "timeout": {"transport_error": "timeout"}, "html": ok("<html/>"), "html_400": ok("<html/>", 400), "empty": ok({})}.items():
        yield scenario("client_credentials/refresh_in/fallback_" + name, confidential(), [
            call("acquire_token_for_client", [answer], scopes=GRAPH),
            call("acquire_token_for_client", [app_token(5)], scopes=GRAPH, after=100, spare=True)],
            cache(access(GRAPH[0], home=None, refresh_on=str(CLOCK - 1))))
    entries = {
        "numeric": access(GRAPH[0], home=None, expires_on=CLOCK + 3000), "float": access(GRAPH[0], home=None, expires_on=CLOCK + 3000.5),
        "float_text": access(GRAPH[0], home=None, expires_on="%d.5" % (CLOCK + 3000)), "home_empty": access(GRAPH[0], home=""),
        "home_missing": access(GRAPH[0], home=None, drop=["home_account_id"]), "type_missing": access(GRAPH[0], home=None, drop=["token_type"]),
        "realm_case": access(GRAPH[0], home=None, realm=TENANT.upper()), "alias": access(GRAPH[0], home=None, environment="login.windows.net"),
        "target_more": access(GRAPH[0] + " other", home=None), "target_case": access("HTTPS://graph.microsoft.com/.default", home=None),
        "refresh_on_numeric": access(GRAPH[0], home=None, refresh_on=CLOCK - 1), "extra": access(GRAPH[0], home=None, custom={"a": 1}),
        "no_secret": access(GRAPH[0], home=None, drop=["secret"]), "no_target": access(GRAPH[0], home=None, drop=["target"]),
        "pop": access(GRAPH[0], home=None, token_type="pop", key_id="k"), "environment_case": access(GRAPH[0], home=None, environment="Login.MicrosoftOnline.com"),
        "expires_empty": access(GRAPH[0], home=None, expires_on=""), "expires_space": access(GRAPH[0], home=None, expires_on=" %d " % (CLOCK + 3000)),
    }
    for name, entry in entries.items():
        yield scenario("client_credentials/cache/entry_" + name, confidential(), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True),
            call("token_cache.search", credential_type="AccessToken", target=GRAPH)], cache(entry))
    two = cache(access(GRAPH[0], home=None), access("other/.default", home=None), access(), refresh(), person(), metadata(),
                access(GRAPH[0], home=None, client="77778888-aaaa-1111-bbbb-2222cccc3333"), access(GRAPH[0], home=None, realm=OTHER_TENANT))
    yield scenario("client_credentials/remove_tokens/several", confidential(), [
        call("remove_tokens_for_client"), call("token_cache.has_state_changed"), call("get_accounts"), call("remove_tokens_for_client")], two)
    yield scenario("client_credentials/remove_tokens/alias", confidential(), [call("remove_tokens_for_client")],
                   cache(access(GRAPH[0], home=None, environment="login.windows.net")))
    for name, scopes in {"two": ["a/.default", "b/.default"], "order": ["b", "a"], "empty": [], "reserved": ["openid"], "case": ["A/.Default"],
                         "double": ["a", "a"], "spaces": ["a b"], "unicode": ["api://ü/.default"], "tuple": {"$tuple": ["a/.default"]},
                         "set": {"$set": ["a/.default"]}, "none": None, "client_id": [CLIENT]}.items():
        yield scenario("client_credentials/scopes/" + name, confidential(), [
            call("acquire_token_for_client", [app_token()], scopes=scopes, spare=True),
            call("acquire_token_for_client", [app_token(2)], scopes=scopes, spare=True)])


def claims_and_capabilities():
    for cap_name, capabilities in {"none": None, "one": ["CP1"], "two": ["cp1", "llt"], "empty": []}.items():
        for name, challenge in {"none": None, "empty": "", "id": '{"id_token":{"x":null}}', "access": '{"access_token":{"nbf":{"essential":true}}}',
                                "xms_cc": '{"access_token":{"xms_cc":{"values":["other"]}}}', "bad": "{", "list": "[]", "null": "null", "object": "{}",
                                "null_member": '{"access_token":null}', "unicode": '{"access_token":{"ü":{"value":"✓"}}}'}.items():
            app = confidential(client_capabilities=capabilities)
            yield scenario("client_credentials/claims/%s/%s" % (cap_name, name), app, [
                call("acquire_token_for_client", [app_token()], scopes=GRAPH, claims_challenge=challenge, spare=True),
                call("acquire_token_for_client", [app_token(2)], scopes=GRAPH, claims_challenge=challenge, spare=True)])
            yield scenario("obo/claims/%s/%s" % (cap_name, name), app, [
                call("acquire_token_on_behalf_of", [tokens()], user_assertion="u", scopes=["User.Read"], claims_challenge=challenge, spare=True)])
    for name, forwarded in {"object": '{"access_token":{"a":1}}', "spaces": '{ "access_token" : {"a" : 1} }', "order": '{"b":1,"a":2}',
                            "nested": '{"access_token":{"a":{"b":[1,2,{"c":null}]}}}', "unicode": '{"ü":"✓"}', "escaped": '{"a":"\\u00e9\\n"}',
                            "empty_object": "{}", "number": "5", "text": '"x"', "duplicate": '{"a":1,"a":2}', "float": '{"a":1.0,"b":1e3}',
                            "xms_cc": '{"access_token":{"xms_cc":{"values":["x"]}}}'}.items():
        for cap_name, capabilities in {"none": None, "one": ["CP1"]}.items():
            yield scenario("client_credentials/forwarded_claims/again/%s/%s" % (name, cap_name), confidential(client_capabilities=capabilities), [
                call("acquire_token_for_client", [app_token()], scopes=GRAPH, forwarded_client_claims=forwarded, spare=True),
                call("acquire_token_for_client", scopes=GRAPH, forwarded_client_claims=forwarded),
                call("acquire_token_for_client", [app_token(2)], scopes=GRAPH)] if name not in ("number", "text") else [
                call("acquire_token_for_client", [app_token()], scopes=GRAPH, forwarded_client_claims=forwarded, spare=True)])
        yield scenario("obo/forwarded_claims/again/" + name, confidential(), [
            call("acquire_token_on_behalf_of", [tokens()], user_assertion="u", scopes=["User.Read"], forwarded_client_claims=forwarded, spare=True),
            call("acquire_token_silent", scopes=["User.Read"], account=account(), forwarded_client_claims=forwarded, spare=True, answers=[tokens(2)]),
            call("acquire_token_silent", scopes=["User.Read"], account=account(), spare=True, answers=[tokens(3)])])
    for name, path in {"plain": "SomePath/Cred", "empty": "", "none": None, "unicode": "ü/✓", "slash": "/", "long": "a" * 300}.items():
        yield scenario("client_credentials/fmi/again/" + name, confidential(), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, fmi_path=path, spare=True),
            call("acquire_token_for_client", [app_token(2)], scopes=GRAPH, fmi_path=path, spare=True),
            call("acquire_token_for_client", [app_token(3)], scopes=GRAPH, spare=True)])
        yield scenario("client_credentials/fmi/with_claims/" + name, confidential(client_capabilities=["CP1"]), [
            call("acquire_token_for_client", [app_token()], scopes=GRAPH, fmi_path=path, forwarded_client_claims='{"a":1}', spare=True),
            call("acquire_token_for_client", [app_token(2)], scopes=GRAPH, fmi_path=path, forwarded_client_claims='{"a":1}', spare=True)])
    for name, made in {"plain": {"client_ip": "1.2.3.4"}, "override": {"aud": "x", "iss": "y", "sub": "z"}, "types": {"a": [1, None, {"b": True}]},
                       "times": {"exp": 5, "nbf": 6, "jti": "own"}, "empty": {}}.items():
        for credential in ("thumbprint", "secret", "sha256"):
            yield scenario("client_credentials/client_claims/%s/%s" % (name, credential), confidential(CREDENTIALS[credential], client_claims=made), [
                call("acquire_token_for_client", [app_token()], scopes=GRAPH)])


def obo():
    for name, args in {"none": {"user_assertion": None}, "empty": {"user_assertion": ""}, "unicode": {"user_assertion": "ü&="},
                       "no_scopes": {"user_assertion": "u", "scopes": []}, "tuple": {"user_assertion": "u", "scopes": {"$tuple": ["a"]}}}.items():
        given = dict({"scopes": ["User.Read"]}, **args)
        yield scenario("obo/arguments/" + name, confidential(), [call("acquire_token_on_behalf_of", [tokens()], spare=True, **given)])
    for name, answer in ODD_USER_ANSWERS.items():
        yield scenario("obo/answer/" + name, confidential(), [
            call("acquire_token_on_behalf_of", [answer], user_assertion="u", scopes=["User.Read"]),
            call("acquire_token_on_behalf_of", [tokens(2)], user_assertion="v", scopes=["User.Read"], spare=True),
            call("get_accounts")])
    yield scenario("obo/silent_after", confidential(), [
        call("acquire_token_on_behalf_of", [tokens(drop=["client_info"])], user_assertion="u", scopes=["User.Read"]),
        call("get_accounts"), call("acquire_token_for_client", [app_token()], scopes=GRAPH)])


ODD_USER_ANSWERS = {
    "plain": tokens(), "no_rt": tokens(drop=["refresh_token"]), "no_idt": tokens(drop=["id_token"]), "no_info": tokens(drop=["client_info"]),
    "neither": tokens(drop=["client_info", "id_token"]), "no_scope": tokens(drop=["scope"]), "scope_case": tokens(scope="user.read OPENID"),
    "scope_more": tokens(scope="User.Read Mail.Read openid profile email"), "scope_less": tokens(scope="openid"), "scope_empty": tokens(scope=""),
    "scope_double": tokens(scope="User.Read  User.Read"), "foci": tokens(foci="1"), "foci_empty": tokens(foci=""), "foci_null": tokens(foci=None),
    "foci_number": tokens(foci=1), "info_guest": tokens(client_info=b64u(json.dumps({"uid": OID, "utid": OTHER_TENANT}).encode())),
    "info_no_utid": tokens(client_info=b64u(b'{"uid":"x"}')), "info_not_json": tokens(client_info=b64u(b"x")), "info_list": tokens(client_info=b64u(b"[]")),
    "info_padded": tokens(client_info=CLIENT_INFO + "=="), "info_empty": tokens(client_info=""), "info_null": tokens(client_info=None),
    "info_number": tokens(client_info=b64u(b'{"uid":1,"utid":2}')), "info_more": tokens(client_info=b64u(json.dumps({"uid": OID, "utid": TENANT, "x": 1}).encode())),
    "idt_garbage": tokens(id_token="garbage"), "idt_two": tokens(id_token="a.b"), "idt_empty": tokens(id_token=""), "idt_null": tokens(id_token=None),
    "idt_no_oid": tokens(id_token=id_token(claims(oid=None))), "idt_no_sub": tokens(id_token=id_token(claims(sub=None))),
    "idt_no_tid": tokens(id_token=id_token(claims(tid=None))), "idt_upn": tokens(id_token=id_token(claims(preferred_username=None, upn="ada@upn"))),
    "idt_no_name": tokens(id_token=id_token(claims(preferred_username=None))), "idt_unicode": tokens(id_token=id_token(claims(preferred_username="ädä@contoso.com"))),
    "idt_other_aud": tokens(id_token=id_token(claims(aud="x"))), "idt_expired": tokens(id_token=id_token(claims(exp=5))),
    "idt_aud_list": tokens(id_token=id_token(claims(aud=[CLIENT, "x"]))), "idt_nonce": tokens(id_token=id_token(claims(nonce="n"))),
    "idt_list": tokens(id_token="e30." + b64u(b"[]") + ".sig"), "idt_null_payload": tokens(id_token="e30." + b64u(b"null") + ".sig"),
    "idt_only": tokens(drop=["access_token", "refresh_token"]), "rt_only": tokens(drop=["access_token", "id_token"]), "rt_empty": tokens(refresh_token=""),
    "rt_null": tokens(refresh_token=None), "refresh_in": tokens(refresh_in=1800), "expires_text": tokens(expires_in="3599"), "no_expires": tokens(drop=["expires_in"]),
    "type_pop": tokens(token_type="pop"), "type_missing": tokens(drop=["token_type"]), "unknown": tokens(custom=[1]), "key_id": tokens(key_id="k"),
    "claims_member": tokens(id_token_claims={"a": 1}), "account_id": tokens(_account_id="x"), "error_200": ok({"error": "x", "error_description": "d"}),
    "interaction": failed("interaction_required", suberror="basic_action", claims='{"a":1}', error_codes=[50076]),
    "invalid_grant": failed("invalid_grant", suberror="bad_token"), "401": failed("invalid_client", 401), "500": ok("x", 500), "503": failed("x", 503, {"Retry-After": "9"}),
    "429": failed("x", 429, {"Retry-After": "9"}), "html": ok("<html/>"), "empty": ok({}), "connection": {"transport_error": "connection"}, "timeout": {"transport_error": "timeout"},
    "scope_null": tokens(scope=None), "scope_list": tokens(scope=["User.Read"]), "wide": tokens(expires_in=10**10), "negative": tokens(expires_in=-1),
}


def throttling():
    answers = {"400": failed("invalid_client"), "401": failed("invalid_client", 401), "403": failed("x", 403), "404": failed("x", 404),
               "408": failed("x", 408), "429": failed("x", 429), "429_5": failed("x", 429, {"Retry-After": "5"}), "429_lower": failed("x", 429, {"retry-after": "5"}),
               "429_big": failed("x", 429, {"Retry-After": "99999"}), "429_zero": failed("x", 429, {"Retry-After": "0"}), "429_negative": failed("x", 429, {"Retry-After": "-5"}),
               "429_date": failed("x", 429, {"Retry-After": "Tue, 14 Nov 2023 22:14:00 GMT"}), "429_float": failed("x", 429, {"Retry-After": "5.5"}),
               "429_spaces": failed("x", 429, {"Retry-After": " 5 "}), "429_html": ok("x", 429, **{"Retry-After": "5"}), "500": failed("x", 500), "500_5": failed("x", 500, {"Retry-After": "5"}),
               "502": ok("", 502), "503": failed("x", 503), "503_5": failed("x", 503, {"Retry-After": "5"}), "504": failed("x", 504, {"Retry-After": "5"}),
               "200_5": app_token(drop=["expires_in"]) | {"headers": dict(JSON_HEADERS, **{"Retry-After": "5"})}, "302": failed("x", 302),
               "400_5": failed("x", 400, {"Retry-After": "5"}), "invalid_grant": failed("invalid_grant", 400), "interaction": failed("interaction_required", 400)}
    for name, answer in answers.items():
        steps = [call("acquire_token_for_client", [answer], scopes=GRAPH)]
        steps += [call("acquire_token_for_client", [app_token(n)], scopes=GRAPH, after=after, spare=True) for n, after in ((2, 0), (3, 4), (4, 1), (5, 1), (6, 53), (7, 2), (8, 61), (9, 3600))]
        yield scenario("throttling/client_credentials/" + name, confidential(), steps)
        steps = [call("acquire_token_silent_with_error", [answer], scopes=["User.Read"], account=account())]
        steps += [call("acquire_token_silent_with_error", [failed("invalid_grant")], scopes=["User.Read"], account=account(), after=after, spare=True) for after in (0, 4, 1, 1, 53, 2, 61)]
        yield scenario("throttling/silent/" + name, public(), steps, signed_in())
        yield scenario("throttling/refresh_token/" + name, public(), [
            call("acquire_token_by_refresh_token", [answer], refresh_token="r1", scopes=["User.Read"]),
            call("acquire_token_by_refresh_token", [failed("x")], refresh_token="r1", scopes=["User.Read"], spare=True),
            call("acquire_token_by_refresh_token", [failed("y")], refresh_token="r2", scopes=["User.Read"], spare=True),
            call("acquire_token_by_refresh_token", [failed("z")], refresh_token="r1", scopes=["Mail.Read"], spare=True),
            call("acquire_token_by_refresh_token", [tokens()], refresh_token="r1", scopes=["User.Read"], after=61, spare=True)])
        yield scenario("throttling/device/" + name, public(), [
            call("initiate_device_flow", [answer], scopes=["User.Read"]),
            call("initiate_device_flow", [device()], scopes=["User.Read"], spare=True),
            call("initiate_device_flow", [device()], scopes=["User.Read"], after=61, spare=True)])
        yield scenario("throttling/obo/" + name, confidential(), [
            call("acquire_token_on_behalf_of", [answer], user_assertion="u", scopes=["User.Read"]),
            call("acquire_token_on_behalf_of", [failed("y")], user_assertion="v", scopes=["User.Read"], spare=True),
            call("acquire_token_on_behalf_of", [failed("z")], user_assertion="u", scopes=["User.Read"], spare=True),
            call("acquire_token_on_behalf_of", [failed("y")], user_assertion="u", scopes=["User.Read"], after=6, spare=True)])
        yield scenario("throttling/ropc/" + name, public(), [
            call("acquire_token_by_username_password", [answer], username="ada@contoso.com", password="p", scopes=["User.Read"]),
            call("acquire_token_by_username_password", [failed("y")], username="ada@contoso.com", password="q", scopes=["User.Read"], spare=True),
            call("acquire_token_by_username_password", [failed("z")], username="ada@contoso.com", password="p", scopes=["User.Read"], spare=True)])
    yield scenario("throttling/cert", confidential(CREDENTIALS["thumbprint"]), [
        call("acquire_token_for_client", [failed("invalid_client", 401)], scopes=GRAPH), call("acquire_token_for_client", [failed("invalid_client", 401)], scopes=GRAPH, spare=True),
        call("acquire_token_for_client", [app_token()], scopes=GRAPH, after=61)])
    yield scenario("throttling/claims", confidential(), [
        call("acquire_token_for_client", [failed("invalid_client", 401)], scopes=GRAPH),
        call("acquire_token_for_client", [app_token()], scopes=GRAPH, claims_challenge='{"a":1}', spare=True),
        call("acquire_token_for_client", [app_token(2)], scopes=["b/.default"], spare=True)])
    yield scenario("throttling/force_refresh", public(), [
        call("acquire_token_silent_with_error", [failed("invalid_grant")], scopes=["User.Read"], account=account()),
        call("acquire_token_silent_with_error", [tokens()], scopes=["User.Read"], account=account(), force_refresh=True, spare=True)], signed_in())


def names():
    for name, more in {"name": {"app_name": "my app"}, "version": {"app_version": "1.2"}, "both": {"app_name": "a", "app_version": "1"},
                       "empty": {"app_name": "", "app_version": ""}, "unicode": {"app_name": "ü"}}.items():
        yield scenario("client_credentials/app_name/" + name, confidential(**more), [call("acquire_token_for_client", [app_token()], scopes=GRAPH)])
        yield scenario("device_code/app_name/" + name, public(**more), [call("initiate_device_flow", [device()], scopes=["User.Read"], bind="flow"),
                                                                        call("acquire_token_by_device_flow", [tokens()], flow={"$ref": "flow"})])
    for name, scopes in {"offline": ["offline_access"], "profile": ["profile"], "both": ["offline_access", "profile"], "openid": ["openid"], "other": ["User.Read"], "none": []}.items():
        app = public(exclude_scopes=scopes)
        yield scenario("input_validation/exclude/%s/device" % name, app, [call("initiate_device_flow", [device()], scopes=["User.Read"], spare=True)])
        yield scenario("input_validation/exclude/%s/refresh" % name, app, [call("acquire_token_by_refresh_token", [tokens()], refresh_token="r", scopes=["User.Read"], spare=True)])
        yield scenario("input_validation/exclude/%s/silent" % name, app, [call("acquire_token_silent", [tokens()], scopes=["User.Read"], account=account(), spare=True)], signed_in())
        yield scenario("input_validation/exclude/%s/obo" % name, confidential(exclude_scopes=scopes), [call("acquire_token_on_behalf_of", [tokens()], user_assertion="u", scopes=["User.Read"], spare=True)])
    for method, given in {"acquire_token_for_client": {}, "acquire_token_on_behalf_of": {"user_assertion": "u"}}.items():
        for name, scopes in {"text": "User.Read", "none": None, "number": 5, "reserved": ["openid", "x"], "profile": ["profile"], "offline": ["offline_access"], "dict": {"a": 1}, "bytes": {"$bytes": "61"}}.items():
            yield scenario("input_validation/scopes/%s/%s" % (method, name), confidential(), [call(method, [tokens()], scopes=scopes, spare=True, **given)])
    for name, client in {"empty": "", "none": None, "text": "my app", "unicode": "ü", "upper": CLIENT.upper()}.items():
        yield scenario("input_validation/client_id/" + name, confidential(client_id=client), [call("acquire_token_for_client", [app_token()], scopes=GRAPH, spare=True), call("acquire_token_for_client", scopes=GRAPH, spare=True)])


def telemetry():
    yield scenario("client_credentials/telemetry/errors", confidential(), [
        call("acquire_token_for_client", [failed("e%d" % n, 401)], scopes=["s%d/.default" % n]) for n in range(5)] + [
        call("acquire_token_for_client", [app_token()], scopes=["t/.default"]), call("acquire_token_for_client", scopes=["t/.default"]),
        call("acquire_token_for_client", scopes=["t/.default"]), call("acquire_token_for_client", [app_token(2)], scopes=["u/.default"])])
    yield scenario("client_credentials/telemetry/mixed", confidential(), [
        call("acquire_token_for_client", [failed("a b,c|d", 401)], scopes=["s/.default"]), call("acquire_token_on_behalf_of", [failed("x", suberror="y")], user_assertion="u", scopes=["a"]),
        call("acquire_token_by_refresh_token", [failed("invalid_grant")], refresh_token="r", scopes=["a"]), call("acquire_token_for_client", [{"transport_error": "connection"}], scopes=["v/.default"]),
        call("acquire_token_for_client", [ok("x", 500)], scopes=["w/.default"]), call("acquire_token_for_client", [app_token()], scopes=["t/.default"])])
    yield scenario("client_credentials/telemetry/aging", confidential(), [
        call("acquire_token_for_client", [app_token(refresh_in=100)], scopes=GRAPH), call("acquire_token_for_client", [failed("x", 400)], scopes=GRAPH, after=101),
        call("acquire_token_for_client", [app_token(3)], scopes=GRAPH, after=100), call("acquire_token_for_client", [app_token(4)], scopes=GRAPH, after=3400)])


def aliases():
    alias = cache(refresh(environment="login.windows.net"), refresh("sts-rt", environment="sts.windows.net"))
    for name, answer in {"401": failed("invalid_client", 401), "400": failed("invalid_scope"), "403": failed("x", 403)}.items():
        yield scenario("client_credentials/tokens_of_other_names/" + name, confidential(), [call("acquire_token_for_client", [answer] * 3, scopes=GRAPH, spare=True)], alias)


def everything():
    for area in (aliases, by_authority, by_credential, by_key_file, regions, odd_answers, client_cache, claims_and_capabilities, obo, throttling, names, telemetry):
        yield from area()
