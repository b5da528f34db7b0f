"""The matchers of a transcript while it is recorded: what a random value is called, and how it is made when a script names it."""
import base64
import hashlib
import json
import random
import re
import uuid

ID_TOKEN_HEADER = '{"typ":"JWT","alg":"RS256"}'


def b64u(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decoded(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def matcher_of(value):
    if isinstance(value, dict):
        return next((key for key in value if key.startswith("$")), None)
    return None


def id_token(claims):
    payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    return ".".join([b64u(ID_TOKEN_HEADER.encode()), b64u(payload), b64u(b"sig")])


class Known:
    """The random values of a recording so far."""

    def __init__(self):
        self.bound, self.labels, self.uuids, self.texts = {}, {}, {}, {}
        self.random = random.Random(39)

    def new_uuid(self):
        made = uuid.UUID(int=self.random.getrandbits(128), version=4)
        self.uuids[str(made)] = None
        return made

    def label(self, text):
        if self.uuids[text] is None:
            self.uuids[text] = "u%d" % (1 + sum(label is not None for label in self.uuids.values()))
            self.labels[self.uuids[text]] = text
        return {"$any": "uuid", "label": self.uuids[text]}

    # -- making values that a script names ---------------------------------
    def look_up(self, path):
        found = self.bound
        for part in path.split("."):
            found = found[part]
        return found

    def resolve(self, value):
        kind = matcher_of(value)
        if kind is None:
            if isinstance(value, dict):
                return {key: self.resolve(item) for key, item in value.items()}
            return [self.resolve(item) for item in value] if isinstance(value, list) else value
        if kind == "$ref":
            found = self.look_up(value[kind])
            if "set" in value:
                found = dict(found, **self.resolve(value["set"]))
            if "drop" in value:
                found = {key: item for key, item in found.items() if key not in value["drop"]}
            return found
        if kind == "$sha256hex":
            return hashlib.sha256(self.look_up(value[kind]).encode()).hexdigest()
        if kind == "$s256":
            return b64u(hashlib.sha256(self.look_up(value[kind]).encode()).digest())
        if kind == "$concat":
            return "".join(self.resolve(part) for part in value[kind])
        if kind == "$any" and value.get("label") in self.labels:
            return self.labels[value["label"]]
        if kind == "$id_token":
            claims = self.resolve(value[kind]["claims"])
            made = id_token(claims)
            if claims != value[kind]["claims"]:
                self.texts[made] = value
            return made
        raise ValueError("%s in a script" % kind)

    def body(self, body):
        if isinstance(body, dict):
            return json.dumps(self.resolve(body["$json"]), ensure_ascii=False) if "$json" in body else self.resolve(body)
        return body

    # -- naming values that were met ---------------------------------------
    def text(self, value):
        if value in self.uuids:
            return self.label(value)
        if value in self.texts:
            return self.texts[value]
        if not isinstance(value, str):
            return value
        inside = [text for text in self.uuids if text in value]
        if inside:
            parts = re.split("(%s)" % "|".join(inside), value)
            return {"$concat": [self.label(part) if part in self.uuids else part for part in parts if part]}
        return value

    def tree(self, value):
        if isinstance(value, dict):
            return {key: self.tree(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.tree(item) for item in value]
        if isinstance(value, (set, frozenset)):
            return {"$set": sorted(value)}
        if isinstance(value, bytes):
            return {"$bytes": value.hex()}
        return self.text(value) if isinstance(value, str) else value

    def blank_uuids(self, text):
        for known in self.uuids:
            text = text.replace(known, "{{uuid}}")
        return text

    def bind_browser(self, name, query):
        self.bound[name] = query
        for part in ("state", "nonce"):
            if part in query:
                self.texts[query[part]] = {"$ref": "%s.%s" % (name, part)}
        self.challenge = query.get("code_challenge"), {"$pkce_verifier_for": name + ".code_challenge"}
        # The verifier is not known yet; it is found by its hash.
        self.texts = Verifiers(self.texts, *self.challenge)

    def result(self, call, args, result, bind):
        if bind:
            self.bound[bind] = result
        if call == "initiate_auth_code_flow" and isinstance(result, dict):
            return self.flow(result, bind or "flow", args.get("state"))
        if call == "get_authorization_request_url" and isinstance(result, str):
            return self.url(result)
        if call in ("get_accounts", "token_cache.search") and isinstance(result, list) and len(result) > 1:
            return {"$unordered": self.tree(result)}
        return self.tree(result)

    def url(self, text, given=()):
        from urllib.parse import parse_qsl, urlsplit, urlunsplit
        parts = urlsplit(text)
        query = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            tree = decoded(value) if name == "claims" else None
            query[name] = {"$json_text": tree} if isinstance(tree, dict) else self.text(value)
        return {"$url": {"base": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), "query": query}}

    def flow(self, flow, name, own_state):
        verifier, nonce = flow["code_verifier"], flow["nonce"]
        ref = lambda part: {"$ref": "%s.%s" % (name, part)}
        self.texts[verifier] = ref("code_verifier")
        self.texts[nonce] = ref("nonce")
        self.texts[hashlib.sha256(nonce.encode()).hexdigest()] = {"$sha256hex": name + ".nonce"}
        self.texts[b64u(hashlib.sha256(verifier.encode()).digest())] = {"$s256": name + ".code_verifier"}
        if not own_state:
            self.texts[flow["state"]] = ref("state")
        shown = {key: self.tree(item) for key, item in flow.items()}
        shown.update(auth_uri=self.url(flow["auth_uri"]), code_verifier={"$any": "pkce_verifier"}, nonce={"$any": "token"})
        shown["scope"] = {"$set": sorted(flow["scope"])}
        shown["state"] = own_state or {"$any": "token"}
        return shown


class Verifiers(dict):
    """The named texts, and a code verifier that is known by its hash only."""

    def __init__(self, texts, challenge, name):
        super().__init__(texts)
        self.challenge, self.name = challenge, name

    def __contains__(self, text):
        return super().__contains__(text) or self.fits(text)

    def __getitem__(self, text):
        return super().__getitem__(text) if super().__contains__(text) else self.name

    def fits(self, text):
        return isinstance(text, str) and 43 <= len(text) <= 128 and b64u(hashlib.sha256(text.encode()).digest()) == self.challenge
