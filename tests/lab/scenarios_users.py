"""People: sign-in by code, device and password, silent calls, accounts, the token cache, ID tokens."""
import base64

from scenarios import *
from scenarios_apps import ODD_USER_ANSWERS


def coded(n=1, nonce={"$sha256hex": "flow.nonce"}, idt=(), drop=(), **changes):
    made = dict(body(n), id_token={"$id_token": {"claims": dict(claims(**dict(idt)), **({"nonce": nonce} if nonce else {}))}})
    made.update(changes)
    return {"status": 200, "headers": JSON_HEADERS, "body": {"$json": {key: value for key, value in made.items() if key not in drop}}}


def unpacked(token):
    """The claims in a token, if there are any."""
    try:
        part = token.split(".")[1]
        payload = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (AttributeError, IndexError, ValueError):
        return None
    return payload if isinstance(payload, dict) else None


def begin(bind="flow", **args):
    return call("initiate_auth_code_flow", bind=bind, **dict({"scopes": ["User.Read"], "redirect_uri": "https://app.example/cb", "response_mode": "form_post"}, **args))


def redeem(answers=(), response=None, flow=None, **args):
    return call("acquire_token_by_auth_code_flow", answers, spare=True, auth_code_flow=flow or {"$ref": "flow"},
                auth_response=response or {"code": "the-code", "state": {"$ref": "flow.state"}}, **args)


def by_authority():
    for kind in AUTHORITIES:
        app, both = at_authority(public(), kind), at_authority(confidential(), kind)
        yield scenario("auth_code/authority/" + kind, app, [begin(), redeem([coded()]), call("get_accounts"),
                                                            call("acquire_token_silent", scopes=["User.Read"], account=account())])
        yield scenario("auth_code/confidential/authority/" + kind, both, [begin(), redeem([coded()]), call("get_accounts")])
        yield scenario("device_code/authority/" + kind, app, [
            call("initiate_device_flow", [device()], bind="flow", scopes=["User.Read"]),
            call("acquire_token_by_device_flow", [tokens()], flow={"$ref": "flow"}, spare=True), call("get_accounts")])
        yield scenario("ropc/authority/" + kind, app, [
            call("acquire_token_by_username_password", [tokens()], username="ada@contoso.com", password="p", scopes=["User.Read"]),
            call("acquire_token_by_username_password", [tokens(2)], username="bob@contoso.com", password="p", scopes=["User.Read"]), call("get_accounts")])
        yield scenario("rt_migration/authority/" + kind, app, [
            call("acquire_token_by_refresh_token", [tokens()], refresh_token="old-rt", scopes=["User.Read"]), call("get_accounts")])
        host = AUTHORITIES[kind].get("authority", AUTHORITIES[kind].get("oidc_authority", AUTHORITY)).split("/")[2].split(":")[0]
        realm = TENANT if TENANT in str(AUTHORITIES[kind]) else str(AUTHORITIES[kind].get("authority", "/")).rstrip("/").split("/")[-1]
        before = cache(person(environment=host, realm=realm), refresh(environment=host), metadata(host), access(environment=host, realm=realm))
        yield scenario("silent/authority/" + kind, app, [
            call("get_accounts"), call("acquire_token_silent", [tokens()], scopes=["User.Read"], account=account(environment=host, realm=realm), spare=True),
            call("acquire_token_silent", [tokens(2)], scopes=["Mail.Read"], account=account(environment=host, realm=realm), spare=True),
            call("remove_account", account=account(environment=host, realm=realm)), call("get_accounts")], before)
        yield scenario("interactive/authority/" + kind, app, [interactive([coded(nonce={"$ref": "browser.nonce"})])])
        yield scenario("auth_code/legacy/authority/" + kind, app, [
            call("get_authorization_request_url", scopes=["User.Read"], redirect_uri="https://app.example/cb", state="st", nonce="n"),
            call("acquire_token_by_authorization_code", [tokens(id_token=id_token(claims(nonce="n")))], code="c", scopes=["User.Read"], redirect_uri="https://app.example/cb", nonce="n")])


BROUGHT = {"code": "browser-code", "state": {"$ref": "browser.state"}}


def interactive(answers=(), response=BROUGHT, **args):
    given = {"bind": "browser", "auth_response": response}
    made = call("acquire_token_interactive", answers, spare=True, browser=given, **dict({"scopes": ["User.Read"], "port": 8400}, **args))
    made["args"]["browser"] = {"$callable": "browser"}
    return made


def interactive_arguments():
    for name, args in {"prompt": {"prompt": "select_account"}, "login": {"login_hint": "ada@contoso.com"}, "domain": {"domain_hint": "organizations"},
                       "claims": {"claims_challenge": '{"id_token":{"x":null}}'}, "max_age": {"max_age": 60}, "consent": {"extra_scopes_to_consent": ["Mail.Read"]},
                       "all": {"prompt": "login", "login_hint": "a", "domain_hint": "b", "max_age": 0}, "scopes_none": {"scopes": []}, "timeout": {"timeout": 60},
                       "two": {"scopes": ["b", "a"]}, "reserved": {"scopes": ["openid"]}}.items():
        idt = {"auth_time": CLOCK} if "max_age" in args else {}
        for cap in (None, ["CP1"]):
            yield scenario("interactive/arguments/%s/%s" % (name, "caps" if cap else "plain"), public(client_capabilities=cap), [
                interactive([coded(nonce={"$ref": "browser.nonce"}, idt=idt)], **args), call("get_accounts")])
    for name, response in {"no_state": {"code": "c"}, "no_code": {"state": {"$ref": "browser.state"}}, "empty": {}, "error": {"error": "access_denied", "state": {"$ref": "browser.state"}},
                           "error_no_state": {"error": "x"}, "info": {"code": "c", "state": {"$ref": "browser.state"}, "client_info": CLIENT_INFO},
                           "info_bad": {"code": "c", "state": {"$ref": "browser.state"}, "client_info": "%%"}}.items():
        yield scenario("interactive/response/" + name, public(), [interactive([coded(nonce={"$ref": "browser.nonce"})], response)])
    yield scenario("interactive/nobody_comes_back", public(), [interactive([], None), interactive([], None, timeout=1), call("get_accounts")])
    yield scenario("interactive/twice", public(), [interactive([coded(nonce={"$ref": "browser.nonce"})]), call("acquire_token_silent", scopes=["User.Read"], account=account()), interactive([coded(2, nonce={"$ref": "browser.nonce"})], scopes=["Mail.Read"], login_hint="ada@contoso.com")])
    yield scenario("interactive/nonce_mismatch", public(), [interactive([coded(nonce="other")])])
    yield scenario("interactive/token_error", public(), [interactive([failed("invalid_grant", suberror="x")])])
    yield scenario("interactive/confidential", confidential(), [interactive([coded(nonce={"$ref": "browser.nonce"})])])


