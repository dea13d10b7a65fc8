// The app in a browser's tabs: what brought it there, who has it, what becomes of it where something does not arrive. No
// Bluetooth is needed. `cargo xtask test --only web`.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PATIENCE, Phone, World, browser, until } from './rig.mjs';

const TITLE = 'Two paperbacks';
const isToken = (request) => request.method() === 'POST' && new URL(request.url()).pathname === '/oauth/token';
const words = (language) => JSON.parse(readFileSync(new URL(`../../ui/src/lib/i18n/${language}.json`, import.meta.url), 'utf8'));

describe('tabs and links', { concurrency: false }, () => {
  let world, chrome, owner;

  before(async () => {
    world = await World.build('tabs', { bluetooth: false });
    chrome = await browser();
    owner = await Phone.take(chrome, world);
    await owner.signUp('Robin');
  });

  after(async () => {
    await chrome?.close();
    await world?.end();
  });

  /** The app's own page behind a claim link, as the button on the hub's page leads to it. */
  async function follow(phone, link) {
    await phone.page.goto(link);
    await phone.tap('#here');
  }

  async function share(name) {
    await owner.page.reload();
    return owner.share(TITLE, name);
  }

  test('web_claim_outlives_a_reload: the link stays in the address until it is written down', async () => {
    const link = await share('Alex');
    const guest = await Phone.take(chrome, world, { serviceWorkers: 'block' });
    let asked = 0;
    await guest.context.route('**/.well-known/postern', () => void (asked += 1));
    await follow(guest, link);
    await until('the core to have the link', () => asked > 0);
    await guest.page.reload();
    await until('the core to have it again', () => asked > 1);
    assert.match(new URL(guest.page.url()).hash, /^#claim=/);
    await guest.context.unroute('**/.well-known/postern');
    // It may be on its way to the sign-in page by itself.
    await guest.page.reload().catch(() => undefined);
    await guest.tap('#guest');
    await guest.see('home', '[aria-busy="false"]');
    assert.match(await guest.page.innerText('body'), /Two paperbacks/);
    await until('the address to be clean', () => !/claim|code|state/.test(guest.page.url()));
    await guest.context.close();
  });

  test('web_link_without_a_network: another attempt takes it along', async () => {
    const link = await share('Alex');
    const guest = await Phone.take(chrome, world, { serviceWorkers: 'block' });
    await guest.context.route('**/.well-known/postern', (route) => route.abort());
    await follow(guest, link);
    await guest.see('welcome');
    await guest.see('problem');
    await guest.context.unroute('**/.well-known/postern');
    await guest.tap('[data-testid="sign-in"]');
    await guest.tap('#guest');
    await guest.see('home', '[aria-busy="false"]');
    await guest.context.close();
  });

  test('web_used_link_opens_again: for the device that lost its answer, and for no other', async () => {
    const link = await share('Alex');
    const guest = await Phone.take(chrome, world, { serviceWorkers: 'block' });
    // The tab ends on its way back: link and code are used up, and nobody has the session.
    const back = (url) => url.pathname === '/app/' && url.searchParams.has('code');
    await guest.context.route(back, (route) => route.abort());
    await follow(guest, link);
    const lost = guest.page.waitForEvent('requestfailed', { predicate: (request) => back(new URL(request.url())), timeout: PATIENCE });
    await guest.tap('#guest');
    await lost;
    // An error page that stands reloads by itself.
    await guest.page.close();
    await guest.context.unroute(back);
    await guest.tab();

    const stranger = await Phone.take(chrome, world, { serviceWorkers: 'block' });
    await follow(stranger, link);
    await stranger.tap('#guest');
    await stranger.page.waitForSelector('#error:not([hidden])', { timeout: PATIENCE });
    assert.equal(new URL(stranger.page.url()).pathname, '/authorize');
    await stranger.context.close();

    await follow(guest, link);
    await guest.tap('#guest');
    await guest.see('home', '[aria-busy="false"]');
    assert.match(await guest.page.innerText('body'), /Two paperbacks/);
    // The link in the message is what a guest has: followed once more it leads to the same list.
    await follow(guest, link);
    await guest.see('home', '[aria-busy="false"]');
    await until('the address to be clean', () => !guest.page.url().includes('claim'));
    await guest.context.close();
  });

  test('web_code_goes_out_once: another tab waits for what stands in the queue', async () => {
    const link = await share('Alex');
    const guest = await Phone.take(chrome, world, { serviceWorkers: 'block' });
    // A phone whose disk is slow: each save takes a while, and what follows it waits.
    await guest.context.addInitScript(() => {
      const prototype = IDBTransaction.prototype;
      Object.defineProperty(prototype, 'oncomplete', {
        set(act) {
          this.addEventListener('complete', (event) => setTimeout(() => act.call(this, event), this.mode === 'readonly' ? 0 : 2500));
        },
      });
    });
    const sent = [];
    guest.context.on('request', (request) => isToken(request) && sent.push(request.postData()));
    await follow(guest, link);
    await guest.tap('#guest');
    const first = guest.page;
    await first.waitForURL((url) => url.pathname === '/app/' && url.searchParams.has('code'), { timeout: PATIENCE });
    await guest.tab();
    await guest.page.goto(`${world.url}/app/`);
    await guest.see('home', '[aria-busy="false"]');
    const codes = sent.filter((body) => body.includes('authorization_code'));
    assert.equal(codes.length, 1, 'a code that comes twice ends its session');
    assert.match(await guest.page.innerText('body'), /Two paperbacks/);
    await first.waitForSelector('[data-testid="halted"][data-why="passed"]', { timeout: PATIENCE });
    await guest.context.close();
  });

  test('web_broken_tab_lets_go: and the next one has the app', async () => {
    const phone = await Phone.take(chrome, world);
    await phone.signUp('Kim');
    const broken = phone.page;
    await broken.evaluate(() => {
      // The core asks the time first of all: there it stops.
      performance.now = () => {
        throw new Error('stopped');
      };
      dispatchEvent(new Event('online'));
    });
    await broken.waitForSelector('[data-testid="halted"][data-why="broken"]', { timeout: PATIENCE });
    await phone.tab();
    await phone.page.goto(`${world.url}/app/`);
    await phone.see('home', '[aria-busy="false"]');
    await phone.context.close();
  });

  test('web_first_tabs_have_one_key: whichever of them made it', async () => {
    const phone = await Phone.take(chrome, world, { serviceWorkers: 'block' });
    // Without turns, as where two begin at once.
    await phone.context.addInitScript(() => {
      navigator.locks.request = (name, work) => Promise.resolve(work({ name }));
    });
    const slow = phone.page;
    await slow.addInitScript(() => {
      const generate = crypto.subtle.generateKey;
      crypto.subtle.generateKey = async function (...how) {
        await new Promise((done) => setTimeout(done, 3000));
        return generate.apply(this, how);
      };
    });
    const made = (page) =>
      page.evaluate(async () => {
        if ((await indexedDB.databases()).length === 0) return null;
        const request = indexedDB.open('postern');
        const database = await new Promise((done) => (request.onsuccess = () => done(request.result)));
        const got = database.transaction('keys').objectStore('keys').get('device');
        const pair = await new Promise((done) => (got.onsuccess = () => done(got.result)));
        database.close();
        return pair ? (await crypto.subtle.exportKey('jwk', pair.publicKey)).x : null;
      });
    const gone = slow.goto(`${world.url}/app/`);
    await phone.tab();
    const quick = phone.page;
    await quick.goto(`${world.url}/app/`);
    await phone.see('welcome');
    const key = await until('a key', () => made(quick));
    await gone;
    await pause(8000);
    assert.equal(await made(quick), key, 'the slower one takes up what is there');
    const keys = [];
    for (const page of [slow, quick]) {
      await page.tap('[data-testid="sign-in"]', { timeout: PATIENCE });
      await page.waitForURL((url) => url.pathname === '/authorize', { timeout: PATIENCE });
      keys.push(new URL(page.url()).searchParams.get('dpop_jkt'));
    }
    assert.equal(keys[0], keys[1]);
    await phone.context.close();
  });

  test('web_core_that_does_not_arrive_is_spoken_of: in four languages, with a way to try again', async () => {
    for (const [language, locale] of [['en', 'en-GB'], ['de', 'de-DE'], ['pl', 'pl-PL'], ['uk', 'uk-UA']]) {
      const phone = await Phone.take(chrome, world, { serviceWorkers: 'block', locale });
      await phone.context.route('**/*.wasm', (route) => route.abort());
      await phone.page.goto(`${world.url}/app/`);
      const said = await (await phone.see('halted', '[data-why="missing"]')).innerText();
      assert.ok(said.includes(words(language)['web.missing']), said);
      assert.ok(said.includes(words(language)['web.again']), said);
      await phone.context.unroute('**/*.wasm');
      await phone.tap('[data-testid="use-here"]');
      await phone.see('welcome');
      await phone.context.close();
    }
    // One that is only slow is spoken of too, and goes on by itself.
    const phone = await Phone.take(chrome, world, { serviceWorkers: 'block' });
    let arrive;
    const slow = new Promise((done) => (arrive = done));
    await phone.context.route('**/*.wasm', async (route) => {
      await slow;
      await route.continue();
    });
    await phone.page.goto(`${world.url}/app/`);
    await phone.see('halted', '[data-why="missing"]');
    arrive();
    await phone.see('welcome');
    await until('the words to be gone', async () => (await phone.page.locator('[data-testid="halted"]').count()) === 0);
    await phone.context.close();
  });

  test('web_copied_secret_stays: and the words say so', async () => {
    await owner.context.grantPermissions(['clipboard-write']);
    await owner.show(TITLE);
    const copy = owner.page.locator('[data-testid="copy-pin"]');
    await copy.first().tap({ timeout: PATIENCE });
    await until('the words', async () => (await owner.page.innerText('body')).includes(words('en')['at.pinCopied.stays']));
  });
});

describe('an operator takes the page away', { concurrency: false }, () => {
  test('web_off_takes_the_kept_page_along: from every phone that comes by', async () => {
    const world = await World.build('away', { bluetooth: false });
    const chrome = await browser();
    try {
      const phone = await Phone.take(chrome, world);
      await phone.page.goto(`${world.url}/app/`);
      await phone.see('welcome');
      await until('the page to be kept', () => phone.page.evaluate(() => navigator.serviceWorker.controller !== null));
      const kept = await phone.page.evaluate(() => caches.keys());
      const { headers } = /^const HEADERS = "(?<headers>[0-9a-f]{16})";/.exec(await (await fetch(`${world.url}/app/worker.js`)).text()).groups;
      assert.equal(kept.length, 1);
      assert.ok(kept[0].endsWith(headers), `${kept}: other headers are another version`);
      await world.stopHub();
      writeFileSync(join(world.folder, 'hub/postern.toml'), 'web_app = false\n');
      await world.startHub();
      await phone.page.reload();
      await until('the page to be gone', () =>
        phone.page.evaluate(async () => {
          const registrations = await navigator.serviceWorker.getRegistrations();
          return (await caches.keys()).length === 0 && registrations.length === 0;
        }),
      );
      assert.equal((await phone.page.goto(`${world.url}/app/`)).status(), 404);
    } finally {
      await chrome.close();
      await world.end();
    }
  });
});
