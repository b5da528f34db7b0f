// Checks access tokens the way a resource server does, with npm `jose` and the provider's published keys: none of our code.
// usage: node verify.mjs ISSUER CA_FILE AUDIENCE CLIENT_ID SCOPE < tokens, one a line
// Prints one line a token; the exit status is 0 only if there was a token and each of them is good.
import * as fs from 'node:fs';
import * as https from 'node:https';
import { createLocalJWKSet, jwtVerify } from 'jose';

const [issuer, ca, audience, clientId, scope] = process.argv.slice(2);
const get = (url) => new Promise((resolve, reject) => https.get(url, { ca: fs.readFileSync(ca) }, (res) => {
  let text = '';
  res.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => resolve(JSON.parse(text)));
}).on('error', reject));

const { jwks_uri: jwksUri } = await get(`${issuer}/.well-known/openid-configuration`);
const keys = createLocalJWKSet(await get(jwksUri));
const tokens = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean);
let bad = tokens.length === 0 ? 1 : 0;
for (const token of tokens) {
  try {
    const { payload } = await jwtVerify(token, keys, { issuer, audience, requiredClaims: ['exp', 'iat', 'jti'] });
    if (payload.client_id !== clientId) throw new Error(`client_id is ${payload.client_id}`);
    if (payload.scope !== scope) throw new Error(`scope is ${payload.scope}`);
    console.log('good', payload.client_id, payload.scope, payload.exp - payload.iat, payload.jti);
  } catch (error) {
    bad += 1;
    console.log('bad', error.message);
  }
}
process.exit(bad === 0 ? 0 : 1);
