// Hub, cabinet and a phone's browser for the tests of the app in a browser: real programs, a real Chromium with real touches,
// and the lab's Bluetooth between it and the cabinet. What a test uses is a screen, the documented API, or the panel's hands.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium } from '../../ui/node_modules/playwright-core/index.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const binaries = process.env.POSTERN_BINARIES ?? join(here, '../../target/debug');
/** Milliseconds for anything on a machine that has other things to do. Where a promise is shorter, a test measures it. */
export const PATIENCE = 90_000;
export const PHONE = { width: 390, height: 844 };
/** Longer than the gesture takes, milliseconds. */
const HOLD = 750;

/** Whether there is a Bluetooth to open doors over. */
export const lab = process.env.POSTERN_LAB_BUS ?? null;

/** Waits until it answers something other than null, undefined or false. */
export async function until(what, look, patience = PATIENCE) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await pause(25);
  }
}

async function ask(url, options = {}) {
  const response = await fetch(url, options);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status}: ${text}`);
  return text ? JSON.parse(text) : null;
}

class Program {
  constructor(name, folder, args, env = {}) {
    this.log = join(folder, `${name}.log`);
    this.child = spawn(join(binaries, name), args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(this.log, { flags: 'a' });
    this.child.stdout.pipe(log);
    this.child.stderr.pipe(log);
    this.gone = once(this.child, 'exit');
  }

  async ready(file) {
    let over = false;
    void this.gone.then(() => (over = true));
    return until(`${file} (see ${this.log})`, () => {
      if (over) throw new Error(`it ended: ${readFileSync(this.log, 'utf8').slice(-2000)}`);
      return existsSync(file) && JSON.parse(readFileSync(file, 'utf8'));
    });
  }

  async stop() {
    this.child.kill();
    await this.gone;
  }
}

/** A hub that gives each new account something to collect, and a cabinet in its network. */
export class World {
  static async build(name, { settings = '', bluetooth = lab !== null } = {}) {
    const world = new World();
    world.folder = join(process.env.POSTERN_OUT ?? join(here, '../../target/test/web'), name);
    rmSync(world.folder, { recursive: true, force: true });
    mkdirSync(join(world.folder, 'hub'), { recursive: true });
    writeFileSync(join(world.folder, 'hub/postern.toml'), settings);
    const made = spawnSync(join(binaries, 'postern-hub'), ['demo-data', '--data', join(world.folder, 'hub')]);
    if (made.status !== 0) throw new Error(String(made.stderr));
    const keys = JSON.parse(made.stdout);
    await world.serve('127.0.0.1:0');
    const ready = join(world.folder, 'cabinet.ready');
    const air = bluetooth ? ['--ble', 'hci1'] : ['--air', '127.0.0.1:0'];
    world.cabinet = new Program(
      'postern-sim',
      world.folder,
      ['serve', '--hub', world.url, '--panel', '127.0.0.1:0', '--data', join(world.folder, 'cabinet'), '--ready-file', ready, ...air],
      { POSTERN_OPERATOR_KEY: keys.operator_key, POSTERN_CARRIER_KEY: keys.carriers[0].key, ...(lab && { DBUS_SYSTEM_BUS_ADDRESS: lab }) },
    );
    const told = await world.cabinet.ready(ready);
    world.panel = `${told.panel}/api/cabinets/${told.cabinets[0]}`;
    return world;
  }

  async serve(listen) {
    const ready = join(this.folder, 'hub.ready');
    rmSync(ready, { force: true });
    this.hub = new Program('postern-hub', this.folder, [
      'serve', '--demo', '--listen', listen, '--data', join(this.folder, 'hub'), '--ready-file', ready,
    ]);
    this.url = (await this.hub.ready(ready)).url;
  }

  async stopHub() {
    await this.hub.stop();
  }

  async startHub() {
    await this.serve(`127.0.0.1:${new URL(this.url).port}`);
  }

  async door(label) {
    const state = await ask(this.panel);
    return state.doors.find((door) => door.label === label);
  }

  async latchedAt(label) {
    const state = await ask(this.panel);
    const { door } = state.doors.find((one) => one.label === label);
    return state.log.findLast((entry) => entry.what === 'latch' && entry.door === door)?.at;
  }

  async hand(label, what) {
    const { door } = await this.door(label);
    await ask(`${this.panel}/doors/${door}/${what}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  }

  async faults(patch) {
    await ask(`${this.panel}/faults`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(patch) });
  }

  async end() {
    await this.cabinet?.stop();
    await this.hub.stop();
  }
}