def auth_code():
    for name, args in {"prompt_none": {"prompt": "none"}, "prompt_create": {"prompt": "create"}, "prompt_odd": {"prompt": "x y"}, "login": {"login_hint": "ada@contoso.com"}, "login_unicode": {"login_hint": "ädä+x@contoso.com"},
                       "domain": {"domain_hint": "consumers"}, "state": {"state": "own state &="}, "no_redirect": {"redirect_uri": None}, "query": {"response_mode": "query"}, "fragment": {"response_mode": "fragment"},
                       "mode_none": {"response_mode": None}, "mode_odd": {"response_mode": "x"}, "max_age": {"max_age": 0}, "max_age_60": {"max_age": 60}, "max_age_text": {"max_age": "60"}, "max_age_negative": {"max_age": -1}, "claims": {"claims_challenge": '{"id_token":{"x":null}}'},
                       "claims_bad": {"claims_challenge": "{"}, "claims_empty": {"claims_challenge": ""}, "redirect_query": {"redirect_uri": "https://app.example/cb?x=1&y=ü"}, "redirect_custom": {"redirect_uri": "msal://auth"}, "state_empty": {"state": ""},
                       "scopes": {"scopes": ["b", "a", "a"]}, "scopes_empty": {"scopes": []}, "scopes_tuple": {"scopes": {"$tuple": ["a"]}}, "scope_url": {"scopes": ["https://graph.microsoft.com/User.Read"]}, "scope_client": {"scopes": [CLIENT]},
                       "prompt_empty": {"prompt": ""}, "login_empty": {"login_hint": "", "domain_hint": ""}}.items():
        for cap in (None, ["CP1", "X"]):
            yield scenario("auth_code/arguments/%s/%s" % (name, "caps" if cap else "plain"), public(client_capabilities=cap), [
                begin(**args), redeem([coded(idt={"auth_time": CLOCK})])])
    for name, answer in ODD_USER_ANSWERS.items():
        made = json.loads(answer["body"]) if answer.get("body", "").startswith("{") else None
        payload = unpacked(made.get("id_token")) if made else None
        if payload:
            made["id_token"] = {"$id_token": {"claims": dict({"nonce": {"$sha256hex": "flow.nonce"}}, **payload)}}
            answer = dict(answer, body={"$json": made})
        yield scenario("auth_code/answer/" + name, public(), [begin(), redeem([answer]), call("get_accounts"), begin("flow2")])
        yield scenario("device_code/answer/" + name, public(), [call("initiate_device_flow", [device()], bind="flow", scopes=["User.Read"]),
                                                                 call("acquire_token_by_device_flow", [ODD_USER_ANSWERS[name]], flow={"$ref": "flow"}, exit_condition={"$callable": {"always": True}}), call("get_accounts")])
        yield scenario("ropc/answer/" + name, public(), [call("acquire_token_by_username_password", [ODD_USER_ANSWERS[name]], username="ada@contoso.com", password="p", scopes=["User.Read"]), call("get_accounts")])
        yield scenario("rt_migration/answer/" + name, public(), [call("acquire_token_by_refresh_token", [ODD_USER_ANSWERS[name]], refresh_token="r", scopes=["User.Read"]), call("get_accounts")])
        for method in ("acquire_token_silent", "acquire_token_silent_with_error"):
            yield scenario("silent/answer/%s/%s" % (name, "error" if "with" in method else "plain"), public(), [
                call(method, [ODD_USER_ANSWERS[name]], scopes=["User.Read"], account=account()), call(method, [tokens(2)], scopes=["User.Read"], account=account(), spare=True),
                call("get_accounts")], signed_in())
    state = {"$ref": "flow.state"}
    responses = {"no_state": {"code": "c"}, "state_empty": {"code": "c", "state": ""}, "state_other": {"code": "c", "state": "x"}, "error": {"error": "e", "error_description": "d", "error_uri": "u", "state": state, "x": "y"},
                 "error_other_state": {"error": "e", "state": "x"}, "error_empty": {"error": "", "state": state}, "empty": {}, "info": {"code": "c", "state": state, "client_info": CLIENT_INFO},
                 "info_bad": {"code": "c", "state": state, "client_info": "%%"}, "info_empty": {"code": "c", "state": state, "client_info": ""}, "info_no_uid": {"code": "c", "state": state, "client_info": b64u(b'{"utid":"x"}')}, "info_list": {"code": "c", "state": state, "client_info": b64u(b"[]")},
                 "code_empty": {"code": "", "state": state}, "code_null": {"code": None, "state": state}, "unicode": {"code": "ü &+%", "state": state}, "iss": {"code": "c", "state": state, "iss": "https://evil.example"}, "cloud": {"code": "c", "state": state, "cloud_instance_name": "microsoftonline.us", "cloud_instance_host_name": "login.microsoftonline.us"},
                 "list_code": {"code": ["c"], "state": state}}
    for name, response in responses.items():
        yield scenario("auth_code/response/again/" + name, confidential(), [begin(), redeem([coded()], response)])
    for name, flow in {"no_state": {"drop": ["state"]}, "no_verifier": {"drop": ["code_verifier"]}, "no_nonce": {"drop": ["nonce"]}, "no_redirect": {"drop": ["redirect_uri"]}, "no_scope": {"drop": ["scope"]}, "no_uri": {"drop": ["auth_uri"]},
                       "other_redirect": {"set": {"redirect_uri": "https://evil.example"}}, "other_nonce": {"set": {"nonce": "x"}}, "other_scope": {"set": {"scope": ["Mail.Read"]}}, "claims": {"set": {"claims_challenge": '{"a":1}'}}, "more": {"set": {"x": 1}}, "no_claims": {"drop": ["claims_challenge"]}}.items():
        yield scenario("auth_code/flow/" + name, public(), [begin(), redeem([coded()], flow=dict({"$ref": "flow"}, **flow))])
    for name, scopes in {"same": ["User.Read"], "empty": [], "more": ["User.Read", "Mail.Read"], "reserved": ["openid"], "text": "User.Read"}.items():
        yield scenario("auth_code/redeem_scopes/" + name, public(), [begin(), redeem([coded()], scopes=scopes)])
    for name, idt, age in (("fresh", {"auth_time": CLOCK - 10}, 60), ("edge", {"auth_time": CLOCK - 180}, 60), ("over", {"auth_time": CLOCK - 181}, 60), ("missing", {}, 60), ("text", {"auth_time": str(CLOCK)}, 60), ("zero", {"auth_time": CLOCK - 100}, 0), ("future", {"auth_time": CLOCK + 1000}, 60), ("iat", {"iat": CLOCK - 1000}, 60)):
        yield scenario("auth_code/max_age/again/" + name, public(), [begin(max_age=age), redeem([coded(idt=idt)])])
    yield scenario("auth_code/twice", public(), [begin(claims_challenge='{"a":1}'), redeem([coded()]), redeem([coded(2)])])
    yield scenario("auth_code/other_app", public(), [begin(), {"call": "__init__", "args": {}, "on": "second"}, dict(redeem([coded()]), on="second")], other_apps={"second": public(client_id="77778888-aaaa-1111-bbbb-2222cccc3333")})
    for name, args in {"login": {"login_hint": "ada@contoso.com"}, "all": {"login_hint": "a", "prompt": "login", "domain_hint": "d", "state": "s", "nonce": "n", "claims_challenge": '{"a":1}'}, "token": {"response_type": "token"}, "id_token": {"response_type": "id_token", "nonce": "n"}, "none": {},
                       "mode": {"response_mode": "form_post"}}.items():
        for cap in (None, ["CP1"]):
            yield scenario("auth_code/legacy/url/%s/%s" % (name, "caps" if cap else "plain"), public(client_capabilities=cap), [call("get_authorization_request_url", scopes=["User.Read"], **args)])
    for name, args in {"plain": {}, "nonce": {"nonce": "n"}, "nonce_other": {"nonce": "x"}, "claims": {"claims_challenge": '{"a":1}'}, "forwarded": {"forwarded_client_claims": '{"b":1}'}, "empty_scopes": {"scopes": []}, "tuple": {"scopes": {"$tuple": ["a"]}}, "data": {"data": {"x": "y"}}}.items():
        yield scenario("auth_code/legacy/redeem_again/" + name, confidential(client_capabilities=["CP1"]), [
            call("acquire_token_by_authorization_code", [tokens(id_token=id_token(claims(nonce="n")))], code="c", spare=True, **dict({"scopes": ["User.Read"]}, **args))])


