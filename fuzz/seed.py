#!/usr/bin/env python3
"""Seeds fuzz/corpus from the certificates and transcripts in tests/. Run from anywhere; writes the same files each time.

Recordings give real metadata, token responses, caches, JWTs and headers; certificates give PEM, X.509 and PKCS#8.
"""
import base64, hashlib, json, pathlib

ROOT = pathlib.Path(__file__).resolve().parent
CERTS, TRANSCRIPTS = ROOT.parent / "tests/certs", ROOT.parent / "tests/conformance/transcripts"
LARGEST = 12_000
MOST = {"pkcs12": 60}
seen = {}


def seed(target, data):
    data = data.encode() if isinstance(data, str) else data
    names = seen.setdefault(target, set())
    name = hashlib.sha256(data).hexdigest()[:16]
    if len(data) > LARGEST or name in names or len(names) >= MOST.get(target, 40):
        return
    names.add(name)
    folder = ROOT / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def tlv(data):
    """The DER elements that data consists of: (tag, value), short and long lengths."""
    while data:
        tag, length, at = data[0], data[1], 2
        if length & 0x80:
            at += length & 0x7F
            length = int.from_bytes(data[2:at], "big")
        yield tag, data[at:at + length]
        data = data[at + length:]


def der(tag, *parts):
    value = b"".join(parts)
    size = len(value)
    width = (size.bit_length() + 7) // 8
    return bytes([tag]) + (bytes([size]) if size < 0x80 else bytes([0x80 | width]) + size.to_bytes(width, "big")) + value


