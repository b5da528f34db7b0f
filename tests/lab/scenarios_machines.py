"""Managed identities, Cloud Shell, federated sign-in, authorities that fail, applications that share a memory."""
import glob
import os

from scenarios import *

VAULT = "https://vault.azure.net"
ID = "11111111-2222-3333-4444-555555555555"
IDENTITIES = {
    "system": {"ManagedIdentityIdType": "SystemAssigned", "Id": None}, "client": {"ManagedIdentityIdType": "ClientId", "Id": ID},
    "object": {"ManagedIdentityIdType": "ObjectId", "Id": ID}, "resource": {"ManagedIdentityIdType": "ResourceId", "Id": "/subscriptions/s/x y"},
}
ARC = {"IDENTITY_ENDPOINT": "http://localhost:40342/metadata/identity/oauth2/token", "IMDS_ENDPOINT": "http://localhost:40342"}
SOURCES = {
    "vm": {}, "app_service": {"IDENTITY_ENDPOINT": "http://127.0.0.1:41741/msi/token", "IDENTITY_HEADER": "header"},
    "machine_learning": {"MSI_ENDPOINT": "http://127.0.0.1:9000/msi/token", "MSI_SECRET": "ml-secret"}, "arc": ARC,
    "service_fabric": {"IDENTITY_ENDPOINT": "https://10.0.0.4:2377/metadata/identity/oauth2/token", "IDENTITY_HEADER": "sf",
                       "IDENTITY_SERVER_THUMBPRINT": "00112233445566778899AABBCCDDEEFF00112233"},
}


def machine(identity="system", **more):
    return dict({"type": "managed_identity", "managed_identity": IDENTITIES[identity]}, **more)


def given(source, drop=(), n=1, **changes):
    made = {"access_token": "mi-at-%d" % n, "resource": VAULT, "token_type": "Bearer"}
    if source in ("vm", "arc"):
        made.update(expires_in="3600", client_id=ID)
    else:
        made["expires_on"] = str(CLOCK + 3600)
    made.update(changes)
    return ok({key: value for key, value in made.items() if key not in drop})


CHALLENGE = {"status": 401, "headers": {"WWW-Authenticate": "Basic realm=/var/opt/azcmagent/tokens/abc.key"}, "body": ""}


def answers(source, *last):
    made = []
    for answer in last:
        made += [CHALLENGE, answer] if source == "arc" else [answer]
    return made