def device_code():
    for name, answer in {"no_interval": device(["interval"]), "no_expires": device(["expires_in"]), "text": device(interval="5", expires_in="900"), "float": device(interval=2.5), "zero": device(interval=0), "negative": device(interval=-1), "big": device(interval=1000), "short": device(expires_in=7),
                         "complete": device(verification_uri_complete="https://x/?c=1"), "old_uri": device(["verification_uri"], verification_url="https://x"), "no_uri": device(["verification_uri"]), "no_user_code": device(["user_code"]), "no_message": device(["message"]), "unknown": device(x=[1]), "expires_zero": device(expires_in=0),
                         "null_interval": device(interval=None), "error": failed("invalid_client", 401), "error_200": ok({"error": "x"}), "html": ok("<html/>"), "500": ok("x", 500), "empty": ok({}), "list": ok("[]"), "connection": {"transport_error": "connection"}, "302": ok("{}", 302), "400": failed("x"), "429": failed("x", 429)}.items():
        pending = failed("authorization_pending")
        yield scenario("device_code/initiate/" + name, public(), [call("initiate_device_flow", [answer], bind="flow", scopes=["User.Read"])] + (
            [call("acquire_token_by_device_flow", [pending, pending, tokens()], flow={"$ref": "flow"}, spare=True)] if "user_code" in answer.get("body", "") else []))
    p, s = failed("authorization_pending"), failed("slow_down")
    for name, answers in {"pppp": [p, p, p, p, tokens()], "spsp": [s, p, s, p, tokens()], "declined": [p, failed("authorization_declined")], "access_denied": [p, failed("access_denied")], "expired": [p, failed("expired_token")], "bad_code": [failed("bad_verification_code")],
                          "code_expired": [p, failed("code_expired")], "pending_200": [failed("authorization_pending", 200), tokens()], "pending_401": [failed("authorization_pending", 401), tokens()], "pending_429": [failed("authorization_pending", 429), tokens()], "slow_429": [failed("slow_down", 429, {"Retry-After": "3"}), tokens(), tokens()],
                          "connection": [p, {"transport_error": "connection"}], "timeout": [{"transport_error": "timeout"}], "html": [p, ok("<html/>")], "500": [p, ok("x", 500)], "503": [failed("authorization_pending", 503)], "empty": [ok({})], "no_description": [ok({"error": "authorization_pending"}, 400), tokens()],
                          "interval_member": [failed("slow_down", interval=11), tokens()], "case": [failed("Authorization_Pending")], "suberror": [failed("authorization_pending", suberror="x"), failed("invalid_grant", suberror="y", claims='{"a":1}')]}.items():
        for cap in (None, ["CP1"]):
            yield scenario("device_code/polling/%s/%s" % (name, "caps" if cap else "plain"), public(client_capabilities=cap), [
                call("initiate_device_flow", [device()], bind="flow", scopes=["User.Read"]), call("acquire_token_by_device_flow", answers, flow={"$ref": "flow"}, spare=True), call("get_accounts")])
    yield scenario("device_code/twice", public(), [call("initiate_device_flow", [device()], bind="flow", scopes=["User.Read"]), call("acquire_token_by_device_flow", [p], flow={"$ref": "flow"}, exit_condition={"$callable": {"always": True}}),
                                                   call("acquire_token_by_device_flow", [s], flow={"$ref": "flow"}, exit_condition={"$callable": {"always": True}}), call("acquire_token_by_device_flow", [tokens()], after=20, flow={"$ref": "flow"}), call("acquire_token_by_device_flow", [failed("invalid_grant")], flow={"$ref": "flow"})])
    for name, change in {"no_code": {"drop": ["device_code"]}, "no_interval": {"drop": ["interval"]}, "interval": {"set": {"interval": 1}}, "no_correlation": {"drop": ["_correlation_id"]}, "code": {"set": {"device_code": "other"}}}.items():
        yield scenario("device_code/flow/" + name, public(), [call("initiate_device_flow", [device()], bind="flow", scopes=["User.Read"]), call("acquire_token_by_device_flow", [p, tokens()], flow=dict({"$ref": "flow"}, **change), spare=True)])
    for name, args in {"claims": {"claims_challenge": '{"access_token":{"a":null}}'}, "empty": {"scopes": []}, "two": {"scopes": ["b", "a"]}, "tuple": {"scopes": {"$tuple": ["a"]}}, "text": {"scopes": "a"}, "data": {"data": {"x": "1"}}}.items():
        given = dict({"scopes": ["User.Read"]}, **args)
        yield scenario("device_code/arguments/" + name, public(client_capabilities=["CP1"]), [call("initiate_device_flow", [device()], bind="flow", spare=True, **given)])