/** Chromium on the lab's Bluetooth. */
export async function browser({ bluetooth = true } = {}) {
  const args = ['--no-sandbox', '--disable-gpu', '--enable-experimental-web-platform-features'];
  args.push(bluetooth ? '--enable-features=WebBluetooth,WebBluetoothNewPermissionsBackend' : '--disable-features=WebBluetooth');
  return chromium.launch({
    executablePath: process.env.POSTERN_CHROMIUM ?? '/usr/bin/chromium',
    args,
    env: { ...process.env, ...(lab && { DBUS_SYSTEM_BUS_ADDRESS: lab }) },
  });
}

/** Somebody's phone: one profile of the browser, at a phone's size, with fingers. */
export class Phone {
  static async take(chrome, world, options = {}) {
    const phone = new Phone();
    phone.world = world;
    phone.context = await chrome.newContext({ viewport: PHONE, deviceScaleFactor: 2, isMobile: true, hasTouch: true, locale: 'en-GB', ...options });
    await phone.tab();
    return phone;
  }

  /** Another tab, in front from now on. */
  async tab() {
    this.page = await this.context.newPage();
    this.errors ??= [];
    this.page.on('pageerror', (error) => this.errors.push(String(error)));
    this.page.on('console', (message) => {
      if (message.type() === 'error' && /Content Security|Trusted|Refused/.test(message.text())) this.errors.push(message.text());
    });
    this.cdp = await this.context.newCDPSession(this.page);
    this.prompts = 0;
    this.choose = (devices) => devices[0];
    // Where the browser has no chooser there is nothing to answer.
    await this.cdp.send('DeviceAccess.enable').catch(() => undefined);
    this.cdp.on('DeviceAccess.deviceRequestPrompted', ({ id, devices }) => void this.answer(id, devices));
    return this.page;
  }

  async answer(id, devices) {
    if (this.answered === id) return;
    const chosen = this.choose(devices);
    if (chosen === undefined) return;
    this.answered = id;
    this.prompts += 1;
    if (chosen === null) await this.cdp.send('DeviceAccess.cancelPrompt', { id });
    else await this.cdp.send('DeviceAccess.selectPrompt', { id, deviceId: chosen.id });
  }

  /** A passkey in this phone. */
  async authenticator() {
    await this.cdp.send('WebAuthn.enable');
    await this.cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
  }

  see(id, more = '') {
    return this.page.waitForSelector(`[data-testid="${id}"]${more}`, { timeout: PATIENCE });
  }

  async tap(selector) {
    this.touches = (this.touches ?? 0) + 1;
    await this.page.tap(selector, { timeout: PATIENCE });
  }

  /** Makes an account with a passkey, in the tab of the app. */
  async signUp(name) {
    await this.authenticator();
    await this.page.goto(`${this.world.url}/app/`);
    await this.see('welcome');
    await this.tap('[data-testid="sign-in"]');
    await this.page.fill('#name', name, { timeout: PATIENCE });
    await this.tap('#create');
    await this.see('home', '[aria-busy="false"]');
  }

  /** The id of what says this in the list. */
  async reservation(title) {
    // Where one is shown, the list is not.
    await this.page.evaluate(() => (location.hash = '#/'));
    const card = this.page.locator('[data-testid^="card-"]', { hasText: title }).first();
    await card.waitFor({ timeout: PATIENCE });
    return (await card.getAttribute('data-testid')).slice('card-'.length);
  }

  /** With a finger, from the list. */
  async tapCard(title) {
    await this.tap(`[data-testid="card-${await this.reservation(title)}"]`);
    await this.see('open-gesture');
  }

  async show(title) {
    const id = await this.reservation(title);
    await this.page.evaluate((hash) => (location.hash = hash), `#/r/${id}`);
    await this.see('detail');
    return id;
  }

  /** A link for somebody else, made on the screen. */
  async share(title, name) {
    await this.show(title);
    await this.tap('[data-testid="action-share"]');
    await this.page.fill('[data-testid="share-name"]', name, { timeout: PATIENCE });
    await this.page.locator('[data-testid="share-sheet"] input[type="radio"][name$="-until"]').first().check({ force: true });
    await this.tap('[data-testid="share-make"]');
    return (await (await this.see('share-link')).innerText()).trim();
  }

  /** The deliberate gesture, by a finger: down, held, up. Answers when it had been held for long enough, UNIX ms. */
  async hold(id = 'open-gesture') {
    this.touches = (this.touches ?? 0) + 1;
    const button = await this.see(id);
    await button.scrollIntoViewIfNeeded();
    const box = await button.boundingBox();
    const point = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const down = Date.now();
    await this.cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [point] });
    await pause(HOLD);
    await this.cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    return down + 600;
  }

  phase(phase) {
    return this.see('opening-phase', `[data-phase="${phase}"]`);
  }

  async picture(name) {
    await this.page.screenshot({ path: join(this.world.folder, `${name}.png`) });
  }
}
