// The app in a phone's browser, end to end. `cargo xtask test --only web`.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PATIENCE, Phone, World, browser, lab, until } from './rig.mjs';

const TITLE = 'Two paperbacks';
const DOOR = 'A2';
const over = { skip: lab ? false : 'no Bluetooth lab' };

describe('the app in a browser', { concurrency: false }, () => {
  let world, chrome, owner;

  before(async () => {
    world = await World.build('story');
    chrome = await browser();
    owner = await Phone.take(chrome, world);
    await owner.signUp('Robin');
  });

  after(async () => {
    await chrome?.close();
    await world?.end();
  });

  test('web_signs_in_in_the_same_tab: passkey, list, detail, door and PIN', async () => {
    const text = await owner.page.innerText('body');
    assert.match(text, /Two paperbacks/);
    assert.equal(new URL(owner.page.url()).search, '', 'nothing of the sign-in is left in the address');
    await owner.show(TITLE);
    assert.equal((await (await owner.see('detail-door')).innerText()).trim(), DOOR);
    assert.match(await (await owner.see('pin')).innerText(), /\d/);
    assert.deepEqual(owner.errors, []);
  });

  test('web_keeps_nothing_in_clear: keys that nobody can export, and the rest sealed', async () => {
    const look = () => owner.page.evaluate(async () => {
      const request = indexedDB.open('postern');
      const database = await new Promise((done, failed) => ((request.onsuccess = () => done(request.result)), (request.onerror = failed)));
      const all = (store) =>
        new Promise((done) => {
          const got = database.transaction(store).objectStore(store).getAll();
          got.onsuccess = () => done(got.result);
        });
      const keys = await all('keys');
      const flat = keys.flatMap((key) => (key instanceof CryptoKey ? [key] : [key.privateKey]));
      const text = async (store) => (await all(store)).map((one) => (one.box ? String.fromCharCode(...new Uint8Array(one.box)) : String(one))).join();
      const exported = await Promise.allSettled(flat.map((key) => crypto.subtle.exportKey(key.type === 'secret' ? 'raw' : 'pkcs8', key)));
      const told = (await text('state')) + (await text('small'));
      database.close();
      return { extractable: flat.map((key) => key.extractable), exported: exported.map((one) => one.status), text: told };
    });
    const kept = await until('the state to be kept', async () => {
      const kept = await look();
      return kept.text.length > 2000 && kept;
    });
    assert.deepEqual(kept.extractable, [false, false]);
    assert.deepEqual(kept.exported, ['rejected', 'rejected']);
    for (const word of [TITLE, 'paperbacks', 'refresh', 'Robin']) assert.ok(!kept.text.includes(word), word);
  });

  test('web_works_without_its_hub: list and PIN after a reload with the hub stopped', async () => {
    await until('the page to be kept', () => owner.page.evaluate(() => navigator.serviceWorker.controller !== null));
    await world.stopHub();
    try {
      await owner.page.evaluate(() => (location.hash = '#/'));
      await owner.page.reload();
      await owner.see('home');
      assert.match(await owner.page.innerText('body'), /Two paperbacks/);
      await owner.show(TITLE);
      await owner.see('pin');
    } finally {
      await world.startHub();
    }
  });

  test('web_page_runs_no_foreign_script: framed by nobody, no markup made of text', async () => {
    const response = await fetch(`${world.url}/app/`);
    const policy = response.headers.get('content-security-policy');
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "connect-src 'self'"]) {
      assert.ok(policy.includes(part), part);
    }
    assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'|https?:|\*/);
    assert.equal(response.headers.get('x-frame-options'), 'DENY');
    assert.equal(response.headers.get('cross-origin-resource-policy'), 'same-origin');
    assert.match(response.headers.get('permissions-policy'), /bluetooth=\(self\).*microphone=\(\)/);
    const refused = await owner.page.evaluate(async () => {
      const tried = {};
      const attempt = async (name, act) => {
        try {
          await act();
          tried[name] = 'done';
        } catch {
          tried[name] = 'refused';
        }
      };
      await attempt('innerHTML', () => (document.createElement('div').innerHTML = '<img src=x onerror=alert(1)>'));
      await attempt('script', () => (document.createElement('script').src = '/pages/sign_in.js'));
      await attempt('policy', () => globalThis.trustedTypes.createPolicy('another', {}));
      await attempt('worker', () => navigator.serviceWorker.register('/elsewhere.js'));
      return tried;
    });
    assert.deepEqual(new Set(Object.values(refused)), new Set(['refused']), JSON.stringify(refused));
    for (const asset of (await response.text()).match(/assets\/[^"]+/g)) {
      const answer = await fetch(`${world.url}/app/${asset}`);
      assert.match(answer.headers.get('cache-control'), /immutable/);
      assert.match(asset, /-[\w-]{8}\.\w+$/, 'named by its content');
    }
  });

  test('web_tabs_share_no_refresh_token: the newest tab has the app, the others say so', async () => {
    const first = owner.page;
    const second = await owner.tab();
    await second.goto(`${world.url}/app/`);
    await owner.see('home');
    await first.waitForSelector('[data-testid="halted"][data-why="passed"]');
    const sent = [];
    for (const page of [first, second]) page.on('request', (request) => request.url().endsWith('/oauth/token') && sent.push(page));
    await Promise.all([first, second].map((page) => page.reload()));
    await until('one of them to have it', async () => {
      const [one, other] = await Promise.all([first, second].map((page) => page.locator('[data-testid="home"]').count()));
      const halted = await Promise.all([first, second].map((page) => page.locator('[data-testid="halted"]').count()));
      return one + other === 1 || halted[0] + halted[1] === 1;
    });
    const session = await Promise.all([first, second].map((page) => page.locator('[data-testid="welcome"]').count()));
    assert.deepEqual(session, [0, 0], 'nobody was signed out');
    await first.close();
    await owner.see('home').catch(async () => {
      await owner.tap('[data-testid="use-here"]');
      await owner.see('home');
    });
    assert.match(await second.innerText('body'), /Two paperbacks/);
  });

  test('web_claim_link_opens_the_door: at most four touches and a choice, over Bluetooth', over, async () => {
    const link = await owner.share(TITLE, 'Alex');
    const guest = await Phone.take(chrome, world);
    guest.choose = (devices) => devices[0];
    await guest.page.goto(link);
    const began = Date.now();
    await guest.tap('#here');
    await guest.tap('#guest');
    await guest.see('home', '[aria-busy="false"]');
    await guest.tapCard(TITLE);
    assert.equal((await world.door(DOOR)).open, false);
    const gesture = await guest.hold();
    await guest.phase('opened');
    const opened = Date.now() - began;
    assert.equal((await world.door(DOOR)).open, true, 'the screen says opened, and the cabinet says so too');
    // And one in the browser's own chooser.
    assert.equal(guest.prompts, 1);
    assert.ok(guest.touches <= 4, `${guest.touches} touches`);
    const latch = (await world.latchedAt(DOOR)) - gesture;
    console.log(`# claim link to open door ${opened} ms, gesture to latch ${latch} ms`);
    await guest.picture('opened');
    assert.deepEqual(guest.errors, []);
    await world.hand(DOOR, 'take');
    await world.hand(DOOR, 'close');
    await guest.phase('closed');
    await guest.context.close();
  });
});