def silent():
    far = "22223333-bbbb-4444-cccc-5555dddd6666." + TENANT
    foreign = "77778888-aaaa-1111-bbbb-2222cccc3333"
    caches = {
        "expired": signed_in(access(expires=-1)), "edge_299": signed_in(access(expires=299)), "edge_300": signed_in(access(expires=300)), "edge_301": signed_in(access(expires=301)), "hit": signed_in(access()),
        "aging": signed_in(access(refresh_on=str(CLOCK - 1))), "aging_now": signed_in(access(refresh_on=str(CLOCK))), "aging_later": signed_in(access(refresh_on=str(CLOCK + 1))), "aging_no_rt": cache(person(), metadata(), access(refresh_on=str(CLOCK - 1))),
        "superset": signed_in(access("Mail.Read User.Read openid")), "superset_case": signed_in(access("Mail.Read user.read")), "exact_case": signed_in(access("user.read")), "two": signed_in(access("User.Read a", "at-a"), access("User.Read b", "at-b")),
        "two_first_expired": signed_in(access("User.Read a", "at-a", expires=-5), access("User.Read b", "at-b")), "other_realm": signed_in(access(realm=OTHER_TENANT)), "other_home": signed_in(access(home=far)), "other_client": signed_in(access(client=foreign)),
        "numeric": signed_in(access(expires_on=CLOCK + 3000, cached_at=CLOCK)), "no_type": signed_in(access(drop=["token_type"])), "pop": signed_in(access(token_type="pop", key_id="k")), "type_case": signed_in(access(token_type="bearer")), "home_case": signed_in(access(home=HOME.upper())),
        "rt_only": cache(refresh()), "rt_no_metadata": cache(person(), refresh()), "rt_foreign_family": cache(person(), refresh(client=foreign, family_id="1")), "rt_foreign_family_metadata": cache(person(), refresh(client=foreign, family_id="1"), metadata(family_id="1")),
        "rt_both": cache(person(), refresh("family", client=foreign, family_id="1", modified=CLOCK), refresh("own"), metadata(family_id="1")), "rt_both_no_metadata": cache(person(), refresh("family", client=foreign, family_id="1", modified=CLOCK), refresh("own")),
        "rt_family_metadata_empty": cache(person(), refresh(client=foreign, family_id="1"), metadata(family_id="")), "rt_family_2": cache(person(), refresh(client=foreign, family_id="2"), metadata(family_id="2")), "rt_own_family": cache(person(), refresh(family_id="1"), metadata(family_id="1")),
        "rt_three": cache(person(), metadata(), refresh("r1", "a", modified=CLOCK - 10), refresh("r2", "b", modified=CLOCK - 5), refresh("r3", "c", modified=CLOCK - 20)), "rt_same_time": cache(person(), metadata(), refresh("r1", "a"), refresh("r2", "b")),
        "rt_no_time": cache(person(), metadata(), refresh("r1", "a", drop=["last_modification_time"]), refresh("r2", "b")), "rt_numeric_time": cache(person(), metadata(), refresh("r1", "a", last_modification_time=CLOCK), refresh("r2", "b")), "rt_no_target": cache(person(), metadata(), refresh(drop=["target"])), "rt_null_target": cache(person(), metadata(), refresh(target=None)),
        "rt_other_home": cache(person(), metadata(), refresh(home=far)), "alias_all": cache(person(environment="login.windows.net"), refresh(environment="login.windows.net"), access(environment="login.windows.net"), metadata("login.windows.net")),
        "alias_sts": cache(person(environment="sts.windows.net"), refresh(environment="sts.windows.net"), metadata("sts.windows.net")), "alias_rt_only": cache(person(), refresh(environment="login.microsoft.com")), "alias_at_expired": cache(person(), refresh(), metadata(), access(environment="login.windows.net", expires=-1)),
        "alias_both": cache(person(), refresh(), metadata(), access("Other"), access(environment="login.windows.net")), "alias_us": cache(person(environment="login.microsoftonline.us"), refresh(environment="login.microsoftonline.us")), "empty": None, "unknown_sections": dict(signed_in(), Extra={"a": 1}), "empty_sections": {"AccessToken": {}, "RefreshToken": {}, "Account": {}},
        "dotnet": cache(person(alternative_account_id=None, wam_account_ids=None, client_info=CLIENT_INFO, name="Ada", family_name="L", given_name="A"), refresh(client_info=CLIENT_INFO, family_id="", drop=["last_modification_time"]), access("User.Read openid profile email", cached_at=str(CLOCK), client_info=CLIENT_INFO), metadata(family_id="")),
        "java": cache(person(name="Ada", client_info=CLIENT_INFO), refresh(drop=["last_modification_time", "target"]), access("User.Read", drop=["token_type"], extended_expires_on="0", refresh_on="0"), metadata(family_id=None)),
        "cli": cache(person(client_id=foreign), refresh(client="04b07795-8ddb-461a-bbee-02f9e1bf7b46", family_id="1"), access(client="04b07795-8ddb-461a-bbee-02f9e1bf7b46"), metadata(client="04b07795-8ddb-461a-bbee-02f9e1bf7b46", family_id="1")),
        "float_refresh_on": signed_in(access(refresh_on=CLOCK - 1)), "null_members": signed_in(access(refresh_on=None)), "home_null": signed_in(access(home=None)),
    }
    bad = failed("invalid_grant", suberror="bad_token")
    aging = signed_in(access(refresh_on=str(CLOCK - 1)))
    for name, answer in {"500": ok("x", 500), "503": failed("x", 503, {"Retry-After": "5"}), "429": failed("x", 429), "html": ok("<html/>"), "html_400": ok("<html/>", 400), "timeout": {"transport_error": "timeout"}, "interaction": failed("interaction_required", claims='{"a":1}')}.items():
        for method in ("acquire_token_silent", "acquire_token_silent_with_error"):
            yield scenario("silent/aging/%s/%s" % (name, "error" if "with" in method else "plain"), public(), [call(method, [answer], scopes=["User.Read"], account=account()), call(method, [tokens(2)], scopes=["User.Read"], account=account(), spare=True, after=70)], aging)
    for name, ending in {"empty": "", "text": "x", "float": "%d.5" % (CLOCK + 3000), "null": None}.items():
        yield scenario("silent/bad_ending/" + name, public(), [call("acquire_token_silent", [], scopes=["User.Read"], account=account())], cache(person(), metadata(), access(expires_on=ending)))
        yield scenario("client_credentials/bad_ending/" + name, confidential(), [call("acquire_token_for_client", [], scopes=GRAPH)], cache(access(GRAPH[0], home=None, expires_on=ending)))
    for name, before in caches.items():
        yield scenario("silent/cache/%s/success" % name, public(), [call("get_accounts", spare=True), call("acquire_token_silent", [tokens(foci="1")], scopes=["User.Read"], account=account(), spare=True), call("acquire_token_silent", [tokens(2)], scopes=["Mail.Read"], account=account(), spare=True)], before)
        yield scenario("silent/cache/%s/error" % name, public(), [call("acquire_token_silent_with_error", [bad, bad, bad, bad, bad], scopes=["User.Read"], account=account(), spare=True), call("acquire_token_silent", [bad, bad, bad, bad, bad], scopes=["Mail.Read"], account=account(), after=70, spare=True)], before)
        yield scenario("silent/cache/%s/forced" % name, public(), [call("acquire_token_silent", [tokens(), tokens(2), tokens(3)], scopes=["User.Read"], account=account(), force_refresh=True, spare=True), call("remove_account", account=account()), call("get_accounts")], before)
        yield scenario("silent/cache/%s/connection" % name, public(), [call("acquire_token_silent", [{"transport_error": "connection"}], scopes=["User.Read"], account=account(), spare=True)], before)
        yield scenario("silent/cache/%s/tenant" % name, public(authority="https://login.microsoftonline.com/" + OTHER_TENANT), [call("get_accounts"), call("acquire_token_silent", [tokens()], scopes=["User.Read"], account=account(), spare=True)], before)
    for name, args in {"claims": {"claims_challenge": '{"a":1}'}, "forced_error": {"force_refresh": True}, "no_account": {"account": None}, "scopes_empty": {"scopes": []}, "scopes_two": {"scopes": ["User.Read", "Mail.Read"]}, "reserved": {"scopes": ["openid"]}, "reserved_mixed": {"scopes": ["User.Read", "profile"]}, "tuple": {"scopes": {"$tuple": ["User.Read"]}},
                       "set": {"scopes": {"$set": ["User.Read"]}}, "text": {"scopes": "User.Read"}, "correlation": {"correlation_id": "11112222-3333-4444-5555-666677778888"}, "authority": {"authority": "https://login.microsoftonline.com/" + OTHER_TENANT}, "spaces": {"scopes": ["User.Read Mail.Read"]}, "case": {"scopes": ["USER.READ"]},
                       "claims_bad": {"claims_challenge": "{"}, "account_minimal": {"account": {"home_account_id": HOME, "environment": WORLD}}, "account_no_home": {"account": {"environment": WORLD, "username": "ada@contoso.com"}}, "account_other_environment": {"account": account(environment="login.windows.net")}, "account_us": {"account": account(environment="login.microsoftonline.us")},
                       "account_other": {"account": account(home=far)}, "data": {"data": {"x": "1"}}}.items():
        for cap in (None, ["CP1"]):
            given = dict({"scopes": ["User.Read"], "account": account()}, **args)
            yield scenario("silent/arguments/%s/%s/hit" % (name, "caps" if cap else "plain"), public(client_capabilities=cap), [call("acquire_token_silent", [tokens()], spare=True, **given)], signed_in(access()))
            yield scenario("silent/arguments/%s/%s/miss" % (name, "caps" if cap else "plain"), public(client_capabilities=cap), [call("acquire_token_silent_with_error", [tokens()], spare=True, **given)], signed_in())
    for sub in ("message_only", "additional_action", "basic_action", "user_password_expired", "consent_required", "protection_policy_required", "client_mismatch", "device_authentication_failed", "bad_token", "token_expired", "other", None):
        for error in ("invalid_grant", "interaction_required", "invalid_client", "temporarily_unavailable", "login_required", "consent_required"):
            if error != "invalid_grant" and sub not in ("basic_action", None):
                continue
            yield scenario("silent/suberror/again/%s/%s" % (error, sub), public(), [call("acquire_token_silent_with_error", [failed(error, suberror=sub, error_codes=[70000], claims='{"a":1}', correlation_id="c", trace_id="t", timestamp="x")], scopes=["User.Read"], account=account())], signed_in())
    for name, more in {"client_mismatch": {"error_additional_info": ["client_mismatch"]}, "other": {"error_additional_info": ["x"]}, "text": {"error_additional_info": "client_mismatch"}}.items():
        two = cache(person(), refresh("family1", "a", client=foreign, family_id="1"), refresh("family2", "b", client=foreign, family_id="1", modified=CLOCK - 5), refresh("own"))
        yield scenario("silent/foci/again/" + name, public(), [call("acquire_token_silent_with_error", [failed("invalid_grant", **more)] * 3, scopes=["User.Read"], account=account(), spare=True)], two)
    yield scenario("silent/concurrent_family", public(), [call("acquire_token_silent", [tokens(foci="1")], scopes=["User.Read"], account=account()), call("acquire_token_silent", [tokens(2, foci="1")], scopes=["Mail.Read"], account=account())], cache(person(), refresh(client=foreign, family_id="1"), metadata(family_id="1")))


