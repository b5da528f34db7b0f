#!/usr/bin/env python3
"""Seeds fuzz/corpus from the certificates and transcripts in tests/. Run from anywhere; writes the same files each time.

Recordings give real metadata, token responses, caches, JWTs and headers; certificates give PEM, X.509 and PKCS#8.
"""
import base64, hashlib, json, pathlib

ROOT = pathlib.Path(__file__).resolve().parent
CERTS, TRANSCRIPTS = ROOT.parent / "tests/certs", ROOT.parent / "tests/conformance/transcripts"
LARGEST = 12_000
MOST = 40
seen = {}


def seed(target, data):
    data = data.encode() if isinstance(data, str) else data
    names = seen.setdefault(target, set())
    name = hashlib.sha256(data).hexdigest()[:16]
    if len(data) > LARGEST or name in names or len(names) >= MOST:
        return
    names.add(name)
    folder = ROOT / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def b64u(text):
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def walk(value):
    if isinstance(value, dict):
        yield value
        for v in value.values():
            yield from walk(v)
    elif isinstance(value, list):
        for v in value:
            yield from walk(v)


for path in sorted(CERTS.iterdir()):
    data = path.read_bytes()
    if path.suffix in (".pem", ".txt"):
        seed("pem", data)
        seed("extract_certs", data)
    if ".key" in path.name and path.suffix in (".pem", ".der"):
        seed("pkcs8", data)
    if b"\nDEK-Info:" in data:
        seed("legacy_pem", data)
        for cipher in (b"AES-128-CBC", b"AES-192-CBC", b"AES-256-CBC"):
            seed("legacy_pem", data.replace(b"AES-128-CBC", cipher))
    if path.suffix == ".der" and ".cert" in path.name:
        seed("x509", data)
    if path.suffix == ".pem" and ".cert" in path.name:
        body = b"".join(l for l in data.splitlines() if l and not l.startswith(b"-"))
        try:
            seed("x509", base64.b64decode(body, validate=True))
        except ValueError:
            pass

for path in sorted(TRANSCRIPTS.glob("*.json")):
    t = json.loads(path.read_text())
    for key in ("cache_before", "cache_after"):
        if isinstance(t.get(key), dict):
            seed("cache_json", json.dumps(t[key]))
    for step in t["steps"]:
        for exchange in step.get("exchanges", []):
            url, response = exchange["request"]["url"], exchange["response"]
            seed("endpoint", url)
            body = response.get("body")
            if isinstance(body, str):
                metadata = "openid-configuration" in url or "discovery/instance" in url
                seed("metadata" if metadata else "token_response", body)
                if url.endswith("/devicecode"):
                    for kind in (8, 2):
                        seed("device_response", bytes([kind]) + body.encode())
            for name, value in (response.get("headers") or {}).items():
                if name.lower() == "www-authenticate":
                    seed("www_authenticate", value)
            form = exchange["request"].get("form")
            if isinstance(form, dict) and all(isinstance(v, str) for v in form.values()):
                from urllib.parse import urlencode
                seed("form", urlencode(form))
    for node in walk(t):
        if "$id_token" in node and isinstance(node["$id_token"].get("claims"), dict):
            claims = json.dumps({k: v for k, v in node["$id_token"]["claims"].items() if not isinstance(v, dict)})
            token = ".".join([b64u('{"typ":"JWT","alg":"RS256"}'), b64u(claims), b64u("sig")])
            seed("jwt", token)
            seed("id_token", token)
    if path.name.startswith(("id_token__", "decode_part__")):
        for step in t["steps"]:
            for value in step.get("args", {}).values():
                if isinstance(value, str):
                    seed("id_token", value)
                    seed("jwt", value)

seed("jwk", '{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}')
seed("jwk", '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}')
for header in ('Basic realm="a", NewAuth q=1, r="x,\\"y"', "Negotiate abc==", 'Bearer error="insufficient_claims", claims="e30="',
               "Basic realm=/var/opt/azcmagent/tokens/a.key", 'PoP nonce="eyJ"'):
    seed("www_authenticate", header)
for address in ("https://a.example:8443/x//y?q=1&r=%20", "http://[::1]:8080/cb", "http://169.254.169.254/metadata", "https://A.B/"):
    seed("endpoint", address)
for address in ("https://login.microsoftonline.com/common", "https://contoso.b2clogin.com/t/p", "https://c.ciamlogin.com",
                "https://fs.contoso.com/adfs/", "https://d.example/dstsv2/x", "https://login.contoso.com:8443/t/b2c_1_x?q=1#f",
                " https://login.b\u00fccher.example/t"):
    seed("authority", address)
for body in ('{"location":"westus2"}', '{"location":"west us.evil.example/"}', "westus2", '{"location":null}', "a-9"):
    seed("region_answer", body)
seed("throttle_memory", bytes([0, 1, 10, 7, 2, 1, 99, 0, 0, 1, 5, 8, 1, 1, 50, 0, 2, 1, 255, 0]))
seed("throttle_memory", bytes(range(64)))
# settings byte, then (choice, body) an answer: start, load, discover, commit, token, commit
for kind in range(0, 256, 7):
    seed("flow_script", bytes([kind, 0, 9, 0, 9, 0, 9, 70, 8, 70, 8, 0, 8, 0, 8, 0, 9, 0, 9, 0]))
    seed("flow_script", bytes([kind, 1, 9, 0, 9, 0, 9, 70, 8, 70, 0, 130, 8, 0, 9, 0, 9, 0, 3, 200, 8, 0]))
DEVICE = {"user_code": "A", "device_code": "d", "verification_uri": "https://a.example/", "expires_in": 900, "interval": 5}
for extra in ({}, {"message": "a\nb\u001b[2J"}, {"verification_uri_complete": "https://a.example/?c=A"}, {"interval": "7"},
              {"verification_uri": "javascript:x"}, {"expires_in": 10**30}):
    seed("device_response", bytes([8]) + json.dumps(DEVICE | extra).encode())
SAVED = {"client_id": "app", "authority": "https://login.microsoftonline.com/contoso", "correlation_id": "c", "scope": ["openid"],
         "response": DEVICE, "interval": 10, "milliseconds_left": 5000, "milliseconds_to_wait": 7000, "saved_at": 1699999999}
BROWSER = {"client_id": "app", "authority": "https://login.microsoftonline.com/contoso", "state": "s", "nonce": "n",
           "redirect_uri": "http://localhost", "scope": ["openid"], "code_verifier": "v" * 43, "max_age": 5}
for members in (SAVED, SAVED | {"saved_at": 0}, SAVED | {"client_id": "b"}, SAVED | {"claims_challenge": "{}"}, BROWSER):
    seed("saved_flow", json.dumps(members))
for edits in (b"", bytes([0, 0, 1]), bytes([0, 40, 4, 1, 0, 1]), b"1.AAAA", b"1."):
    seed("saved_flow", edits)
# operations with what they choose: the same few values again and again, so that entries meet
for number in range(12):
    script = b"".join(hashlib.sha256(bytes([number, block])).digest() for block in range(8 + 8 * number))
    seed("cache_ops", script if number % 2 else bytes(byte % 8 for byte in script))
print({target: len(names) for target, names in sorted(seen.items())})