def sources():
    for source, env in SOURCES.items():
        more = {"env": env, "arc_files": {"abc.key": "arc-secret"}} if source == "arc" else {"env": env}
        ask = lambda *answer, **args: call("acquire_token_for_client", answers(source, *answer), spare=True, **dict({"resource": VAULT}, **args))
        for identity in IDENTITIES:
            answer = given(source, **({"object_id": ID, "msi_res_id": "/subscriptions/s/X Y"} if source == "arc" else {}))
            for cap in (None, ["CP1", "x"]):
                yield scenario("managed_identity/%s/%s/%s" % (source, identity, "caps" if cap else "plain"), machine(identity, client_capabilities=cap), [
                    ask(answer), ask(), ask(given(source, n=2, client_id=ID, object_id=ID, msi_res_id="/subscriptions/s/x y"), claims_challenge='{"access_token":{"nbf":{"essential":true,"value":"1"}}}'), ask(given(source, n=3), resource="https://management.azure.com/"),
                    ask(after=3000), ask(answer, after=400)], **more)
        odd = {
            "no_token": given(source, drop=["access_token"]), "empty_token": given(source, access_token=""), "no_expiry": given(source, drop=["expires_on", "expires_in"]), "number": given(source, expires_on=CLOCK + 3600, expires_in=3600), "float": given(source, expires_on=CLOCK + 3600.5, expires_in=3600.5),
            "text_float": given(source, expires_on="%d.5" % (CLOCK + 3600), expires_in="3600.5"), "date": given(source, expires_on="11/14/2023 11:13:20 PM +00:00", expires_in="x"), "zero": given(source, expires_on="0", expires_in="0"), "zero_number": given(source, expires_on=0, expires_in=0), "past": given(source, expires_on=str(CLOCK - 5), expires_in="-5"),
            "soon": given(source, expires_on=str(CLOCK + 299), expires_in="299"), "two_hours": given(source, expires_on=str(CLOCK + 7200), expires_in="7200"), "day": given(source, expires_on=str(CLOCK + 86400), expires_in="86400"), "no_type": given(source, drop=["token_type"]), "type_lower": given(source, token_type="bearer"), "no_resource": given(source, drop=["resource"]),
            "refresh_in": given(source, refresh_in="100"), "unknown": given(source, custom=[1]), "null_token": given(source, access_token=None), "list": ok("[]"), "null": ok("null"), "html": ok("<html/>"), "empty": ok(""), "empty_object": ok({}), "bom": ok("\ufeff{}"),
            "400": failed("invalid_request"), "400_identity": failed("invalid_request", error_description="Identity not found"), "401": failed("unauthorized", 401), "403": ok("<html/>", 403), "404": ok({"error": "not_found"}, 404), "404_html": ok("no", 404), "410": ok("", 410), "429": failed("x", 429), "429_5": failed("x", 429, {"Retry-After": "5"}),
            "500": failed("x", 500), "500_html": ok("x", 500), "502": ok("", 502), "503": failed("x", 503, {"Retry-After": "7"}), "504": ok("x", 504), "connection": {"transport_error": "connection"}, "timeout": {"transport_error": "timeout"}, "302": ok("", 302), "status_message": ok({"statusCode": 500, "message": "No MSI found"}, 400),
            "error_object": ok({"error": {"code": "ManagedIdentityNotFound", "message": "m", "correlationId": "c"}}, 404), "error_object_other": ok({"error": {"code": "InternalServerError"}}, 500), "error_argument": ok({"error": {"code": "ArgumentNullOrEmpty"}}, 400), "error_text": ok({"error": "text"}, 400), "message": ok({"Message": "x"}, 400), "token_500": ok(json.loads(given(source)["body"]), 500),
            "error_null": ok({"error": None}, 400), "token_and_error": given(source, error="x"),
        }
        if source not in ("vm", "arc"):
            yield scenario("managed_identity/%s/ends_on_a_date" % source, machine(), [ask(odd["date"])], **more)
        for name, answer in odd.items():
            yield scenario("managed_identity/%s/answer/%s" % (source, name), machine(), [ask(answer), ask(given(source, n=2)), ask(given(source, n=3), after=61), ask(given(source, n=4), after=3600)], **more)
            aging = cache(("AccessToken", "-localhost-accesstoken--managed_identity-" + VAULT, access(VAULT, home=None, environment="localhost", realm="managed_identity", client=None, refresh_on=str(CLOCK - 1))[2]))
            yield scenario("managed_identity/%s/aging/%s" % (source, name), machine(), [ask(answer), ask(given(source, n=2), after=1)], aging, **more)
    for name, value in {"": "", "root": "http://10.0.0.9", "slash": "http://10.0.0.9/", "host": "imds.internal"}.items():
        yield scenario("managed_identity/vm/pod/" + (name or "empty"), machine(), [call("acquire_token_for_client", [given("vm")], resource=VAULT, spare=True)], env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": value})


def arc():
    files = {"abc.key": "arc-secret"}
    for name, header in {"plain": "Basic realm=/var/opt/azcmagent/tokens/abc.key", "lower": "basic realm=/var/opt/azcmagent/tokens/abc.key", "quoted": 'Basic realm="/var/opt/azcmagent/tokens/abc.key"', "traversal": "Basic realm=/var/opt/azcmagent/tokens/../../etc/abc.key", "other_dir": "Basic realm=/tmp/abc.key", "other_ext": "Basic realm=/var/opt/azcmagent/tokens/abc.txt",
                         "no_ext": "Basic realm=/var/opt/azcmagent/tokens/abc", "two_dots": "Basic realm=/var/opt/azcmagent/tokens/abc.key.key", "empty": "Basic realm=", "missing_file": "Basic realm=/var/opt/azcmagent/tokens/none.key", "windows": "Basic realm=C:\\x\\abc.key", "spaces": "Basic  realm=/x/abc.key", "trailing": "Basic realm=/x/abc.key ", "bearer": "Bearer realm=/x/abc.key", "more": "Basic realm=/x/abc.key, x=y", "upper": "BASIC REALM=/x/abc.key", "folder": "Basic realm=/x/abc/"}.items():
        yield scenario("managed_identity/arc/challenge/" + name, machine(), [call("acquire_token_for_client", [dict(CHALLENGE, headers={"Www-Authenticate": header}), given("arc")], resource=VAULT, spare=True)], env=ARC, arc_files=files)
    for name, content in {"newline": "secret\n", "empty": "", "big": "a" * 4096, "too_big": "a" * 4097, "spaces": " secret ", "unicode": "sécret", "two_lines": "a\nb"}.items():
        yield scenario("managed_identity/arc/key/" + name, machine(), [call("acquire_token_for_client", [CHALLENGE, given("arc")], resource=VAULT, spare=True)], env=ARC, arc_files={"abc.key": content})
    for status in (200, 400, 404, 500):
        yield scenario("managed_identity/arc/first_%d" % status, machine(), [call("acquire_token_for_client", [ok({"error": "x"}, status)], resource=VAULT, spare=True), call("acquire_token_for_client", [CHALLENGE, given("arc")], resource=VAULT, spare=True, after=6)], env=ARC, arc_files=files)
    for name, env in {"agent": {}, "endpoint_only": {"IDENTITY_ENDPOINT": "http://localhost:40342/x"}, "imds_only": {"IMDS_ENDPOINT": "http://localhost:40342"}}.items():
        yield scenario("managed_identity/arc/found/" + name, machine(), [call("get_managed_identity_source"), call("acquire_token_for_client", [CHALLENGE, given("arc")], resource=VAULT, spare=True)], env=env, arc_files=files, arc_agent_installed=True)
        yield scenario("managed_identity/arc/not_installed/" + name, machine(), [call("get_managed_identity_source"), call("acquire_token_for_client", [given("vm")], resource=VAULT, spare=True)], env=env, arc_files=files)
    for name, identity in IDENTITIES.items():
        for echo, members in {"none": {}, "same": {"client_id": ID, "object_id": ID, "msi_res_id": "/subscriptions/s/x y"}, "upper": {"client_id": ID.upper(), "msi_res_id": "/SUBSCRIPTIONS/s/x y"}, "other": {"client_id": "x", "object_id": "x", "msi_res_id": "x"}, "mi_res_id": {"mi_res_id": "/subscriptions/s/x y"}}.items():
            yield scenario("managed_identity/arc/echo/%s/%s" % (name, echo), machine(name), [call("acquire_token_for_client", [CHALLENGE, given("arc", drop=["client_id"] if "client_id" not in members else [], **members)], resource=VAULT, spare=True)], env=ARC, arc_files=files)


def detection():
    parts = {"ep": {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/x"}, "head": {"IDENTITY_HEADER": "h"}, "thumb": {"IDENTITY_SERVER_THUMBPRINT": "00" * 20}, "imds": {"IMDS_ENDPOINT": "http://127.0.0.1:2"}, "msi": {"MSI_ENDPOINT": "http://127.0.0.1:3"}, "secret": {"MSI_SECRET": "s"}, "cs": {"AZUREPS_HOST_ENVIRONMENT": "cloud-shell/1.0"}}
    for names in (["ep"], ["head"], ["ep", "head"], ["ep", "head", "thumb"], ["ep", "thumb"], ["ep", "imds"], ["ep", "head", "imds"], ["msi"], ["secret"], ["msi", "secret"], ["msi", "secret", "ep", "imds"], ["cs"], ["cs", "msi", "secret"], ["cs", "ep", "imds"], ["imds"], list(parts)):
        env = {key: value for name in names for key, value in parts[name].items()}
        yield scenario("managed_identity/source/" + "_".join(names), None, [call("get_managed_identity_source")], env=env)
    for name, value in {"empty": "", "other": "azps", "upper": "Cloud-Shell", "prefix": "cloud-shell"}.items():
        yield scenario("managed_identity/source/cloud_shell_" + name, None, [call("get_managed_identity_source")], env={"AZUREPS_HOST_ENVIRONMENT": value})
    for name, identity in {"none": None, "text": "x", "empty": {}, "no_type": {"Id": "x"}, "type_case": {"ManagedIdentityIdType": "clientid", "Id": "x"}, "id_null": {"ManagedIdentityIdType": "ClientId", "Id": None}, "id_empty": {"ManagedIdentityIdType": "ClientId", "Id": ""}, "system_with_id": {"ManagedIdentityIdType": "SystemAssigned", "Id": "x"}, "extra": {"ManagedIdentityIdType": "ClientId", "Id": "x", "y": 1}}.items():
        yield scenario("managed_identity/construct/again/" + name, {"type": "managed_identity", "managed_identity": identity}, [call("acquire_token_for_client", [given("vm")], resource=VAULT, spare=True)])
    for name, args in {"client": {"client_id": "c"}, "resource": {"resource_id": "r"}, "object": {"object_id": "o"}, "two": {"client_id": "c", "object_id": "o"}, "three": {"client_id": "c", "object_id": "o", "resource_id": "r"}, "none": {}, "empty": {"client_id": ""}, "null": {"client_id": None, "object_id": "o"}}.items():
        yield scenario("managed_identity/class/" + name, None, [call("UserAssignedManagedIdentity", **args)])
    yield scenario("managed_identity/class/system", None, [call("SystemAssignedManagedIdentity")])
    for name, thumbprint in {"colons": ":".join(["AB"] * 20), "lower": "ab" * 20, "spaces": " ".join(["AB"] * 20), "short": "ab", "letters": "zz" * 20, "sha256": "ab" * 32, "empty": ""}.items():
        yield scenario("managed_identity/service_fabric/thumbprint/" + name, machine(), [call("acquire_token_for_client", [given("service_fabric")], resource=VAULT, spare=True)], env=dict(SOURCES["service_fabric"], IDENTITY_SERVER_THUMBPRINT=thumbprint))
    for name, endpoint in {"http": "http://10.0.0.4/x", "upper": "HTTPS://10.0.0.4:2377/x", "query": "https://10.0.0.4:2377/x?a=b", "no_host": "https:///x", "name": "https://localhost:2377/metadata"}.items():
        yield scenario("managed_identity/service_fabric/endpoint/" + name, machine(), [call("acquire_token_for_client", [given("service_fabric")], resource=VAULT, spare=True)], env=dict(SOURCES["service_fabric"], IDENTITY_ENDPOINT=endpoint))
    for source in ("app_service", "machine_learning"):
        key = "IDENTITY_ENDPOINT" if source == "app_service" else "MSI_ENDPOINT"
        for name, endpoint in {"query": "http://127.0.0.1:1/x?a=b", "https": "https://127.0.0.1:1/x", "name": "http://localhost:1/x/", "other": "http://10.1.2.3:80/x"}.items():
            yield scenario("managed_identity/%s/endpoint/%s" % (source, name), machine(), [call("acquire_token_for_client", [given(source)], resource=VAULT, spare=True)], env=dict(SOURCES[source], **{key: endpoint}))
    for name, resource in {"slash": VAULT + "/", "default": VAULT + "/.default", "guid": ID, "api": "api://x", "empty": "", "spaces": "a b", "unicode": "ü"}.items():
        yield scenario("managed_identity/resource/" + name, machine(), [call("acquire_token_for_client", [given("vm")], resource=resource, spare=True), call("acquire_token_for_client", [given("vm", n=2)], resource=resource, spare=True)])


def cloud_shell():
    env = {"AZUREPS_HOST_ENVIRONMENT": "cloud-shell/1.0"}
    jwt = id_token({"iss": "https://sts.windows.net/%s/" % TENANT, "sub": "cs-sub", "oid": OID, "tid": TENANT, "exp": CLOCK + 3600, "iat": CLOCK, "unique_name": "ada@contoso.com"})
    shell = lambda **changes: ok({key: value for key, value in dict({"access_token": jwt, "refresh_token": "", "expires_in": "3599", "expires_on": str(CLOCK + 3599), "not_before": "1", "resource": "r", "token_type": "Bearer"}, **changes).items() if value != "-"})
    app = {"type": "public", "client_id": CLIENT}
    scopes = ["https://management.core.windows.net/.default"]
    person_of = account(username="ada@contoso.com", realm="common", authority_type="CLOUDSHELL", local_account_id="cs-sub")
    made = lambda claims_: id_token(claims_)
    for name, answer in {"plain": shell(), "opaque": shell(access_token="opaque"), "number": shell(expires_in=3599), "no_type": shell(token_type="-"), "type_lower": shell(token_type="bearer"), "type_ssh": shell(token_type="ssh-cert"), "refresh": shell(refresh_token="rt"), "no_expiry": shell(expires_in="-"), "no_token": shell(access_token="-"), "html": ok("<html/>"), "empty": ok({}),
                         "error": ok({"error": {"code": "AudienceNotSupported", "message": "m"}}, 400), "error_empty": ok({"error": {}}, 400), "error_none": ok({}, 500), "error_html": ok("<html/>", 500), "error_text": ok({"error": "x"}, 400), "302": ok({"error": {"code": "c"}}, 302), "connection": {"transport_error": "connection"},
                         "v2": shell(access_token=made({"iss": "i", "sub": "s", "oid": OID, "tid": TENANT, "exp": 1, "iat": 1, "preferred_username": "p@x"})), "no_oid": shell(access_token=made({"iss": "i", "sub": "s", "exp": 1, "iat": 1})), "no_sub": shell(access_token=made({"iss": "i", "oid": OID, "tid": TENANT, "exp": 1, "iat": 1})), "no_iss": shell(access_token=made({"sub": "s"}))}.items():
        yield scenario("cloud_shell/again/" + name, app, [call("acquire_token_interactive", [answer], scopes=scopes, prompt="none"), call("get_accounts", spare=True), call("acquire_token_silent", [shell()], scopes=scopes, account=person_of, spare=True), call("acquire_token_silent", [shell()], scopes=scopes, account=person_of, force_refresh=True, spare=True), call("remove_account", account=person_of)], env=env)
    for name, asked in {"graph": ["https://graph.microsoft.com/User.Read"], "powerbi": ["https://analysis.windows.net/powerbi/api/.default"], "ssh": ["https://pas.windows.net/CheckMyAccess/Linux/.default"], "guid": [ID + "/.default"], "two": ["https://a.example/x", "https://b.example/y"], "plain": ["User.Read"], "slash": ["https://a.example//.default"], "none": [], "api": ["api://x/y"], "urn": ["urn:x:y"], "port": ["https://a.example:8443/x"]}.items():
        yield scenario("cloud_shell/scopes/" + name, app, [call("acquire_token_interactive", [shell()], scopes=asked, prompt="none", spare=True)], env=env)
    yield scenario("cloud_shell/data", app, [call("acquire_token_interactive", [shell(token_type="ssh-cert", access_token="cert")], scopes=scopes, prompt="none", data={"token_type": "ssh-cert", "key_id": "k", "req_cnf": "{}"}), call("acquire_token_silent", [shell()], scopes=scopes, account=account(home="user.cloudshell", username="currentuser@cloudshell", realm="common", authority_type="CLOUDSHELL", local_account_id="user"), spare=True)], env=env)


def federated():
    """The given recordings once more, with other people, credentials and answers at the end."""
    folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "conformance", "transcripts")
    for file in sorted(glob.glob(os.path.join(folder, "ropc__federated__*.json"))):
        with open(file, encoding="utf-8") as text:
            script = json.load(text)
        name = os.path.basename(file)[len("ropc__federated__"):-5]
        found = [step for step in script["steps"] if step["call"] == "acquire_token_by_username_password"][0]
        replies = [exchange["response"] for exchange in found["exchanges"]]
        for variant, args in {"unicode": {"username": "ada@contoso.com", "password": "ß✓ ]]>", "scopes": ["a"]}, "claims": {"username": "Ada@Contoso.com", "password": "p w", "scopes": ["a"], "claims_challenge": '{"a":1}'}}.items():
            for kind in ("tenant", "us", "organizations"):
                yield scenario("ropc/federated/again/%s/%s/%s" % (name, variant, kind), at_authority(confidential(client_capabilities=["CP1"]), kind), [
                    call("acquire_token_by_username_password", replies[1:], spare=True, **args), call("acquire_token_by_username_password", replies[2:], spare=True, **dict(args, username="bob@contoso.com")), call("get_accounts")],
                    overrides=[{"url": "userrealm", "response": replies[0], "times": 9}])
        for ending, answer in {"invalid_grant": failed("invalid_grant", suberror="x"), "500": ok("x", 500), "no_idt": tokens(drop=["id_token", "client_info"]), "rt_only": tokens(drop=["id_token"]), "429": failed("x", 429)}.items():
            if len(replies) >= 3 and replies[-1].get("status") == 200 and "access_token" in json.dumps(replies[-1]):
                yield scenario("ropc/federated/ending/%s/%s" % (name, ending), public(), [
                    call("acquire_token_by_username_password", replies[1:-1] + [answer], username="ada@contoso.com", password="p", scopes=["User.Read"]), call("get_accounts")],
                    overrides=[{"url": "userrealm", "response": replies[0]}])


def authorities():
    odd = {"not_json": ok("x"), "empty": ok({}), "null_token": ok({"token_endpoint": None, "authorization_endpoint": "https://a/b"}), "only_token": ok({"token_endpoint": AUTHORITY + "/oauth2/v2.0/token"}), "no_issuer": ok({"token_endpoint": AUTHORITY + "/oauth2/v2.0/token", "authorization_endpoint": AUTHORITY + "/oauth2/v2.0/authorize"}), "other_tenant": ok({"token_endpoint": "https://login.microsoftonline.com/%s/oauth2/v2.0/token" % OTHER_TENANT, "authorization_endpoint": AUTHORITY + "/oauth2/v2.0/authorize", "issuer": "x"}),
           "201": ok({}, 201), "204": ok("", 204), "301": ok("", 301), "401": ok("x", 401), "403": ok("", 403), "429": ok("", 429), "500": ok("", 500), "502": ok("{}", 502), "connection": {"transport_error": "connection"}, "timeout": {"transport_error": "timeout"}, "text": ok('"x"'), "null": ok("null"), "number": ok("5"), "http": ok({"token_endpoint": "http://login.microsoftonline.com/x/token", "authorization_endpoint": AUTHORITY})}
    for name, answer in odd.items():
        for kind in ("tenant", "common", "oidc", "adfs", "b2c", "ciam", "dsts", "no_discovery"):
            yield scenario("authority/metadata/%s/%s" % (name, kind), at_authority(public(), kind), [call("initiate_auth_code_flow", scopes=["User.Read"], bind="flow", spare=True)], overrides=[{"url": "openid-configuration", "response": answer}])
        yield scenario("authority/instance/" + name, at_authority(public(), "unknown"), [], overrides=[{"url": "discovery/instance", "response": answer}])
    for name, answer in {"invalid": failed("invalid_instance"), "invalid_200": ok({"error": "invalid_instance"}), "other": failed("x"), "endpoint_and_error": ok({"error": "x", "tenant_discovery_endpoint": "https://login.private.example/%s/v2.0/.well-known/openid-configuration" % TENANT}), "foreign_endpoint": ok({"tenant_discovery_endpoint": "https://other.example/x/.well-known/openid-configuration"})}.items():
        yield scenario("authority/instance/" + name, at_authority(public(), "unknown"), [call("initiate_auth_code_flow", scopes=["User.Read"], bind="flow", spare=True)], overrides=[{"url": "discovery/instance", "response": answer}])
    for name, value in {"url": "https://discovery.example/common/discovery/instance", "url_query": "https://discovery.example/common/discovery/instance?x=1", "empty": "", "none": None}.items():
        for kind in ("unknown", "tenant", "b2c", "adfs"):
            yield scenario("authority/instance_discovery/custom_%s/%s" % (name, kind), dict(at_authority(public(), kind), instance_discovery=value), [call("get_accounts"), call("initiate_auth_code_flow", scopes=["User.Read"], bind="flow")])
    for name, text in {"http": "http://login.microsoftonline.com/x", "no_tenant": "https://login.microsoftonline.com", "slash": "https://login.microsoftonline.com/", "empty": "", "text": "x", "double_slash": "https://login.microsoftonline.com//x", "spaces": " https://login.microsoftonline.com/x", "query": "https://login.microsoftonline.com/%s?x=1" % TENANT, "fragment": "https://login.microsoftonline.com/%s#x" % TENANT, "userinfo": "https://a:b@login.microsoftonline.com/x",
                       "path": "https://login.microsoftonline.com/%s/v2.0" % TENANT, "oauth2": AUTHORITY + "/oauth2/v2.0/authorize", "upper": "HTTPS://LOGIN.MICROSOFTONLINE.COM/" + TENANT, "port": "https://login.microsoftonline.com:443/" + TENANT, "ip": "https://127.0.0.1/x", "number": 5, "tenant_upper": "https://login.microsoftonline.com/" + TENANT.upper(), "unicode": "https://login.microsoftonline.com/contosö", "encoded": "https://login.microsoftonline.com/a%20b", "dot": "https://login.microsoftonline.com./x", "ftp": "ftp://login.microsoftonline.com/x", "no_host": "https:///x"}.items():
        yield scenario("authority/text/" + name, public(authority=text), [call("initiate_device_flow", [device()], scopes=["User.Read"], spare=True)])
        yield scenario("authority/oidc_text/" + name, {"type": "public", "client_id": CLIENT, "oidc_authority": text}, [call("initiate_device_flow", [device()], scopes=["User.Read"], spare=True)])
    for name, (instance, tenant) in {"plain": ("login.microsoftonline.us", TENANT), "slashes": ("login.microsoftonline.com/", "/x/"), "b2c": ("contoso.b2clogin.com", "contoso.onmicrosoft.com/B2C_1_x"), "ciam": ("contoso.ciamlogin.com", "contoso.onmicrosoft.com"), "adfs": ("fs.contoso.com", "adfs")}.items():
        yield scenario("authority/builder/" + name, public(authority={"$authority_builder": {"instance": instance, "tenant": tenant}}), [call("initiate_device_flow", [device()], scopes=["User.Read"], spare=True)])
    base = "https://login.contoso.example/realm"
    for name, issuer in {"same": base, "slash": base + "/", "tenant": base + "/x", "host_case": "https://LOGIN.contoso.example/realm", "sub": "https://us.login.contoso.example/realm", "two_subs": "https://a.us.login.contoso.example/realm", "parent": "https://contoso.example/realm", "http": "http://login.contoso.example/realm", "port": "https://login.contoso.example:8443/realm", "microsoft": AUTHORITY + "/v2.0", "region": "https://westus.login.microsoft.com/x", "sovereign": "https://login.sovcloud-identity.fr/x", "ciam": "https://x.ciamlogin.com/y", "b2c_two": "https://a.b.b2clogin.us/y", "empty": "", "text": "x", "null": None, "upper_microsoft": "HTTPS://LOGIN.MICROSOFTONLINE.COM/x", "dot": "https://login.microsoftonline.com./x"}.items():
        yield scenario("authority/oidc_issuer/again/" + name, {"type": "public", "client_id": CLIENT, "oidc_authority": base}, [call("initiate_device_flow", [device()], scopes=["User.Read"], spare=True)],
                       overrides=[{"url": "openid-configuration", "response": ok({"issuer": issuer, "token_endpoint": base + "/token", "authorization_endpoint": base + "/authorize", "device_authorization_endpoint": base + "/device"})}])


def shared():
    for name, other in {"same": public(), "other_client": public(client_id="77778888-aaaa-1111-bbbb-2222cccc3333"), "confidential": confidential(), "other_tenant": public(authority="https://login.microsoftonline.com/" + OTHER_TENANT), "us": public(authority="https://login.microsoftonline.us/" + TENANT)}.items():
        for memory in (True, False):
            cached = {"http_cache": {"$shared": "http_cache"}} if memory else {}
            steps = [dict(INIT), {"call": "__init__", "args": {}, "on": "second", "answers": []}, call("acquire_token_by_refresh_token", [failed("invalid_grant")], refresh_token="r", scopes=["User.Read"]), call("acquire_token_by_refresh_token", [failed("y")], on="second", refresh_token="r", scopes=["User.Read"], spare=True),
                     call("acquire_token_by_refresh_token", [tokens()], refresh_token="s", scopes=["User.Read"]), call("get_accounts", on="second"), call("acquire_token_silent", [tokens(2)], on="second", scopes=["User.Read"], account=account(), spare=True), call("acquire_token_silent", [tokens(3)], scopes=["User.Read"], account=account(), spare=True),
                     call("acquire_token_silent", [failed("z", 429)], on="second", scopes=["Mail.Read"], account=account(), spare=True), call("acquire_token_silent", [tokens(5)], scopes=["Mail.Read"], account=account(), spare=True), call("remove_account", on="second", account=account()), call("get_accounts")]
            yield scenario("stories/shared/%s/%s" % (name, "memory" if memory else "cache"), public(**cached), steps, init=False, other_apps={"second": dict(other, **cached)})
    yield scenario("stories/day", confidential(), [call("acquire_token_for_client", [app_token()], scopes=GRAPH)] + [call("acquire_token_for_client", [app_token(n)], scopes=GRAPH, after=3000, spare=True) for n in range(2, 32)])
    yield scenario("stories/user", public(), [call("initiate_device_flow", [device()], bind="flow", scopes=["User.Read"]), call("acquire_token_by_device_flow", [failed("authorization_pending"), tokens(foci="1")], flow={"$ref": "flow"}), call("get_accounts"), call("acquire_token_silent", scopes=["User.Read"], account=account()), call("acquire_token_silent", [tokens(2, scope="Mail.Read", foci="1")], scopes=["Mail.Read"], account=account()),
                                              call("acquire_token_silent", [tokens(3)], scopes=["User.Read"], account=account(), after=3400), call("acquire_token_silent_with_error", [failed("interaction_required", suberror="basic_action", claims='{"access_token":{"x":null}}')], scopes=["Files.Read"], account=account()), call("acquire_token_silent", [tokens(4)], scopes=["User.Read"], account=account(), claims_challenge='{"access_token":{"x":null}}'), call("remove_account", account=account()), call("acquire_token_silent", scopes=["User.Read"], account=account())])


def everything():
    for area in (sources, arc, detection, cloud_shell, federated, authorities, shared):
        yield from area()