def accounts():
    far, guest = "22223333-bbbb-4444-cccc-5555dddd6666." + TENANT, OID + "." + OTHER_TENANT
    caches = {
        "two": cache(person(), person(far, username="bob@contoso.com"), refresh(), refresh(home=far), access(), access(home=far), identity(), identity(home=far)), "guest": cache(person(), person(realm=OTHER_TENANT, local_account_id="guest", username="ada_contoso.com#EXT#@fabrikam.com")),
        "guest_home": cache(person(), person(guest)), "environments": cache(person(), person(environment="login.microsoftonline.us"), person(environment="login.windows.net")), "us_only": cache(person(environment="login.microsoftonline.us")), "windows_only": cache(person(environment="login.windows.net")),
        "no_username": cache(person(drop=["username"])), "null_username": cache(person(username=None)), "empty_username": cache(person(username="")), "no_type": cache(person(drop=["authority_type"])), "adfs_type": cache(person(authority_type="ADFS")), "msa_type": cache(person(authority_type="MSA")), "cloudshell": cache(person(authority_type="CLOUDSHELL")),
        "no_realm": cache(person(drop=["realm"])), "no_local": cache(person(drop=["local_account_id"])), "case": cache(person(username="ADA@Contoso.com")), "source": cache(person(account_source="password")), "extra": cache(person(x=1)), "no_home": cache(person(drop=["home_account_id"])), "dotnet_case": cache(person(home=HOME.upper())),
        "tokens_no_account": cache(refresh(), access()), "several": cache(*[person("u%d.t" % n, username="u%d@x" % n) for n in range(5)]),
        "family": cache(person(), refresh(), refresh(client="77778888-aaaa-1111-bbbb-2222cccc3333", family_id="1"), refresh(client="77778888-aaaa-1111-bbbb-2222cccc3334"), access(client="77778888-aaaa-1111-bbbb-2222cccc3333"), metadata(family_id="1"), metadata(client="77778888-aaaa-1111-bbbb-2222cccc3333", family_id="1")),
        "alias_tokens": cache(person(), refresh(), access(environment="login.windows.net"), refresh(environment="login.windows.net"), identity(environment="sts.windows.net"), person(environment="login.windows.net")),
    }
    for name, before in caches.items():
        yield scenario("accounts/again/%s/list" % name, public(), [call("get_accounts"), call("get_accounts", username="ada@contoso.com"), call("get_accounts", username="ADA@CONTOSO.COM"), call("get_accounts", username="nobody"), call("get_accounts", username="")], before)
        yield scenario("accounts/again/%s/remove" % name, public(), [call("remove_account", account=account()), call("token_cache.has_state_changed"), call("get_accounts"), call("remove_account", account=account())], before)
        yield scenario("accounts/again/%s/remove_alias" % name, public(), [call("remove_account", account=account(environment="login.windows.net")), call("get_accounts")], before)
        yield scenario("accounts/again/%s/other_host" % name, public(authority="https://login.windows.net/common"), [call("get_accounts"), call("acquire_token_silent", [tokens()], scopes=["User.Read"], account=account(), spare=True)], before)
        yield scenario("accounts/again/%s/adfs" % name, public(authority="https://fs.contoso.com/adfs"), [call("get_accounts")], before)
    for name, given in {"minimal": {"home_account_id": HOME, "environment": WORLD}, "extra": account(x=1), "no_environment": {"home_account_id": HOME}, "no_home": {"environment": WORLD}}.items():
        yield scenario("accounts/remove_argument/" + name, public(), [call("remove_account", account=given), call("get_accounts")], caches["two"])


