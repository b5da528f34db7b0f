#!/usr/bin/env python3
"""A whole process from nothing to its first token, against the lab's server: CPU, wall time, peak memory.

usage: tests/lab/with-op python3 tests/bench/cold_start.py [RUNS]

Builds nothing: `cargo build --profile dist -p sansal-cli` first (or `--release`; the former is taken if it is there). MSAL Python is measured in the same run where it can be
imported (`pip install msal==1.39.0`), msal-node where `tests/bench/peers --install` has put it. CPU is what the kernel accounts to the child; memory is from /usr/bin/time, which is
its parent, so that this interpreter's own size does not count.
"""
import os, resource, statistics, subprocess, sys, tempfile

lab, certs = os.environ["SANSAL_LAB"], os.environ["SANSAL_LAB_CERTS"]
runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
target = os.environ.get("CARGO_TARGET_DIR", "target")
binary = next((path for path in (os.path.join(target, profile, "sansal") for profile in ("dist", "release")) if os.path.exists(path)), None)
if not binary:
    sys.exit("cold_start: cargo build --profile dist -p sansal-cli")
print(binary)
secret = tempfile.NamedTemporaryFile("w", delete=False)
secret.write("s3cr3t-post")
secret.close()
ca = os.path.join(certs, "ca.pem")
base = [binary, "token", "--issuer", lab, "--client-id", "cc-post", "--client-secret-file", secret.name, "--scope", "api.default", "--ca", ca]
jwt = [binary, "token", "--issuer", lab, "--client-id", "cc-jwt", "--certificate", os.path.join(certs, "jwt.pem"),
       "--key", os.path.join(certs, "jwt.key"), "--scope", "api.default", "--ca", ca]
msal = [sys.executable, "-c", f"""
import msal
app = msal.ConfidentialClientApplication("cc-post", client_credential="s3cr3t-post", oidc_authority={lab!r}, verify={ca!r})
assert "access_token" in app.acquire_token_for_client(["api.default"])
"""]
peers = os.environ.get("SANSAL_PEERS") or os.path.join(target, "peers")
# msal-node knows only Entra's token endpoint and those that it is told: what the server publishes is handed to it.
node = os.path.join(peers, "cold_start.mjs")
NODE = f"""
import {{ ConfidentialClientApplication, ProtocolMode }} from '@azure/msal-node';
const issuer = {lab!r};
const app = new ConfidentialClientApplication({{
  auth: {{ clientId: 'cc-post', clientSecret: 's3cr3t-post', authority: issuer, knownAuthorities: [new URL(issuer).host] }},
  system: {{ protocolMode: ProtocolMode.OIDC }},
}});
const token = await app.acquireTokenByClientCredential({{ scopes: ['api.default'] }});
if (!token.accessToken) throw new Error('no token');
"""
given = {"SSL_CERT_FILE": ca, "SSL_CERT_DIR": "/nonexistent"}
clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith(("SSL_CERT", "REQUESTS_CA", "CURL_CA", "AZURE_"))}


def measure(name, command, more):
    env, cpu, wall = {**clean, **more}, [], []
    for at in range(runs + 1):
        before, t0 = resource.getrusage(resource.RUSAGE_CHILDREN), os.times().elapsed
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            return print(f"{name:34} failed: {done.stderr.strip()[-200:]}")
        if at:
            cpu.append(1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
            wall.append(1e3 * (os.times().elapsed - t0))
    shell = ["/usr/bin/time", "-f", "%M"] + command
    kib = [int(subprocess.run(shell, env=env, capture_output=True, text=True).stderr.split()[-1]) for _ in range(3)]
    print(f"{name:34} CPU {statistics.median(cpu):7.1f} ms   wall {statistics.median(wall):7.1f} ms   peak {statistics.median(kib) / 1024:6.1f} MiB   ({runs} runs, medians)")
    return statistics.median(cpu)


ours = measure("sansal token, secret, given roots", base, given)
measure("sansal token, secret, system's roots", base, {})
measure("sansal token, PS256, given roots", jwt, given)
try:
    import msal as _  # noqa: F401
    theirs = measure("MSAL Python, secret", msal, {})
    if ours and theirs:
        print(f"ratio of CPU, sansal / MSAL Python: {ours / theirs:.3f}")
except ImportError:
    print("MSAL Python is not installed: pip install msal==1.39.0")
if os.path.isdir(os.path.join(peers, "node_modules", "@azure", "msal-node")):
    with open(node, "w") as program:
        program.write(NODE)
    theirs = measure("msal-node, secret", ["node", node], {"NODE_EXTRA_CA_CERTS": ca})
    measure("node alone", ["node", "-e", ""], {})
    os.unlink(node)
    if ours and theirs:
        print(f"ratio of CPU, sansal / msal-node: {ours / theirs:.4f}")
else:
    print("msal-node is not installed: tests/bench/peers --install")
os.unlink(secret.name)