def integer(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


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
    if path.suffix == ".pfx":
        seed("pkcs12", data)
        # Without its MAC, what is changed inside still arrives; contents that are not encrypted are seeds of their own.
        (_, pfx), = tlv(data)
        parts = [der(tag, value) for tag, value in tlv(pfx)]
        seed("pkcs12", der(0x30, *parts[:2]))
        (_, (_, safe)) = tlv(list(tlv(pfx))[1][1])
        (_, safe), = tlv(safe)
        (_, safe), = tlv(safe)
        for _, info in tlv(safe):
            (_, kind), (_, content) = tlv(info)
            if kind.endswith(b"\x07\x01"):
                (_, contents), = tlv(content)
                seed("pkcs12", contents)
    if path.suffix == ".der" and ".cert" in path.name:
        seed("x509", data)
    if path.suffix == ".pem" and ".cert" in path.name:
        body = b"".join(l for l in data.splitlines() if l and not l.startswith(b"-"))
        try:
            seed("x509", base64.b64decode(body, validate=True))
        except ValueError:
            pass

for text in (
    r'{"a":[1,-0.5,1e2,18446744073709551616],"b":{"c":null,"d":true,"e":false}}', r'["\ud83d\ude00\u00e9","\"\\\/\b\f\n\r\t"]',
    r'{"a":1,"\u0061":2}', '[1.7976931348623158e308,17976931348623157e292,0.0000001e315,5e-324]', '{"a":{"a":[[],{}]}}', '"\\ud83d"',
    '[-9223372036854775808,01]', ' {"a" : 1 ,\t"b"\n:2}\r\n', '[' * 33 + ']' * 33, '0e999', '{"b":1,"a":2,"b":3}', '[1,]',
):
    seed("json", text)

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
            if isinstance(body, str) and path.name.startswith("ropc__federated"):
                if "/trust/" in url:
                    seed("xml_mex" if url.endswith("/mex") else "wstrust_response", body)
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

# `SafeContents` (RFC 7292 s4.2) with one key under PBES2 whose derivation asks too much, or nonsense: read only after the
# part around it was decrypted.
SHROUDED = bytes.fromhex("060b2a864886f70d010c0a0102")
SECRET = bytes.fromhex("060b2a864886f70d010c0a0105")
PBES2, PBKDF2, SCRYPT = (bytes.fromhex(h) for h in ("06092a864886f70d01050d", "06092a864886f70d01050c", "06092b06010401da47040b"))
AES = der(0x30, bytes.fromhex("0609608648016503040102"), der(4, bytes(16)))
SALT = der(4, b"saltsalt")
for kdf, numbers in ((SCRYPT, (0, 8, 1)), (SCRYPT, (3, 8, 1)), (SCRYPT, (1, 8, 1)), (SCRYPT, (2, 0, 1)), (SCRYPT, (2, 8, 0)),
                     (SCRYPT, (2, 8, 1)), (SCRYPT, (1 << 40, 8, 1)), (SCRYPT, (2, 8, 65535)), (PBKDF2, (0,)), (PBKDF2, (-1,)),
                     (PBKDF2, (1,)), (PBKDF2, (1 << 31,))):
    derivation = der(0x30, kdf, der(0x30, SALT, *map(integer, numbers)))
    key = der(0x30, der(0x30, PBES2, der(0x30, derivation, AES)), der(4, bytes(16)))
    seed("pkcs12", der(0x30, der(0x30, SHROUDED, der(0xA0, key))))
    if numbers[0] == 0:
        secret = der(0x30, SHROUDED, der(0xA0, der(4, key)))
        seed("pkcs12", der(0x30, der(0x30, SECRET, der(0xA0, secret))))
for rounds in (0, 1, -1, 1 << 31):
    key = der(0x30, der(0x30, bytes.fromhex("060a2a864886f70d010c0103"), der(0x30, SALT, integer(rounds))), der(4, bytes(16)))
    seed("pkcs12", der(0x30, der(0x30, SHROUDED, der(0xA0, key))))

seed("jwk", '{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}')
seed("jwk", '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}')
RSA = {"kty": "RSA", "kid": "r", "e": "AQAB", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}
EC = {"kty": "EC", "kid": "e", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
TID = "11111111-2222-3333-4444-555555555555"
JWT_CLAIMS = {"iss": "i", "aud": "a", "sub": "s", "iat": 1699999990, "exp": 1700003600}
ENTRA = JWT_CLAIMS | {"iss": f"https://sts.windows.net/{TID}/", "tid": TID, "ver": "1.0", "aud": ["x", "a"], "nbf": 1}
for more in ({}, {"use": "sig", "alg": "ES256"}, {"use": "enc"}, {"key_ops": ["verify"]}, {"issuer": "https://a/{tenantid}/v2.0"}, {"d": "AA"}):
    for header, claims in (({"alg": "ES256", "kid": "e"}, JWT_CLAIMS), ({"alg": "RS256", "kid": "r", "typ": "at+jwt"}, ENTRA),
                           ({"alg": "none"}, JWT_CLAIMS)):
        token = ".".join([b64u(json.dumps(header)), b64u(json.dumps(claims)), b64u("signature")])
        seed("key_set", json.dumps({"keys": [RSA, EC | more]}) + "\0" + token)
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
for body in ("<a><![CDATA[</a>]]><!--</a>--><?b </a>?><c d='>/>'/></a>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>" * 70,
             "<a xmlns:b='c' b:d='e' d='f'>&#65;&lt;</a>"):
    seed("xml_mex", body)
FAULT = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><s:Fault>%s</s:Fault></s:Body></s:Envelope>"
for words in ("", "<s:Reason><s:Text>pl4nted-s3cret</s:Text></s:Reason>", "<s:Code><s:Value>s:Sender</s:Value></s:Code>"):
    seed("wstrust_response", FAULT % words)
for name in ("ada@contoso.com", "../../x?y#z", "p&w<\"'>+ \u00e9\r\n"):
    seed("wstrust_response", name)
# operations with what they choose: the same few values again and again, so that entries meet
for number in range(12):
    script = b"".join(hashlib.sha256(bytes([number, block])).digest() for block in range(8 + 8 * number))
    seed("cache_ops", script if number % 2 else bytes(byte % 8 for byte in script))
# base, ours and theirs, by few names and values, so that they meet
for number in range(8):
    seed("cache_merge", b"".join(hashlib.sha256(bytes([100 + number, block])).digest() for block in range(1 + number)))
# how a file is damaged (two bytes where, one how), then the file
TOKEN = {"credential_type": "AccessToken", "environment": "e", "secret": "s", "cached_at": "5", "own": [1, {"x": {}}]}
FILE = {"AccessToken": {"a": TOKEN, "b": dict(TOKEN, secret='"{')}, "Account": {"u": {"environment": "e", "home_account_id": "h"}},
        "RefreshToken": {"r": dict(TOKEN, credential_type="RefreshToken")}, "Theirs": {"k": {"v": None}}}
for where in (0, 40, 90, 300):
    for how in (0, 1, 2):
        seed("cache_salvage", bytes([where & 255, where >> 8, how]) + json.dumps(FILE).encode())
# the first byte says whether the server promised to name itself
for promised in "\0\1":
    for form in ("code=c&state=the-state", "code=c&state=the-state&iss=https%3A%2F%2Fidp.example%2Flab&client_info=eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ",
                 "error=access_denied&error_description=no&error_uri=x&state=the-state", "error=login_required&state=the-state&iss=https://idp.example/lab",
                 "code=c&code=d&state=the-state", "code=&state=the-state", "state=the-state", "code=c&state=another", "code=c&state=the-state&iss=https://evil.example"):
        seed("redirect_answer", promised + form)
# the first byte chooses the response mode: even is form_post, odd is query
HOSTS = ("localhost:4000", "127.0.0.1:4000", "[::1]:4000", "evil.example:4000")
FORMS = ("code=c&state=the-state", "error=access_denied&error_description=no&state=the-state", "code=c&state=another", "state=the-state&code=a&code=b")
for host in HOSTS:
    for form in FORMS:
        head = f"Host: {host}\r\nUser-Agent: Mozilla/5.0\r\nOrigin: null\r\n"
        typed = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
        seed("listener_request", f"\0POST / HTTP/1.1\r\n{head}{typed}\r\n{form}")
        seed("listener_request", f"\1GET /?{form} HTTP/1.1\r\n{head}\r\n")
for request in ("GET /favicon.ico HTTP/1.1\r\nHost: localhost:4000\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", "\r\n\r\nGET / HTTP/1.0\nHost: localhost:4000\n\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
    seed("listener_request", "\0" + request)
# source and profile, statuses (three bits each), then header, key file and body, by line
MSI_STATUS = {200: 0, 400: 1, 401: 2, 404: 3, 429: 4, 500: 5, 302: 6, 410: 7}
for path in sorted(TRANSCRIPTS.glob("managed_identity__*.json")):
    t = json.loads(path.read_text())
    source = {"arc": 0, "app_service": 2, "service_fabric": 3, "machine_learning": 4}.get(path.name.split("__")[1], 5)
    for step in t["steps"]:
        answers = [e["response"] for e in step.get("exchanges", []) if "status" in e["response"]]
        if answers:
            first, last = answers[0], answers[-1]
            header = next((v for k, v in first["headers"].items() if k.lower() == "www-authenticate"), "")
            key = next(iter(t.get("arc_files", {}).values()), "")[:64]
            statuses = MSI_STATUS[first["status"]] | MSI_STATUS[last["status"]] << 3
            user = 16 if "client_id" in path.name else 0
            for profile in (0, 8):
                choice = next(c for c in range(32) if c % 6 == source and c & 24 == profile | user)
                seed("msi_challenge", bytes([choice, statuses]) + "\n".join([header, key, last["body"]]).encode())
# limit of the body in 16 bytes, size of the buffer in 32 bytes, then what a server sends
OK, CHUNKED = "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
for answer in ("Content-Length: 2\r\n\r\nab", "Content-Length: 2\r\nContent-Length: 2\r\n\r\nabc", "Content-Length: 3\r\nContent-Length: 2\r\n\r\nab",
               "\r\nuntil the end", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "Content-Length: +2\r\n\r\nab",
               "Content-Length: 4000\r\n\r\n" + "x" * 4000, "Connection: keep-alive, Close\r\nDate: x\r\nContent-Length: 0\r\n\r\n", "A: b\r\n" * 50 + "\r\n"):
    seed("http_response", b"\xff\xff" + (OK + answer).encode())
for chunks in ("2\r\nab\r\n0\r\n\r\n", "1;a=b\r\na\r\n000A\r\n0123456789\r\n0\r\nX: y\r\n\r\n", "ffffffffffffffff\r\n", "0;" + "x" * 300 + "\r\n\r\n", "2\nab\n0\n\n"):
    for sizes in (b"\xff\xff", b"\0\xff", b"\xff\2", b"\1\3"):
        seed("http_response", sizes + (CHUNKED + chunks).encode())
for answer in ("HTTP/1.1 100 Continue\r\n\r\n" * 3 + OK + "Content-Length: 1\r\n\r\nx", "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200", "HTTP/1.0 400 No\r\n\r\nx", "SSH-2.0"):
    seed("http_response", b"\x10\xff" + answer.encode())
# words and slots, then operations of three bytes: save, save until the power fails, change a byte, look
for choice in range(12):
    seed("flash_store", bytes([choice, 0, 10, 0, 1, 20, 9, 3, 0, 0, 0, 150, 0, 1, 30, 99, 1, 30, 140, 0, 5, 0]))
    seed("flash_store", bytes([choice, 0, 10, 0, 0, 20, 0, 2, 3, 1, 2, 60, 0, 3, 0, 0, 0, 255, 0, 1, 180, 255, 2, 16, 1, 0, 1, 0]))
print({target: len(names) for target, names in sorted(seen.items())})
