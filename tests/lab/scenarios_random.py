"""Scenarios made by chance: a few calls of one or two applications on one cache, with good and bad answers in between."""
import random

from scenarios import *
from scenarios_apps import ODD_USER_ANSWERS
from scenarios_users import begin, coded, redeem

FAR = "22223333-bbbb-4444-cccc-5555dddd6666." + TENANT
FOREIGN = "77778888-aaaa-1111-bbbb-2222cccc3333"
PLAIN = ["plain", "no_rt", "no_idt", "no_info", "no_scope", "scope_case", "scope_more", "scope_less", "foci", "info_guest", "idt_upn", "idt_no_tid",
         "refresh_in", "expires_text", "unknown", "interaction", "invalid_grant", "401", "500", "503", "429", "connection", "timeout", "error_200"]


def drawn(dice):
    scopes = lambda: dice.choice([["User.Read"], ["Mail.Read"], ["User.Read", "Mail.Read"], ["user.read"]])
    whose = lambda: dice.choice([account(), account(), account(environment="login.windows.net"), account(home=FAR, username="bob@contoso.com")])
    answers = lambda count: [ODD_USER_ANSWERS[dice.choice(PLAIN)] for _ in range(count)]
    apps = lambda: dice.choice([tokens_for for tokens_for in (app_token(dice.randrange(9)), app_token(refresh_in=600), app_token(expires_in=200), app_token(expires_in="7200"),
                                                              failed("invalid_client", 401), failed("x", 429), ok("x", 500), {"transport_error": "connection"}, failed("invalid_scope"))])
    entries = [person(), person(FAR, username="bob@contoso.com"), person(environment="login.windows.net"), person(realm=OTHER_TENANT), refresh(), refresh("rt-b", "Mail.Read", modified=CLOCK - 5), refresh(home=FAR), refresh("family-rt", client=FOREIGN, family_id="1"),
               refresh("alias-rt", environment="login.windows.net"), access(), access("Mail.Read User.Read"), access(expires=200), access("Mail.Read", refresh_on=str(CLOCK - 5)), access(environment="login.windows.net"), access(home=FAR), access(GRAPH[0], home=None),
               access(GRAPH[0], home=None, refresh_on=str(CLOCK - 9)), metadata(), metadata(client=FOREIGN, family_id="1"), identity(), identity(FAR)]
    before = cache(*dice.sample(entries, dice.randrange(len(entries)))) or None
    confidential_app = dice.random() < 0.5
    more = {"client_capabilities": ["CP1"]} if dice.random() < 0.2 else {}
    if dice.random() < 0.2:
        more["authority"] = "https://login.microsoftonline.com/" + dice.choice(["common", "organizations", OTHER_TENANT])
    if confidential_app and dice.random() < 0.3:
        more["azure_region"] = "westus2"
    app = confidential(dice.choice(["s", CREDENTIALS["thumbprint"], CREDENTIALS["callable_context"]]), **more) if confidential_app else public(**more)
    steps = []
    for _ in range(dice.randrange(2, 7)):
        after = dice.choice([None, None, None, 10, 70, 1000, 4000, 90000])
        kinds = ["silent", "silent", "silent_error", "forced", "claims", "accounts", "named", "remove", "import", "code"]
        kinds += ["client", "client", "obo", "drop", "forwarded", "fmi"] if confidential_app else ["device", "password"]
        kind = dice.choice(kinds)
        if kind in ("silent", "silent_error", "forced", "claims"):
            args = {"forced": {"force_refresh": True}, "claims": {"claims_challenge": '{"access_token":{"x":null}}'}}.get(kind, {})
            steps.append(call("acquire_token_silent_with_error" if kind == "silent_error" else "acquire_token_silent", answers(4), scopes=scopes(), account=whose(), after=after, spare=True, **args))
        elif kind in ("accounts", "named"):
            steps.append(call("get_accounts", after=after, **({"username": "Ada@Contoso.com"} if kind == "named" else {})))
        elif kind == "remove":
            steps.append(call("remove_account", account=whose(), after=after))
        elif kind == "import":
            steps.append(call("acquire_token_by_refresh_token", answers(1), refresh_token=dice.choice(["r1", "r2"]), scopes=scopes(), after=after, spare=True))
        elif kind == "code":
            name = "flow%d" % len(steps)
            nonce = {"$sha256hex": name + ".nonce"}
            steps += [begin(name, scopes=scopes()), redeem([dice.choice([coded(3, nonce), coded(4, nonce, foci="1"), failed("invalid_grant"), ok("x", 503)])], {"code": "c", "state": {"$ref": name + ".state"}}, {"$ref": name})]
        elif kind in ("client", "forwarded", "fmi"):
            args = {"forwarded": {"forwarded_client_claims": '{"a":1}'}, "fmi": {"fmi_path": "a/b"}}.get(kind, {})
            steps.append(call("acquire_token_for_client", [apps(), apps()], scopes=dice.choice([GRAPH, ["api/.default"]]), after=after, spare=True, **args))
        elif kind == "obo":
            steps.append(call("acquire_token_on_behalf_of", answers(1), user_assertion=dice.choice(["u", "v"]), scopes=scopes(), after=after, spare=True))
        elif kind == "drop":
            steps.append(call("remove_tokens_for_client", after=after))
        elif kind == "password":
            steps.append(call("acquire_token_by_username_password", answers(1), username=dice.choice(["ada@contoso.com", "bob@contoso.com"]), password="p", scopes=scopes(), after=after, spare=True))
        elif kind == "device":
            name = "flow%d" % len(steps)
            polled = [failed("authorization_pending")] * dice.randrange(3) + [dice.choice([tokens(6), tokens(7, foci="1"), failed("expired_token"), failed("invalid_grant")])]
            steps += [call("initiate_device_flow", [device()], bind=name, scopes=scopes(), after=after), call("acquire_token_by_device_flow", polled, flow={"$ref": name}, spare=True)]
    return app, steps, before


def everything():
    for seed in range(1500):
        app, steps, before = drawn(random.Random(seed))
        yield scenario("stories/random/%04d" % seed, app, steps, before, env={"REGION_NAME": "westus2"} if "azure_region" in app else {})
