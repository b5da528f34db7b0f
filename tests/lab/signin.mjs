// A user who signs in at oidc-provider's own development pages, without a browser: follows redirects, posts the forms.
// usage: node signin.mjs CA_FILE AUTHORIZATION_URL LOGIN
// Prints the address at which the provider leaves its own host: the redirect address with the answer.
import * as fs from 'node:fs';
import * as https from 'node:https';

const [caFile, begin, login] = process.argv.slice(2);
const ca = fs.readFileSync(caFile), home = new URL(begin).host, jar = new Map();

const ask = (url, form) => new Promise((resolve, reject) => {
  const body = form && new URLSearchParams(form).toString();
  const headers = { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') };
  if (body) headers['content-type'] = 'application/x-www-form-urlencoded';
  const request = https.request(url, { ca, method: body ? 'POST' : 'GET', headers }, (res) => {
    for (const line of res.headers['set-cookie'] || []) {
      const [name, value] = line.split(';')[0].split(/=(.*)/s);
      if (value) jar.set(name, value); else jar.delete(name);
    }
    let text = '';
    res.setEncoding('utf8').on('data', (part) => { text += part; })
      .on('end', () => resolve({ status: res.statusCode, location: res.headers.location, text }));
  });
  request.on('error', reject).end(body);
});

let [url, form] = [begin, undefined];
for (let step = 0; step < 20; step += 1) {
  const { status, location, text } = await ask(url, form);
  if (location) {
    [url, form] = [new URL(location, url).href, undefined];
    if (new URL(url).host !== home) { console.log(url); process.exit(0); }
    continue;
  }
  const prompt = text.match(/name="prompt" value="(\w+)"/)?.[1], action = text.match(/<form[^>]* action="([^"]+)"/)?.[1];
  if (status !== 200 || !prompt || !action) { console.error(status, text); process.exit(1); }
  [url, form] = [new URL(action, url).href, prompt === 'login' ? { prompt, login, password: 'any' } : { prompt }];
}
console.error('it goes round in circles');
process.exit(1);