def ropc():
    for name, args in {"unicode": {"username": "ädä@contoso.com", "password": "pä ß✓"}, "empty_password": {"password": ""}, "empty_username": {"username": ""}, "guest": {"username": "a#EXT#@b.com"}, "slash": {"username": "corp\\ada"}, "plus": {"username": "a+b@contoso.com"}, "space": {"username": "a b@contoso.com"}, "question": {"username": "a?b@c"},
                       "claims": {"claims_challenge": '{"a":1}'}, "scopes": {"scopes": ["b", "a"]}, "empty_scopes": {"scopes": []}, "tuple": {"scopes": {"$tuple": ["a"]}}, "data": {"data": {"x": "1"}}, "percent": {"username": "a%20b@c"}}.items():
        for cap in (None, ["CP1"]):
            given = dict({"username": "ada@contoso.com", "password": "p", "scopes": ["User.Read"]}, **args)
            yield scenario("ropc/arguments/%s/%s" % (name, "caps" if cap else "plain"), public(client_capabilities=cap), [call("acquire_token_by_username_password", [tokens(client_info=CLIENT_INFO)], spare=True, **given), call("get_accounts")])
    for name, realm in {"404": ok("", 404), "401": ok("", 401), "unknown": ok({"account_type": "Unknown"}), "empty": ok({}), "list": ok("[]"), "managed_lower": ok({"account_type": "managed"}), "federated_nothing": ok({"account_type": "Federated"}), "null": ok("null"), "302": ok("", 302), "connection": {"transport_error": "connection"}}.items():
        yield scenario("ropc/realm/again/" + name, public(), [call("acquire_token_by_username_password", [tokens()], username="ada@contoso.com", password="p", scopes=["User.Read"], spare=True),
                                                              call("acquire_token_by_username_password", [tokens(2)], username="bob@contoso.com", password="p", scopes=["User.Read"], spare=True),
                                                              call("acquire_token_by_username_password", [tokens(3)], username="ada@contoso.com", password="p", scopes=["User.Read"], spare=True)], overrides=[{"url": "userrealm", "response": realm, "times": 9}])


