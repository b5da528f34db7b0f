"""What a cloud's discovery endpoints say, made from the address that was asked."""
import json

ALIASES = [
    ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    ["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    ["login.microsoftonline.us", "login.usgovcloudapi.net"],
    ["login-us.microsoftonline.com"],
]
PREFERRED = {"login.microsoftonline.com": "login.windows.net"}


def metadata(base):
    """Of an authority whose endpoints lie under this address."""
    if base.endswith("/adfs"):
        return {"token_endpoint": base + "/oauth2/token/", "authorization_endpoint": base + "/oauth2/authorize/",
                "device_authorization_endpoint": base + "/oauth2/devicecode", "issuer": base}
    return {"token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize",
            "device_authorization_endpoint": base + "/oauth2/v2.0/devicecode", "issuer": base + "/v2.0"}


def answer(method, url, query):
    """Of the endpoint at this address; `None`: it is none of discovery."""
    if method != "GET":
        return None
    for tail in ("/v2.0/.well-known/openid-configuration", "/.well-known/openid-configuration"):
        if url.endswith(tail):
            base = url[:-len(tail)]
            found = metadata(base)
            if tail.startswith("/.") and not base.endswith("/adfs"):
                found["issuer"] = base
            return found
    if url.endswith("/common/discovery/instance"):
        host = url.split("/")[2]
        asked = query["authorization_endpoint"]
        tenant = asked.split("/oauth2/")[0]
        if query["api-version"] == "1.0":
            return {"tenant_discovery_endpoint": tenant + "/v2.0/.well-known/openid-configuration", "api-version": "1.0"}
        return {"tenant_discovery_endpoint": "https://%s/common/v2.0/.well-known/openid-configuration" % host, "api-version": "1.1",
                "metadata": [{"preferred_network": group[0], "preferred_cache": PREFERRED.get(group[0], group[0]), "aliases": group}
                             for group in ALIASES]}
    if "/common/userrealm/" in url:
        return {"ver": "1.0", "account_type": "Managed", "domain_name": "contoso.com"}
    return None