describe('an opening over Web Bluetooth', { concurrency: false, ...over }, () => {
  const BOX = 'Flat 12 box';
  const BOX_DOOR = 'D2';
  let world, chrome, owner;

  before(async () => {
    world = await World.build('openings');
    chrome = await browser();
    owner = await Phone.take(chrome, world);
    await owner.signUp('Robin');
    await owner.show(BOX);
  });

  after(async () => {
    await chrome?.close();
    await world?.end();
  });

  /** Closes the door and leaves the opening. */
  async function leave() {
    if ((await world.door(BOX_DOOR)).open) await world.hand(BOX_DOOR, 'close');
    await until('the opening to be left', () =>
      owner.page.evaluate(() => {
        const ways = ['opening-done', 'dismiss-opening'].map((way) => document.querySelector(`[data-testid="${way}"]`));
        ways.find((way) => way !== null)?.click();
        return document.querySelector('[data-testid="opening-phase"]') === null;
      }),
    );
  }

  async function opens() {
    await owner.hold();
    await owner.phase('opened');
    assert.equal((await world.door(BOX_DOOR)).open, true);
    await leave();
  }

  test('web_chooser_dismissed_opens_nothing: and says what to do', async () => {
    owner.choose = () => null;
    await owner.hold();
    await owner.phase('failed');
    await owner.see('problem');
    assert.equal((await world.door(BOX_DOOR)).open, false);
    // Nothing is under way: another tab has its turn, although the words still stand here.
    const { page, cdp } = owner;
    const other = await owner.tab();
    await other.goto(`${world.url}/app/`);
    await owner.see('home');
    await page.waitForSelector('[data-testid="halted"][data-why="passed"]', { timeout: PATIENCE });
    await other.close();
    Object.assign(owner, { page, cdp });
    await page.bringToFront();
    await owner.tap('[data-testid="use-here"]');
    await owner.see('open-gesture');
  });

  test('web_dial_that_is_over_connects_nobody: however late the chooser or the connection is', async () => {
    const connected = () =>
      owner.page.evaluate(async () => (await navigator.bluetooth.getDevices()).some((device) => device.gatt.connected));
    // The chooser is answered after the customer has given up.
    owner.choose = () => undefined;
    let prompt;
    const listen = (asked) => (prompt = asked);
    owner.cdp.on('DeviceAccess.deviceRequestPrompted', listen);
    await owner.hold();
    await until('a choice', () => prompt?.devices.length > 0);
    await owner.tap('[data-testid="cancel-opening"]');
    await leave();
    // A browser may have closed it by then.
    await owner.cdp.send('DeviceAccess.selectPrompt', { id: prompt.id, deviceId: prompt.devices[0].id }).catch(() => undefined);
    for (let n = 0; n < 30; n += 1) {
      assert.equal(await connected(), false, 'nobody waits for it');
      await pause(200);
    }
    owner.cdp.off('DeviceAccess.deviceRequestPrompted', listen);
    owner.choose = (devices) => devices[0];
    // The connection stands after the customer has given up.
    await owner.page.evaluate(() => {
      const server = BluetoothRemoteGATTServer.prototype;
      const { connect } = server;
      server.connect = async function () {
        server.connect = connect;
        globalThis.dialled = true;
        await new Promise((done) => setTimeout(done, 3000));
        globalThis.late = connect.call(this);
        return globalThis.late;
      };
    });
    await owner.hold();
    await until('the dial', () => owner.page.evaluate(() => globalThis.dialled === true));
    await owner.tap('[data-testid="cancel-opening"]');
    await leave();
    await until('the late connection', () => owner.page.evaluate(() => globalThis.late !== undefined));
    await owner.page.evaluate(() => globalThis.late.catch(() => undefined));
    await until('it to be let go', async () => !(await connected()), 10_000);
    assert.equal((await world.door(BOX_DOOR)).open, false);
    // What was chosen and never answered is not known after a reload.
    await owner.page.reload();
    await owner.see('detail');
  });

  test('web_first_connection_fails: it is repeated without another chooser', async () => {
    const before = owner.prompts;
    await owner.page.evaluate(() => {
      const server = BluetoothRemoteGATTServer.prototype;
      const connect = server.connect;
      let failures = 2;
      server.connect = function () {
        return failures-- > 0 ? Promise.reject(new DOMException('GATT Error Unknown.', 'NetworkError')) : connect.call(this);
      };
    });
    await opens();
    assert.equal(owner.prompts, before + 1);
  });

  test('web_known_locker_needs_no_chooser: also after a reload', async () => {
    const before = owner.prompts;
    await opens();
    await owner.page.reload();
    await owner.see('detail');
    await opens();
    assert.equal(owner.prompts, before);
  });

  test('web_lost_hello_is_read: and the door opens', async () => {
    // A link that still stands from the opening before has had its HELLO.
    await owner.page.reload();
    await owner.see('detail');
    await world.faults({ air: { lose_hellos: 1 } });
    await owner.page.evaluate(() => {
      const { prototype } = BluetoothRemoteGATTCharacteristic;
      globalThis.written = [];
      for (const how of ['writeValueWithResponse', 'writeValueWithoutResponse']) {
        const write = prototype[how];
        prototype[how] = function (value) {
          globalThis.written.push(value.byteLength);
          return write.call(this, value);
        };
      }
    });
    await opens();
    const written = await owner.page.evaluate(() => globalThis.written);
    // A read comes whole over any link: it says nothing of what a write may carry. OPEN takes several frames.
    assert.ok(written.length > 2, String(written));
    assert.ok(written.slice(0, 3).every((length) => length <= 20), String(written));
  });

  test('web_disconnect_at_every_step: each ends with words, and the door opens at most once', async () => {
    for (const [direction, frame] of [['to_phone', 0], ['to_phone', 1], ['to_locker', 1], ['to_locker', 3], ['to_phone', 2]]) {
      await world.faults({ air: { drop_after: { direction, frame, delivered: true } } });
      await owner.hold();
      const phase = await owner.page.waitForSelector(
        '[data-phase="opened"], [data-phase="failed"], [data-phase="mayBeOpen"]', { timeout: PATIENCE },
      );
      const said = await phase.getAttribute('data-phase');
      // What it says of an open door is so; of one that failed too.
      const { open } = await world.door(BOX_DOOR);
      if (said === 'opened') assert.equal(open, true, `${direction} ${frame}`);
      if (said === 'failed') assert.equal(open, false, `${direction} ${frame}`);
      await world.faults({ air: { drop_after: null } });
      await leave();
    }
    await opens();
    assert.deepEqual(owner.errors, []);
  });
});