def token_cache():
    for name, answer in ODD_USER_ANSWERS.items():
        if not answer.get("body", "").startswith("{") or "access_token" not in answer["body"] and "refresh_token" not in answer["body"]:
            continue
        event = {"client_id": CLIENT, "scope": ["User.Read"], "token_endpoint": AUTHORITY + "/oauth2/v2.0/token", "response": json.loads(answer["body"]), "grant_type": "authorization_code", "params": {}, "data": {}}
        yield scenario("token_cache/add/again/" + name, None, [call("token_cache.add", event=event, now=1000), call("token_cache.add", event=event, now=1001), call("token_cache.has_state_changed"), call("token_cache.search", credential_type="RefreshToken"), call("token_cache.search", credential_type="AccessToken", target=["User.Read"], query={"home_account_id": HOME})])
    base = {"client_id": CLIENT, "scope": ["User.Read"], "token_endpoint": AUTHORITY + "/oauth2/v2.0/token", "response": body(), "params": {}, "data": {}}
    for name, change in {"no_scope": {"drop": "scope"}, "scope_null": {"scope": None}, "endpoint_b2c": {"token_endpoint": "https://contoso.b2clogin.com/contoso.onmicrosoft.com/b2c_1_x/oauth2/v2.0/token"}, "endpoint_adfs": {"token_endpoint": "https://fs.contoso.com/adfs/oauth2/token/"}, "endpoint_region": {"token_endpoint": "https://westus.login.microsoft.com/%s/oauth2/v2.0/token" % TENANT},
                         "environment": {"environment": "Login.Windows.Net"}, "ssh": {"data": {"token_type": "ssh-cert", "key_id": "k", "req_cnf": "x"}}, "fmi": {"data": {"fmi_path": "a/b"}}, "claims": {"data": {"client_claims": '{"a":1}'}}, "username": {"username": "given@x"}, "data_username": {"data": {"username": "data@x"}},
                         "grant_rt": {"grant_type": "refresh_token"}, "grant_device": {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "grant_client": {"grant_type": "client_credentials"}, "grant_obo": {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "grant_saml": {"grant_type": "urn:ietf:params:oauth:grant-type:saml1_1-bearer"}, "broker": {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "_account_id": "x"}, "skip": {"skip_account_creation": True}}.items():
        event = {key: value for key, value in dict(base, **change).items() if key not in ("drop", change.get("drop"))}
        yield scenario("token_cache/add/event/" + name, None, [call("token_cache.add", event=event, now=1000), call("token_cache.search", credential_type="Account"), call("token_cache.search", credential_type="IdToken"), call("token_cache.search", credential_type="AppMetadata")])
    before = cache(access(), access("Mail.Read", "at2"), access(home=None, target="x"), refresh(), person(), identity(), metadata(), access("Old", expires=-5), access("Fmi", ext_cache_key="abc"))
    for name, args in {"all": {}, "target": {"target": ["User.Read"]}, "target_case": {"target": ["user.read"]}, "query_client": {"query": {"client_id": CLIENT}}, "query_environment_case": {"query": {"environment": "LOGIN.microsoftonline.com"}}, "query_home_null": {"query": {"home_account_id": None}}, "query_full": {"target": ["User.Read"], "query": {"client_id": CLIENT, "environment": WORLD, "realm": TENANT, "home_account_id": HOME}},
                       "query_full_case": {"target": ["USER.READ"], "query": {"client_id": CLIENT, "environment": WORLD, "realm": TENANT, "home_account_id": HOME}}, "ext": {"query": {"ext_cache_key": "abc"}}, "missing_member": {"query": {"nothing": None}}, "empty_query": {"query": {}}, "target_empty": {"target": []}, "now": {"now": CLOCK + 10000}, "two_targets": {"target": ["User.Read", "Mail.Read"]}}.items():
        for kind in ("AccessToken", "RefreshToken", "Account", "IdToken", "AppMetadata"):
            if kind != "AccessToken" and name not in ("all", "target", "query_home_null", "query_environment_case", "missing_member"):
                continue
            yield scenario("token_cache/search/again/%s/%s" % (kind, name), None, [call("token_cache.search", credential_type=kind, **args), call("token_cache.has_state_changed")], before)
    yield scenario("token_cache/modify/again", None, [call("token_cache.remove_at", at_item=access()[2]), call("token_cache.remove_rt", rt_item=refresh()[2]), call("token_cache.remove_idt", idt_item=identity()[2]), call("token_cache.remove_account", account_item=person()[2]), call("token_cache.update_rt", rt_item=refresh()[2], new_rt="x"), call("token_cache.serialize")], before)
    for name, text in {"empty_object": "{}", "null": "null", "sections": '{"AccessToken":{}}', "unknown": '{"X":{"a":{"b":1}},"Account":{}}', "white": " {} ", "text": '"x"', "number": "5", "section_list": '{"AccessToken":[]}', "entry_text": '{"AccessToken":{"a":"b"}}', "unicode": '{"Account":{"ü":{"home_account_id":"ü"}}}', "bom": "\ufeff{}", "big_number": '{"AccessToken":{"a":{"expires_on":123456789012345678901234567890}}}', "deep": '{"X":' + "[" * 50 + "]" * 50 + "}"}.items():
        yield scenario("token_cache/deserialize/again/" + name, None, [call("token_cache.deserialize", state=text), call("token_cache.has_state_changed"), call("token_cache.serialize"), call("token_cache.has_state_changed")])


def id_tokens():
    shapes = {"plain": claims(), "iat_float": claims(iat=CLOCK + 0.5), "exp_text": claims(exp=str(CLOCK)), "nbf_late": claims(nbf=CLOCK + 1000), "exp_null": dict(claims(), exp=None), "aud_list": claims(aud=["a", CLIENT]), "aud_empty": claims(aud=""), "aud_null": dict(claims(), aud=None), "iss_case": claims(iss=AUTHORITY.upper()), "nonce": claims(nonce="n"), "nonce_null": dict(claims(), nonce=None), "nested": claims(x={"a": [1, None, 1.5, True]}), "unicode": claims(name="✓"), "empty": {}}
    for name, shape in shapes.items():
        for way, args in {"none": {}, "client": {"client_id": CLIENT}, "issuer": {"issuer": AUTHORITY + "/v2.0"}, "nonce": {"nonce": "n"}, "all": {"client_id": CLIENT, "issuer": AUTHORITY + "/v2.0", "nonce": "n", "now": CLOCK}}.items():
            yield scenario("id_token/again/%s/%s" % (name, way), None, [call("decode_id_token", id_token=id_token(shape), **args)])
    for name, text in {"empty": "", "dots": "..", "four": "a.e30.c.d", "list": "a." + b64u(b"[]") + ".c", "null": "a." + b64u(b"null") + ".c", "text": "a." + b64u(b'"x"') + ".c", "not_utf8": "a." + b64u(b"\xff\xfe") + ".c", "standard_alphabet": "a.e30=.c", "spaces": "a. e30 .c", "bom": "a." + b64u(b"\xef\xbb\xbf{}") + ".c", "duplicate": "a." + b64u(b'{"a":1,"a":2}') + ".c", "nan": "a." + b64u(b'{"a":NaN}') + ".c", "big": "a." + b64u(b'{"a":12345678901234567890123,"b":1e400}') + ".c", "one_char": "a.e.c"}.items():
        yield scenario("id_token/text/" + name, None, [call("decode_id_token", id_token=text)])
    for name, text in {"empty": "", "one": "A", "plus": "-_-_", "slash": "+/+/", "padding": "QQ==", "much_padding": "QQ====", "inside": "Q=Q=", "newline": "QUJD\nREVG", "star": "QU*JD", "space": "QU JD", "umlaut": "QÜ", "json": b64u(b"{}"), "not_utf8": b64u(b"\xff")}.items():
        for encoding in ("absent", "utf-8", None):
            args = {} if encoding == "absent" else {"encoding": encoding}
            yield scenario("decode_part/again/%s/%s" % (name, encoding), None, [call("decode_part", raw=text, **args)])


def user_fic():
    for name, args in {"username": {"username": "ada@contoso.com"}, "object": {"user_object_id": OID}, "both": {"username": "a", "user_object_id": OID}, "none": {}, "empty": {"username": ""}, "claims": {"username": "a", "claims_challenge": '{"a":1}'}, "scopes": {"username": "a", "scopes": []}, "reserved": {"username": "a", "scopes": ["openid"]}, "forwarded": {"username": "a", "forwarded_client_claims": '{"b":1}'}, "bad_guid": {"user_object_id": "x"}}.items():
        for cap in (None, ["CP1"]):
            for credential in ("secret", "callable", "thumbprint"):
                if cap and credential != "secret":
                    continue
                given = dict({"assertion": "fic", "scopes": ["User.Read"]}, **args)
                yield scenario("user_fic/again/%s/%s/%s" % (name, "caps" if cap else "plain", credential), confidential(CREDENTIALS[credential], client_capabilities=cap), [
                    call("acquire_token_by_user_federated_identity_credential", [tokens()], spare=True, **given), call("get_accounts"), call("acquire_token_silent", [tokens(2)], scopes=["User.Read"], account=account(), spare=True)])


METHODS = {
    "acquire_token_by_refresh_token": {"refresh_token": "r"}, "acquire_token_by_username_password": {"username": "ada@contoso.com", "password": "p"},
    "get_authorization_request_url": {}, "initiate_auth_code_flow": {"redirect_uri": "https://app.example/cb"}, "initiate_device_flow": {},
    "acquire_token_by_authorization_code": {"code": "c"}, "acquire_token_silent": {"account": account()}, "acquire_token_silent_with_error": {"account": account()},
}


def validation():
    for method, given in METHODS.items():
        for name, scopes in {"text": "User.Read", "none": None, "number": 5, "openid": ["openid"], "two_reserved": ["openid", "profile"], "mixed": ["User.Read", "offline_access"], "empty": [], "dict": {"a": 1}, "upper_reserved": ["OpenID"], "double": ["a", "a"], "client_id": [CLIENT], "tuple": {"$tuple": ["a"]}, "set": {"$set": ["a", "b"]}}.items():
            yield scenario("input_validation/scopes/%s/%s" % (method, name), public(), [call(method, [device() if "device" in method else tokens()], scopes=scopes, spare=True, **given)], signed_in())
        if "scopes" not in given:
            yield scenario("input_validation/scopes/%s/missing" % method, public(), [call(method, [device() if "device" in method else tokens()], spare=True, **given)], signed_in())
        for name, data in {"whole": {"token_type": "ssh-cert", "req_cnf": '{"kty":"RSA"}', "key_id": "k1"}, "no_req_cnf": {"token_type": "ssh-cert", "key_id": "k1"}, "no_key_id": {"token_type": "ssh-cert", "req_cnf": "{}"}, "other_type": {"token_type": "pop"}, "empty": {}}.items():
            if method not in ("initiate_auth_code_flow", "get_authorization_request_url"):
                yield scenario("input_validation/ssh_cert/%s/%s" % (method, name), public(), [call(method, [tokens(token_type="ssh-cert", key_id="k1") if name == "whole" else tokens()], scopes=["User.Read"], data=data, spare=True, **given)], signed_in(access()))
    for name, data in {"whole": {"token_type": "ssh-cert", "req_cnf": '{"kty":"RSA"}', "key_id": "k1"}, "no_req_cnf": {"token_type": "ssh-cert", "key_id": "k1"}, "no_key_id": {"token_type": "ssh-cert", "req_cnf": "{}"}}.items():
        yield scenario("input_validation/ssh_cert/interactive/" + name, public(), [interactive([coded(nonce={"$ref": "browser.nonce"}, token_type="ssh-cert")], data=data), call("acquire_token_silent", [tokens(2)], scopes=["User.Read"], account=account(), spare=True), call("acquire_token_silent", [tokens(3)], scopes=["User.Read"], account=account(), data=data, spare=True)])
        yield scenario("input_validation/ssh_cert/auth_code_flow/" + name, public(), [begin(), redeem([coded(token_type="ssh-cert")], data=data)])
        yield scenario("input_validation/ssh_cert/device/" + name, public(), [call("initiate_device_flow", [device()], bind="flow", scopes=["User.Read"]), call("acquire_token_by_device_flow", [tokens(token_type="ssh-cert")], flow={"$ref": "flow"}, data=data, spare=True)])
    for name, app in {"capabilities_text": public(client_capabilities="CP1"), "credential_empty": public(client_credential=""), "credential_none": public(client_credential=None), "capabilities_odd": public(client_capabilities=["a", "ü"]), "authority_none": public(authority=None), "authority_empty": public(authority=""), "both": public(oidc_authority="https://idp.example/x"), "validate_none": public(validate_authority=None),
                      "exclude_none": public(exclude_scopes=None), "exclude_tuple": public(exclude_scopes={"$tuple": ["profile"]}), "exclude_empty": public(exclude_scopes=[]), "region_public": public(azure_region="westus"), "client_class": dict(public(), type="client"), "confidential_none": confidential(None), "confidential_empty": confidential("")}.items():
        yield scenario("input_validation/application/" + name, app, [call("acquire_token_by_refresh_token", [tokens()], refresh_token="r", scopes=["User.Read"], spare=True)])
    for name, args in {"lower": {"http_method": "get", "url": "https://x/y", "nonce": "n"}, "options": {"http_method": "OPTIONS", "url": "https://x/y", "nonce": "n"}, "odd": {"http_method": "FETCH", "url": "https://x/y", "nonce": "n"}, "empty": {"http_method": "", "url": "", "nonce": ""}, "none": {}, "http": {"http_method": "PUT", "url": "http://x", "nonce": "n"}, "query": {"http_method": "PATCH", "url": "https://x:8443/y?a=b#c", "nonce": "ü"}, "no_scheme": {"http_method": "HEAD", "url": "x/y", "nonce": "n"}}.items():
        yield scenario("pop_auth_scheme/again/" + name, None, [call("PopAuthScheme", **args)])


def modifying():
    before = cache(access(), access("Mail.Read", "at2"), refresh(), refresh("rt2", "Mail.Read"), person(), identity(), metadata())
    for name, steps in {
        "absent_at": [call("token_cache.remove_at", at_item=access("Absent")[2])], "absent_rt": [call("token_cache.remove_rt", rt_item=refresh(target="Absent")[2])], "absent_idt": [call("token_cache.remove_idt", idt_item=identity(realm="x")[2])],
        "absent_account": [call("token_cache.remove_account", account_item=person("x.y")[2])], "update_absent": [call("token_cache.update_rt", rt_item=refresh(target="Absent")[2], new_rt="n")], "update": [call("token_cache.update_rt", rt_item=refresh()[2], new_rt="n")],
        "at": [call("token_cache.remove_at", at_item=access()[2])], "at_twice": [call("token_cache.remove_at", at_item=access()[2]), call("token_cache.remove_at", at_item=access()[2])], "wrong_rt": [call("token_cache.remove_rt", rt_item=access()[2])], "wrong_idt": [call("token_cache.remove_idt", idt_item=access()[2])],
        "wrong_account": [call("token_cache.remove_account", account_item=access()[2])], "wrong_update": [call("token_cache.update_rt", rt_item=access()[2], new_rt="n")], "empty_at": [call("token_cache.remove_at", at_item={})], "serialize_resets": [call("token_cache.remove_at", at_item=access()[2]), call("token_cache.has_state_changed"), call("token_cache.serialize")],
        "find": [call("token_cache.find", credential_type="RefreshToken"), call("token_cache.find", credential_type="AccessToken", target=["Mail.Read"]), call("token_cache.find", credential_type="Nothing")],
    }.items():
        yield scenario("token_cache/modify/again/" + name, None, steps + [call("token_cache.has_state_changed"), call("token_cache.search", credential_type="RefreshToken")], before)
    for name, event in {"at_only": {"access_token": "a"}, "rt_only": {"refresh_token": "r"}, "nothing": {}, "error": {"error": "x"}, "at_lifetimes": {"access_token": "a", "expires_in": 10, "ext_expires_in": 20, "refresh_in": 5}, "float": {"access_token": "a", "expires_in": 10.9}, "text": {"access_token": "a", "expires_in": "10"}, "scope_spaces": {"access_token": "a", "scope": " b  a "}, "scope_tab": {"access_token": "a", "scope": "b\ta"}, "info_only": {"client_info": CLIENT_INFO}}.items():
        for scope_name, scope in {"list": ["s", "r"], "tuple": {"$tuple": ["s"]}, "none": None, "text": "s"}.items():
            yield scenario("token_cache/add/small/%s/%s" % (name, scope_name), None, [call("token_cache.add", event={"client_id": CLIENT, "scope": scope, "token_endpoint": AUTHORITY + "/oauth2/v2.0/token", "response": event}, now=1000), call("token_cache.search", credential_type="AccessToken", now=1001)])


def everything():
    for area in (validation, modifying, by_authority, interactive_arguments, auth_code, device_code, silent, accounts, ropc, token_cache, id_tokens, user_fic):
        yield from area()
