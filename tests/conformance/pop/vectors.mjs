// Makes shr.json: what `PopTokenGenerator` of npm @azure/msal-common signs, with the key of RFC 6979 A.2.5 and a fixed clock.
//
//   npm install --ignore-scripts @azure/msal-common@16.16.1
//   node vectors.mjs node_modules/@azure/msal-common > shr.json
//
// The generator leaves keys and signatures to its host; here `node:crypto` makes them.
import crypto from "node:crypto";
import path from "node:path";
import { pathToFileURL } from "node:url";

const root = path.resolve(process.argv[2]);
const load = (file) => import(pathToFileURL(path.join(root, "dist", file)));
const { PopTokenGenerator } = await load("crypto/PopTokenGenerator.mjs");

const NOW = 1700000000;
Date.now = () => NOW * 1000;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) { super(...(args.length ? args : [NOW * 1000])); }
};

const b64 = (data) => Buffer.from(data).toString("base64url");
const jwk = {
  kty: "EC", crv: "P-256",
  d: b64(Buffer.from("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721", "hex")),
  x: b64(Buffer.from("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6", "hex")),
  y: b64(Buffer.from("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299", "hex")),
};
const key = crypto.createPrivateKey({ key: jwk, format: "jwk" });
const publicJwk = { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y };
const kid = crypto.createHash("sha256").update(JSON.stringify(publicJwk)).digest("base64url");

const cryptoUtils = {
  base64UrlEncode: b64,
  createNewGuid: () => "00000000-0000-4000-8000-000000000000",
  async signTokenBindingJwt(header, payload) {
    const input = `${b64(JSON.stringify(header))}.${b64(JSON.stringify(payload))}`;
    const signature = crypto.sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
    return `${input}.${b64(signature)}`;
  },
};
const keys = {
  async provisionTokenBindingKey() { return kid; },
  async getTokenBindingPublicKeyJwk() { return publicJwk; },
};
const generator = new PopTokenGenerator(cryptoUtils, keys, undefined);

const requests = [
  { method: "GET", url: "https://graph.microsoft.com/v1.0/me", nonce: "nonce-1" },
  { method: "post", url: "https://Resource.Example:8443/Api/Items/", nonce: "nonce-2" },
  { method: "GET", url: "https://resource.example", nonce: "nonce-3" },
  { method: "DELETE", url: "https://resource.example/a?", nonce: "nonce-4" },
  { method: "PATCH", url: "https://resource.example/a?B=C&d=e%2Ff", nonce: "nonce-5" },
  { method: "PUT", url: "https://resource.example/a?b=c/", nonce: "nonce-6" },
  { method: "GET", url: "https://resource.example?b=c", nonce: "nonce-7" },
  { method: "GET", url: "https://Resource.Example/A?B=C#Part", nonce: "nonce-8" },
  { method: "GET", url: "https://resource.example/a", nonce: "nonce-9", client_claims: "{\"claim\":\"\u00fc\"}" },
];
const vectors = [];
for (const request of requests) {
  const shr = await generator.signPopToken("an.access.token", kid, {
    resourceRequestMethod: request.method, resourceRequestUri: request.url, shrNonce: request.nonce,
    shrClaims: request.client_claims, shrOptions: { header: { alg: "ES256" } },
  });
  vectors.push({ ...request, shr });
}
console.log(JSON.stringify({
  made_by: "npm @azure/msal-common 16.16.1, PopTokenGenerator", access_token: "an.access.token", ts: NOW, kid,
  jwk: publicJwk, d: jwk.d, vectors,
}, null, 1));
