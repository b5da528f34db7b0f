// Signs in at oidc-provider's own login and consent pages with headless Chromium and stays on the page it lands on.
// usage: node browser.mjs AUTHORIZATION_URL SCREENSHOT.png [--cancel]
//        node browser.mjs VERIFICATION_URI_COMPLETE SCREENSHOT.png --device|--device-cancel
//        node browser.mjs PAGE SCREENSHOT.png --page   (one that shows a link for a device code, which is approved in another tab)
// Prints one line of JSON about the last page; exit status 0 when it lies on loopback under the redirect address, or is the
// server's own last word about a device code.
import { chromium } from 'playwright-core';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

const [address, screenshot, choice] = process.argv.slice(2);
const [device, tab] = [choice?.startsWith('--device'), choice === '--page'];
const redirect = new URL(device || tab ? address : new URL(address).searchParams.get('redirect_uri'));
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'sansal-chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  ignoreHTTPSErrors: true, // the lab's own CA
  viewport: { width: 900, height: 600 },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'], // the lab's pages name a font elsewhere
});
const complaints = [], foreign = []; // of the page where the browser lands
const landed = (url) => URL.canParse(url) && new URL(url).origin === redirect.origin;
try {
  const page = await context.newPage();
  page.on('console', (message) => { if (message.type() === 'error' && landed(page.url())) complaints.push(message.text()); });
  page.on('request', (request) => {
    if (landed(page.url()) && !landed(request.url())) foreign.push(request.url());
  });
  const signIn = async (page) => {
    await page.fill('input[name=login]', 'alice');
    await page.fill('input[name=password]', 'x');
    await page.click('button[type=submit]');
    await page.waitForSelector('input[name=prompt][value=consent]', { state: 'attached' });
    await page.click('button[type=submit]');
  };
  // The code is in the address; the server asks whether it is the one on the device.
  const isAsked = (page) => page.waitForSelector('form[id="op.deviceConfirmForm"]', { state: 'attached' });
  const approve = async (page) => {
    await isAsked(page);
    await page.click('button[type=submit][autofocus]');
    await signIn(page);
  };
  const asked = [];
  page.on('request', (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`));
  await page.goto(address);
  if (tab) {
    const link = await page.waitForFunction(() =>
      document.querySelector('#status a')?.href ?? document.querySelector('h1').textContent !== 'Sign in');
    const code = await link.jsonValue();
    if (code !== true) {
      const there = await context.newPage();
      await there.goto(code);
      await approve(there);
    }
    await page.waitForFunction(() => document.querySelector('h1').textContent !== 'Sign in', null, { timeout: 60_000 });
    fs.mkdirSync(path.dirname(screenshot), { recursive: true });
    await page.screenshot({ path: screenshot });
    const shown = await page.evaluate(() => ({
      heading: document.querySelector('h1').textContent, status: document.querySelector('#status').textContent }));
    console.log(JSON.stringify({ ...shown, asked, complaints }));
  } else if (device) {
    await isAsked(page);
    if (choice === '--device') {
      await approve(page);
    } else {
      await page.click('button[name=abort]');
    }
    await page.waitForURL((url) => url.pathname.includes('/device'), { timeout: 60_000 });
    await page.waitForSelector('h1');
    fs.mkdirSync(path.dirname(screenshot), { recursive: true });
    await page.screenshot({ path: screenshot });
    const heading = await page.evaluate(() => document.querySelector('h1').textContent);
    console.log(JSON.stringify({ url: page.url(), heading }));
  } else if (choice === '--cancel') {
    await page.click('a[href$="/abort"]');
  } else {
    await signIn(page);
  }
  if (!device && !tab) {
    await page.waitForURL((url) => landed(url.href), { timeout: 60_000 });
    await page.waitForSelector('h1');
    fs.mkdirSync(path.dirname(screenshot), { recursive: true });
    await page.screenshot({ path: screenshot });
    const shown = await page.evaluate(() => ({
      url: location.href, title: document.title, heading: document.querySelector('h1').textContent,
      text: document.body.innerText, lang: document.documentElement.lang, width: document.querySelector('main').offsetWidth,
      history: history.length, referrer: document.referrer,
    }));
    console.log(JSON.stringify({ ...shown, complaints, foreign }));
  }
} finally {
  await context.close();
  fs.rmSync(profile, { recursive: true, force: true });
}
