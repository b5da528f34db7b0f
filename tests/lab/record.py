#!/usr/bin/env python3
"""Records transcripts (tests/conformance/FORMAT.md) of MSAL Python: plays a script through the library and writes down what it does.

    python3 -m venv target/lab/rec && target/lab/rec/bin/pip install msal==1.39.0
    target/lab/rec/bin/python tests/lab/record.py again [NAME...]      record given transcripts again, say where they differ
    target/lab/rec/bin/python tests/lab/record.py new FOLDER [WORD]    record the scenarios of scenarios.py into a folder
    target/lab/rec/bin/python tests/lab/record.py kept                 record those of tests/conformance/recorded anew

What a new folder has: target/debug/oracle FOLDER --certs tests/certs --verbose. Some of the scenarios are there to show how the
reference crashes, or ask what cannot be written in Rust; those that come out are worth a place in tests/conformance/recorded.

A script is a transcript without results. The answers to a step's requests are its `exchanges`, in order, or `answers`:
those are for requests that no discovery endpoint answers by itself.
"""
import copy
import datetime
import glob
import hashlib
import json
import logging
import os
import re
import sys
import tempfile
import time
import uuid
import warnings
from unittest import mock
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import cryptography.x509
import jwt
import msal
import msal.application
import msal.managed_identity
import msal.oauth2cli.authcode
import msal.oauth2cli.oauth2
import msal.oauth2cli.oidc
import msal.wstrust_request
import requests

import discovery
from matchers import Known, b64u, decoded, matcher_of

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
CONFORMANCE = os.path.join(TESTS, "conformance")
JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
SIGNERS = ["certs/rsa2048.cert.pem", "certs/chain.leaf.cert.pem", "certs/rsa4096.cert.pem"]
VARIABLES = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET",
             "AZUREPS_HOST_ENVIRONMENT", "REGION_NAME", "MSAL_FORCE_REGION", "AZURE_POD_IDENTITY_AUTHORITY_HOST"]


class BadScript(Exception):
    """A script cannot be played: answers are missing or left over."""


class Response:
    """An answer as the library sees it."""

    def __init__(self, status, headers, text):
        self.status_code, self.headers, self.text = status, headers, text

    def raise_for_status(self):
        if self.status_code >= 400:
            raise requests.exceptions.HTTPError(str(self.status_code), response=self)