describe('a browser without Bluetooth', { concurrency: false }, () => {
  test('web_without_bluetooth_says_so: before the customer goes', async () => {
    const world = await World.build('without', { bluetooth: false });
    const chrome = await browser({ bluetooth: false });
    try {
      const phone = await Phone.take(chrome, world);
      await phone.context.addInitScript(() => delete Navigator.prototype.bluetooth);
      await phone.page.reload();
      await phone.signUp('Robin');
      assert.match(await (await phone.see('bluetooth-strip', '[data-bluetooth="absent"]')).innerText(), /PIN or code/);
      await phone.show(TITLE);
      await phone.see('pin');
    } finally {
      await chrome.close();
      await world.end();
    }
  });

  test('web_off_is_off: not served, and nobody is sent there', async () => {
    const world = await World.build('off', { settings: 'web_app = false\n', bluetooth: false });
    try {
      assert.equal((await fetch(`${world.url}/app/`)).status, 404);
      const back = encodeURIComponent(`${world.url}/app/`);
      const query = `response_type=code&client_id=postern-app&state=12345678&code_challenge_method=S256&code_challenge=${'A'.repeat(43)}`;
      assert.equal((await fetch(`${world.url}/authorize?${query}&redirect_uri=${back}`)).status, 400, 'and nobody is sent there');
    } finally {
      await world.end();
    }
  });
});