class Recording:
    """One scenario being played."""

    def __init__(self, script):
        self.script = script
        self.now = float(script["clock"])
        self.known = Known()
        self.shared, self.apps = {}, {}
        self.cache = msal.SerializableTokenCache()
        if script.get("cache_before") is not None:
            self.cache.deserialize(json.dumps(self.known.resolve(script["cache_before"])))
        self.pin = None
        self.uses_cache = script.get("app") is not None
        self.step, self.refused = None, False

    # -- the world ---------------------------------------------------------
    def time(self):
        return self.now

    def datetime(self):
        recording = self

        class Frozen(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return cls.fromtimestamp(recording.now, tz or datetime.timezone.utc)

            @classmethod
            def utcnow(cls):
                return cls.utcfromtimestamp(recording.now)
        return Frozen

    def sleep(self, seconds):
        self.now += seconds
        waits = self.step["out"].setdefault("waits", [])
        if self.step["slept"] and waits:
            waits[-1] += seconds
        else:
            waits.append(seconds)
        self.step["slept"] = True

    def uuid4(self):
        return self.known.new_uuid()

    def get(self, url, params=None, headers=None, **kwargs):
        return self.exchange("GET", url, params, headers, None)

    def post(self, url, params=None, data=None, headers=None, **kwargs):
        return self.exchange("POST", url, params, headers, data)

    def close(self):
        pass

    def exchange(self, method, url, params, headers, data):
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        query.update({k: str(v) for k, v in (params or {}).items() if v is not None})
        plain = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        request = {"method": method, "url": plain}
        if query:
            request["query"] = {k: self.field(k, v) for k, v in query.items()}
        request["headers"] = {k: self.header(k, v) for k, v in (headers or {}).items()}
        if isinstance(data, dict):
            texts = {k: v.decode() if isinstance(v, bytes) else str(v) for k, v in data.items() if v is not None}
            request["form"] = {k: self.field(k, v) for k, v in texts.items()}
        elif data is not None:
            text = data.decode() if isinstance(data, bytes) else data
            request["body"] = {"$xml": self.known.blank_uuids(text)} if text.lstrip().startswith("<") else text
        if self.pin:
            request["tls_pin_sha1"] = self.pin
        self.step["slept"] = False
        answer = self.answer(method, plain, query)
        at = self.now - self.script["clock"]
        self.step["out"]["exchanges"].append({"at": int(at) if at == int(at) else at, "request": request, "response": answer})
        kind = answer.get("transport_error")
        if kind:
            error = {"connection": requests.exceptions.ConnectionError, "timeout": requests.exceptions.Timeout}[kind]("scripted")
            error.scripted = True
            raise error
        return Response(answer["status"], dict(answer["headers"]), self.known.body(answer["body"]))

    def answer(self, method, url, query):
        if self.step["order"] is not None:
            if not self.step["order"]:
                raise BadScript("no answer left for %s %s" % (method, url))
            return self.step["order"].pop(0)
        for rule in self.script.get("overrides", []):
            if re.search(rule["url"], url) and rule.get("times", 1) > 0:
                rule["times"] = rule.get("times", 1) - 1
                return rule["response"]
        own = discovery.answer(method, url, query)
        if own is not None:
            return {"status": 200, "headers": JSON_HEADERS, "body": json.dumps(own)}
        if not self.step["answers"]:
            raise BadScript("no answer left for %s %s" % (method, url))
        return self.step["answers"].pop(0)

    def field(self, name, value):
        if name == "claims":
            tree = decoded(value)
            if isinstance(tree, dict):
                return {"$json_text": tree}
        if name == "client_assertion" and value.count(".") == 2:
            signed = self.signed(value)
            if signed:
                return signed
        return self.known.text(value)

    def header(self, name, value):
        kind = {"x-client-sku": "client_sku", "x-client-ver": "client_version", "x-client-os": "client_os"}.get(name.lower())
        return {"$any": kind} if kind else self.known.text(value)

    def signed(self, token):
        for name in SIGNERS:
            with open(os.path.join(TESTS, name), "rb") as file:
                key = cryptography.x509.load_pem_x509_certificate(file.read()).public_key()
            try:
                header = jwt.get_unverified_header(token)
                claims = jwt.decode(token, key, algorithms=["RS256", "PS256"], options={
                    "verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False})
            except jwt.PyJWTError:
                continue
            return {"$jwt": {"header": header, "claims": self.known.tree(claims), "signed_by": name}}
        return None

    # -- arguments ---------------------------------------------------------
    def read(self, value):
        """An argument as the library gets it."""
        kind = matcher_of(value)
        if kind == "$file":
            with open(os.path.join(TESTS, value[kind]), newline="", encoding="utf-8") as file:
                return file.read()
        if kind == "$path":
            return os.path.join(TESTS, value[kind])
        if kind == "$bytes":
            return bytes.fromhex(value[kind])
        if kind == "$tuple":
            return tuple(self.read(item) for item in value[kind])
        if kind == "$set":
            return {self.read(item) for item in value[kind]}
        if kind == "$callable":
            return self.callable(value[kind])
        if kind == "$pop_auth_scheme":
            return msal.PopAuthScheme(**value[kind])
        if kind == "$authority_builder":
            return msal.authority.AuthorityBuilder(**value[kind])
        if kind == "$shared":
            return self.shared.setdefault(value[kind], {})
        if kind is not None:
            return self.known.resolve(value)
        if isinstance(value, dict):
            return {name: self.read(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.read(item) for item in value]
        return value

    def callable(self, spec):
        if spec == "browser":
            return spec
        if "always" in spec:
            return lambda *args: True
        returns = list(spec["returns"])

        def called(*args):
            entry = {"context": copy.deepcopy(args[0])} if args else {}
            self.step["out"].setdefault("callbacks", []).append(entry)
            return returns.pop(0) if len(returns) > 1 else returns[0]
        if spec.get("accepts_context"):
            return lambda context: called(context)
        if "auto_refresh" in spec:
            return msal.AutoRefresher(lambda: called(), expires_in=spec["auto_refresh"])
        return lambda: called()

    # -- calls -------------------------------------------------------------
    def build(self, name):
        spec = self.script["app"] if name == "app" else self.script["other_apps"][name]
        given = {key: self.read(value) for key, value in spec.items() if key != "type"}
        given["http_client"] = self
        given["token_cache"] = self.cache
        kind = spec["type"]
        if kind == "managed_identity":
            self.apps[name] = msal.ManagedIdentityClient(given.pop("managed_identity"), **given)
            return None
        kinds = {"public": msal.PublicClientApplication, "confidential": msal.ConfidentialClientApplication,
                 "client": msal.ClientApplication}
        app = kinds[kind](given.pop("client_id"), **given)
        self.apps[name] = app
        found = app.authority
        return {"authority": {"instance": found.instance, "tenant": found.tenant, "is_adfs": found.is_adfs, "is_b2c": found._is_b2c,
                              "authorization_endpoint": found.authorization_endpoint, "token_endpoint": found.token_endpoint,
                              "device_authorization_endpoint": found.device_authorization_endpoint}}

    def perform(self, step):
        call, on = step["call"], step.get("on", "app")
        if call == "__init__":
            return self.build(on)
        args = {name: self.read(value) for name, value in step["args"].items()}
        if call.startswith("token_cache."):
            method = call.split(".")[1]
            self.uses_cache = True
            if method == "has_state_changed":
                return self.cache.has_state_changed
            result = getattr(self.cache, method)(**args)
            if method == "serialize":
                return json.loads(result)
            return list(result) if method == "search" else result
        functions = {"decode_part": msal.oauth2cli.oidc.decode_part, "decode_id_token": msal.oauth2cli.oidc.decode_id_token,
                     "extract_certs": msal.application.extract_certs}
        if call in functions:
            return functions[call](**args)
        if call == "get_managed_identity_source":
            source = msal.managed_identity.get_managed_identity_source()
            names = ["APP_SERVICE", "AZURE_ARC", "CLOUD_SHELL", "MACHINE_LEARNING", "SERVICE_FABRIC", "DEFAULT_TO_VM"]
            return next(name for name in names if getattr(msal.managed_identity, name) is source)
        if call == "PopAuthScheme":
            scheme = msal.PopAuthScheme(**args)
            return {"http_method": scheme._http_method, "url": scheme._url.geturl(), "nonce": scheme._nonce}
        if call in ("UserAssignedManagedIdentity", "SystemAssignedManagedIdentity"):
            return dict(getattr(msal, call)(**args))
        args.pop("browser", None)
        return getattr(self.apps[on], call)(**args)

    def browse(self, step):
        """The part of a browser: an object in place of MSAL's listener."""
        recording = self
        given = step.get("browser")

        class Receiver:
            def __init__(self, port=None, **kwargs):
                self.port = port

            def __enter__(self):
                return self

            def __exit__(self, *args):
                pass

            def get_port(self):
                return self.port

            def get_auth_response(self, auth_uri=None, state=None, **kwargs):
                if given is None:
                    raise BadScript("a browser is needed")
                bind = given.get("bind", "browser")
                parts = urlsplit(auth_uri)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                shown = {name: recording.field(name, value) for name, value in query.items()}
                shown.update(state={"$any": "token"}, code_challenge={"$any": "pkce_challenge"}, nonce={"$any": "token"})
                recording.known.bind_browser(bind, query)
                base = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
                step["out"]["browser"] = {"bind": bind, "auth_uri": {"$url": {"base": base, "query": shown}},
                                          "auth_response": given["auth_response"]}
                brought = recording.known.resolve(given["auth_response"])
                # The listener itself leaves what comes with a foreign state unanswered; here it is handed on.
                return brought
        return Receiver

    def play(self):
        out = {key: self.script[key] for key in ("name", "about")}
        out.update(recorded_from="MSAL Python " + msal.__version__, clock=self.script["clock"], env=self.script.get("env", {}))
        for key in ("arc_files", "arc_agent_installed"):
            if key in self.script:
                out[key] = self.script[key]
        out["app"] = self.script.get("app")
        if "other_apps" in self.script:
            out["other_apps"] = self.script["other_apps"]
        out["cache_before"] = self.script.get("cache_before")
        out["steps"] = []
        for step in self.script["steps"]:
            # An application that could not be built is not called.
            if step["call"] == "__init__" or "." in step["call"] or not self.refused:
                out["steps"].append(self.play_step(dict(step)))
        out["cache_after"] = self.known.tree(json.loads(self.cache.serialize())) if self.uses_cache else None
        return out

    def play_step(self, step):
        shown = {key: step[key] for key in ("on", "call", "args", "advance_clock") if key in step}
        shown.setdefault("args", {})
        step.setdefault("args", {})
        shown["exchanges"] = []
        self.now += step.get("advance_clock", 0)
        step["order"] = [exchange["response"] for exchange in step["exchanges"]] if "exchanges" in step else None
        step["answers"] = list(step.get("answers", []))
        step["out"], step["slept"] = shown, False
        self.step, self.pin = step, None
        receiver = self.browse(step)
        with mock.patch.object(msal.oauth2cli.oauth2, "_AuthCodeReceiver", receiver):
            try:
                result = self.perform(step)
            except (BadScript, KeyboardInterrupt):
                raise
            except Exception as error:
                bases = [kind.__name__ for kind in type(error).__mro__[1:] if kind not in (BaseException, object)]
                shown["raises"] = {"type": type(error).__name__, "bases": bases, "message": {"$any": "text"}}
                if getattr(error, "scripted", False):
                    shown["raises"]["transport_error"] = True
                self.refused |= step["call"] == "__init__"
            else:
                bind = step.get("bind", "flow" if step["call"] == "initiate_auth_code_flow" else None)
                shown["result"] = self.known.result(step["call"], step["args"], result, bind)
                if bind:
                    shown["bind"] = bind
        if step["order"] or step["answers"] and not step.get("spare"):
            raise BadScript("%s: answers are left over" % step["call"])
        return shown


def record(script):
    """Plays a script; gives back the transcript."""
    script = copy.deepcopy(script)
    recording = Recording(script)
    msal.authority.Authority._domains_without_user_realm_discovery.clear()
    unset = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    exists = os.path.exists
    with tempfile.TemporaryDirectory() as arc, \
            mock.patch.dict(os.environ, dict(unset, **script.get("env", {})), clear=True), \
            mock.patch.object(time, "time", recording.time), mock.patch.object(time, "sleep", recording.sleep), \
            mock.patch.object(uuid, "uuid4", recording.uuid4), \
            mock.patch.object(msal.wstrust_request, "datetime", recording.datetime()), \
            mock.patch.object(os.path, "exists", lambda path: script.get("arc_agent_installed", False)
                              if path == "/opt/azcmagent/bin/himds" else exists(path)), \
            mock.patch.dict(msal.managed_identity._supported_arc_platforms_and_their_prefixes, {"linux": arc}), \
            mock.patch.object(msal.ManagedIdentityClient, "_ManagedIdentityClient__instance", "localhost"), \
            mock.patch.object(msal.managed_identity, "_create_service_fabric_http_client",
                              lambda client, endpoint, thumbprint: recording.pinned(thumbprint)):
        for name, content in script.get("arc_files", {}).items():
            with open(os.path.join(arc, name), "w", encoding="utf-8") as file:
                file.write(content)
        return recording.play()


def pinned(self, thumbprint):
    self.pin = thumbprint
    return self


Recording.pinned = pinned


def relabel(tree, labels):
    """Labels in the order of their appearance, requests without regard to the order of their members."""
    if isinstance(tree, dict):
        if tree.get("$any") == "uuid" and "label" in tree:
            return dict(tree, label=labels.setdefault(tree["label"], "l%d" % len(labels)))
        return {key: relabel(tree[key], labels) for key in sorted(tree)}
    if isinstance(tree, list):
        return [relabel(item, labels) for item in tree]
    return tree


def difference(one, other, where=""):
    """The first difference of two trees."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other)):
            if key not in one or key not in other:
                return "%s.%s is only %s" % (where, key, "given" if key in one else "recorded")
            found = difference(one[key], other[key], where + "." + key)
            if found:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (left, right) in enumerate(zip(one, other)):
            found = difference(left, right, "%s[%d]" % (where, at))
            if found:
                return found
        return None
    if where.endswith(".$xml") and str(one).split() == str(other).split():
        return None
    return None if one == other else "%s: given %s, recorded %s" % (where, json.dumps(one)[:200], json.dumps(other)[:200])


def again(names):
    differing = 0
    files = sorted(glob.glob(os.path.join(CONFORMANCE, "transcripts", "*.json")))
    for file in files:
        name = os.path.basename(file)[:-5]
        if names and name not in names:
            continue
        with open(file, encoding="utf-8") as text:
            given = json.load(text)
        try:
            found = difference(relabel(given, {}), relabel(record(given), {}))
        except BadScript as why:
            found = "bad script: %s" % why
        if found:
            differing += 1
            print(name, found)
    print("%d differ of %d" % (differing, len(names) or len(files)))


def new(folder, word, only=None):
    import scenarios
    os.makedirs(folder, exist_ok=True)
    count, bad = 0, 0
    for script in scenarios.everything():
        if word not in script["name"] or only is not None and script["name"].replace("/", "__") not in only:
            continue
        try:
            transcript = record(script)
        except BadScript as why:
            bad += 1
            print("bad script %s: %s" % (script["name"], why))
            continue
        except Exception as why:
            bad += 1
            print("error in %s: %r" % (script["name"], why))
            continue
        file = os.path.join(folder, script["name"].replace("/", "__") + ".json")
        with open(file, "w", encoding="utf-8") as out:
            json.dump(transcript, out, indent=1, ensure_ascii=False)
            out.write("\n")
        count += 1
    print("%d recorded, %d bad" % (count, bad))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if len(sys.argv) >= 2 and sys.argv[1] == "again":
        again(sys.argv[2:])
    elif len(sys.argv) >= 3 and sys.argv[1] == "new":
        new(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
    elif sys.argv[1:] == ["kept"]:
        recorded = os.path.join(CONFORMANCE, "recorded")
        new(recorded, "", {name[:-5] for name in os.listdir(recorded)})
    else:
        sys.exit(__doc__)
