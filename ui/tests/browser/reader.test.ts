import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { NOW, opening, problem, reservation, view } from '../../fixtures/base';
import { thousands } from '../../fixtures/hard';
import { scenes } from '../../fixtures/scenes';
import { SIZES } from '../../tools/page.mjs';
import type { View } from '../../src/lib/generated/view';
import { harness } from './harness';

/** What a person without a mouse or without sight has of the page, by Chromium's accessibility tree. */
const ui = harness();
const push = (page: Page, next: View) => page.evaluate((one) => window.recorded.push(one), next);
const types = (page: Page) => page.evaluate(() => window.recorded.sent.map((one) => one.type));
const focused = (page: Page) =>
  page.evaluate(() => {
    const on = document.activeElement;
    return on === null || on === document.body ? 'body' : (on.getAttribute('data-testid') ?? `${on.tagName.toLowerCase()} ${(on.textContent ?? '').replace(/[\u2068\u2069]/g, '').trim()}`);
  });
const isFocused = (page: Page, what: string) => expect.poll(() => focused(page)).toBe(what);

interface Node {
  role: string;
  name: string;
  description: string;
  live: string;
  children: Node[];
}

/** The accessibility tree, without what is ignored in it. */
async function tree(page: Page): Promise<Node> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = (await session.send('Accessibility.getFullAXTree')) as unknown as {
    nodes: { nodeId: string; ignored: boolean; role?: { value: string }; name?: { value: string }; description?: { value: string }; properties?: { name: string; value: { value: unknown } }[]; childIds?: string[] }[];
  };
  await session.detach();
  const byId = new Map(nodes.map((one) => [one.nodeId, one]));
  const plain = (words?: { value: string }) => (words?.value ?? '').replace(/[\u2068\u2069]/g, '').replace(/\s+/g, ' ').trim();
  const build = (id: string): Node[] => {
    const one = byId.get(id);
    if (!one) return [];
    const children = (one.childIds ?? []).flatMap(build);
    if (one.ignored) return children;
    const live = one.properties?.find(({ name }) => name === 'live')?.value.value;
    return [{ role: one.role?.value ?? '', name: plain(one.name), description: plain(one.description), live: String(live ?? ''), children }];
  };
  return build(nodes[0]!.nodeId)[0]!;
}

function all(node: Node, role?: string): Node[] {
  return [...(role === undefined || node.role === role ? [node] : []), ...node.children.flatMap((one) => all(one, role))];
}

const spoken = (node: Node): string => all(node, 'StaticText').map((one) => one.name).join(' ');

test('the focus goes into each sheet, to its title or its one field, and comes back to where it was', { timeout: 120_000 }, async () => {
  const page = await ui.page();
  const leave: ((page: Page) => Promise<unknown>)[] = [
    (one) => one.keyboard.press('Escape'),
    (one) => one.locator('dialog .close').click(),
    (one) => one.mouse.click(5, 5),
  ];
  for (const [scene, opener, first] of [
    ['detail', 'action-share', 'h2 Let someone else open it'],
    ['detail', 'action-extend', 'h2 Ask for more time'],
    ['detail', 'action-report', 'h2 Report a problem'],
    ['detail', 'action-pass', 'h2 Save or print a pass'],
    ['detail-storage', 'action-handOver', 'handOver-unit'],
    ['settings', 'sign-out', 'h2 Sign out?'],
    ['find', 'book', 'h2 Book a compartment'],
    ['welcome', 'have-link', 'link-url'],
    ['welcome', 'other-network', 'network-address'],
  ] as const) {
    for (const out of leave) {
      await ui.show(page, scene);
      await page.getByTestId(opener).focus();
      await page.keyboard.press('Enter');
      await isFocused(page, first);
      await out(page);
      await page.locator('dialog').waitFor({ state: 'detached' });
      await isFocused(page, opener);
    }
  }
});

test.each(Object.entries(SIZES))('the focus follows each change of screen, and goes back to the card: %s', async (_, viewport) => {
  const page = await ui.page({ viewport });
  await ui.show(page, 'home');
  await isFocused(page, 'h1 2 parcels are ready');
  for (const [nav, heading] of [['activity', 'Activity'], ['find', 'Find a locker'], ['settings', 'Settings'], ['home', '2 parcels are ready']] as const) {
    await page.getByTestId(`nav-${nav}`).focus();
    await page.keyboard.press('Enter');
    await isFocused(page, `h1 ${heading}`);
  }
  await page.getByTestId('card-r-books').focus();
  await page.keyboard.press('Enter');
  await isFocused(page, 'detail');
  await page.keyboard.press('Escape');
  await isFocused(page, 'card-r-books');
});

test('beside a list of a thousand the gesture is a few steps away', async () => {
  const page = await ui.page({ viewport: SIZES.desktop });
  await ui.show(page, 'home');
  await push(page, thousands(1000));
  await page.getByTestId('long-list').waitFor();
  await page.getByTestId('card-m-3').focus();
  await page.keyboard.press('Enter');
  await isFocused(page, 'detail');
  for (let at = 0; at < 6 && (await focused(page)) !== 'open-gesture'; at += 1) await page.keyboard.press('Tab');
  expect(await focused(page)).toBe('open-gesture');
});

test('arrows walk the list, a slash searches, and the way around can be skipped', async () => {
  const page = await ui.page();
  await ui.show(page, 'home-many');
  await page.getByTestId('card-m-0').focus();
  await page.keyboard.press('ArrowDown');
  await isFocused(page, 'card-m-1');
  for (let at = 0; at < 30; at += 1) {
    await page.keyboard.press('ArrowDown');
    await isFocused(page, `card-m-${at + 2}`);
  }
  await page.keyboard.press('ArrowUp');
  await isFocused(page, 'card-m-30');
  await page.keyboard.press('/');
  await isFocused(page, 'search');
  // Written there it is a letter.
  await page.keyboard.type('a/b');
  expect(await page.getByTestId('search').inputValue()).toBe('a/b');
  await ui.show(page, 'home');
  await page.getByTestId('skip').focus();
  await page.keyboard.press('Enter');
  await isFocused(page, 'h1 2 parcels are ready');
});

test('what goes away under the focus does not take it along', async () => {
  const page = await ui.page();
  await ui.show(page, 'opening-closed');
  await page.getByTestId('opening').getByTestId('confirm-taken').focus();
  await page.keyboard.press('Enter');
  await push(page, scenes['opening-collected']!.view);
  await isFocused(page, 'h1 Collected');
  await ui.show(page, 'opening-connecting');
  await page.getByTestId('cancel-opening').focus();
  await push(page, view({ opening: opening({ step: 'asked' }) }));
  await isFocused(page, 'h1 B3 is about to open');
  await ui.show(page, 'home-notices');
  await page.getByTestId('notice').first().getByRole('button').focus();
  await push(page, view());
  await expect.poll(() => focused(page)).not.toBe('body');
  await ui.show(page, 'detail');
  await page.getByTestId('open-gesture').focus();
  await push(page, view({ reservations: [reservation({ id: 'r-other' })] }));
  await expect.poll(() => focused(page)).toBe('h1 One parcel is ready');
});

test('the focus is on body in no scene', { timeout: 120_000 }, async () => {
  const page = await ui.page();
  const lost: string[] = [];
  for (const name of Object.keys(scenes)) {
    await ui.show(page, name);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    if ((await focused(page)) === 'body') lost.push(name);
  }
  expect(lost).toEqual([]);
});

test('each screen has a title of its own', async () => {
  const page = await ui.page();
  const titles = new Map<string, string>();
  for (const name of ['welcome', 'welcome-in-browser', 'home', 'detail', 'detail-return', 'activity', 'find', 'settings', 'share', 'report', 'settings-sign-out', 'opening-searching', 'opening-opened', 'opening-closed', 'opening-failed-jammed']) {
    await ui.show(page, name);
    titles.set(name, (await page.title()).replace(/[\u2068\u2069]/g, ''));
  }
  expect(titles.get('home')).toBe('Parcels · Postern');
  expect(titles.get('detail')).toBe('Running shoes, Ready · Postern');
  expect(titles.get('opening-opened')).toBe('B3 is open · Postern');
  expect(titles.get('share')).toBe('Let someone else open it · Postern');
  expect(new Set(titles.values()).size).toBe(titles.size);
});

test('lists are lists, and no two words are read as one', async () => {
  const page = await ui.page();
  for (const scene of ['home', 'detail', 'detail-shared', 'activity', 'find', 'settings']) {
    await ui.show(page, scene);
    // WebKit forgets that a list is one where it is drawn without bullets.
    expect(await page.evaluate(() => [...document.querySelectorAll('ul, ol')].filter((one) => getComputedStyle(one).listStyleType === 'none' && one.getAttribute('role') !== 'list').length)).toBe(0);
  }
  await ui.show(page, 'home');
  const cards = all(await tree(page), 'link').filter((one) => /shoes|jacket|box/.test(one.name));
  expect(cards.map((one) => one.name.replaceAll(' ,', ','))).toEqual([
    'Details: Running shoes, Heron Express, Door B3: Collect from B3, until Wednesday, 21:02',
    'Details: Winter jacket, Heron Express, Door C1: Drop it off in C1, until Saturday, 15:02',
    'Details: Flat 12 box, Lindenhof residents, Door D2: Yours',
  ]);
});

test('no PIN is read aloud unasked', { timeout: 120_000 }, async () => {
  const page = await ui.page();
  const heard: string[] = [];
  for (const name of Object.keys(scenes)) {
    await ui.show(page, name);
    for (const node of all(await tree(page))) {
      if ((node.live === 'assertive' || node.live === 'polite') && /\d{4}\s?\d{4}/.test(spoken(node))) heard.push(`${name}: ${spoken(node)}`);
    }
  }
  expect(heard).toEqual([]);
  // And a failure is told once: what is, then why.
  await ui.show(page, 'opening-failed-jammed');
  const told = all(await tree(page)).filter((node) => node.live === 'assertive' && spoken(node) !== '' && ['alert', 'generic'].includes(node.role)).map(spoken);
  expect(new Set(told).size).toBe(told.length);
});

test('an impostor is offered neither the PIN nor the code', async () => {
  const page = await ui.page();
  await ui.show(page, 'opening-failed-notTheLocker');
  const shown = page.getByTestId('opening');
  expect(await shown.getByTestId('opening-pin').count()).toBe(0);
  expect(await shown.getByTestId('use-code').count()).toBe(0);
  expect(await shown.innerText()).not.toMatch(/4821\s?0937/);
  await ui.show(page, 'opening-failed-jammed');
  expect(await shown.getByTestId('opening-pin').count()).toBe(1);
});

test('who presses too shortly twice is offered another way, which can be kept', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail');
  const gesture = page.getByTestId('open-gesture');
  const at = (await gesture.boundingBox())!;
  await gesture.click({ delay: 80 });
  expect(await page.getByTestId('press-instead').count()).toBe(0);
  await gesture.click({ delay: 80 });
  await page.getByTestId('press-instead').waitFor();
  // Above the gesture, which stays where it was.
  expect(await gesture.boundingBox()).toEqual(at);
  expect(all(await tree(page)).some((node) => node.live === 'polite' && spoken(node) === 'Hold a little longer')).toBe(true);
  await page.getByTestId('press-instead').click();
  await page.getByTestId('gesture-always').click();
  await page.getByTestId('confirm-open').click();
  expect(await types(page)).toContain('open');
  expect(await page.evaluate(() => (JSON.parse(localStorage.getItem('preferences') ?? '{}') as { gesture?: string }).gesture)).toBe('confirm');
});

test('a switch, or an eye that dwells, is asked at once', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail');
  // What such a device sends: down and up in one moment, and a click that counts as one.
  await page.getByTestId('open-gesture').click({ delay: 0 });
  await page.getByTestId('confirm-open').waitFor();
  expect(await types(page)).not.toContain('open');
  await page.keyboard.press('Escape');
  await page.getByTestId('open-gesture').focus();
  await page.keyboard.press('Enter');
  await page.getByTestId('confirm-open').waitFor();
});

test('a finger that moves over the gesture scrolls', async () => {
  const page = await ui.page({ viewport: { width: 360, height: 560 }, hasTouch: true });
  await ui.show(page, 'opening-failed-jammed', { text: '150' });
  const top = () => page.getByTestId('opening').evaluate((one) => one.scrollTop);
  await page.getByTestId('retry').evaluate((one) => one.scrollIntoView({ block: 'end' }));
  const box = (await page.getByTestId('retry').boundingBox())!;
  const before = await top();
  const session = await page.context().newCDPSession(page);
  const touch = (type: string, y: number) =>
    session.send('Input.dispatchTouchEvent' as never, { type, touchPoints: type === 'touchEnd' ? [] : [{ x: box.x + box.width / 2, y }] } as never);
  await touch('touchStart', box.y + 50);
  for (let at = 1; at <= 10; at += 1) await touch('touchMove', box.y + 50 - at * 16);
  await touch('touchEnd', 0);
  await expect.poll(async () => (await top()) - before).toBeGreaterThan(80);
  expect(await types(page)).not.toContain('open');
});

test('a locker that is not found soon is looked for differently, and the other ways in appear', async () => {
  const page = await ui.page();
  await page.clock.install({ time: NOW * 1000 });
  await ui.show(page, 'opening-searching');
  const advance = async (seconds: number) => {
    await page.evaluate((ms) => window.recorded.advance(ms), seconds * 1000);
    await page.clock.runFor(600);
  };
  const shown = page.getByTestId('opening');
  await advance(3);
  expect(await shown.innerText()).toContain('Stay within a few metres');
  await advance(1.2);
  expect(await shown.innerText()).toContain('Still looking');
  expect(await shown.getByTestId('opening-pin').count()).toBe(0);
  await advance(2);
  expect(await shown.getByTestId('opening-pin').innerText()).toBe('4821 0937');
  await shown.getByTestId('use-code').click();
  expect((await types(page)).slice(-2)).toEqual(['cancelOpening', 'dismissOpening']);
  await push(page, view());
  await page.getByTestId('detail').waitFor();
});

test('the time to wait counts down, and trying again waits for it', async () => {
  const page = await ui.page();
  await page.clock.install({ time: NOW * 1000 });
  await ui.show(page, 'opening-failed-throttled', { gesture: 'confirm' });
  const wait = page.getByTestId('wait');
  expect(await wait.innerText()).toBe('Wait 30 seconds.');
  await page.evaluate(() => window.recorded.advance(12_000));
  await page.clock.runFor(600);
  expect(await wait.innerText()).toBe('Wait 18 seconds.');
  await page.getByTestId('retry').click({ force: true });
  expect(await page.getByTestId('confirm-open').count()).toBe(0);
  await page.evaluate(() => window.recorded.advance(18_000));
  await page.clock.runFor(600);
  expect(await wait.innerText()).toBe('You can try again now.');
  await page.getByTestId('retry').click();
  await page.getByTestId('confirm-open').waitFor();
});

test('a report is not thrown away by a stray tap, and shows its photos', async () => {
  const page = await ui.page();
  await ui.show(page, 'report');
  await page.locator('textarea').fill('The hinge is bent');
  const picture = await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 40;
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
    return Array.from(new Uint8Array(await blob!.arrayBuffer()));
  });
  await page.locator('input[type=file]').setInputFiles({ name: 'hinge.png', mimeType: 'image/png', buffer: Buffer.from(picture) });
  const photo = page.getByRole('img', { name: 'hinge.png' });
  await photo.waitFor();
  expect(await photo.evaluate((one: HTMLImageElement) => one.naturalWidth)).toBe(40);
  await page.mouse.click(5, 5);
  await isFocused(page, 'discard-no');
  await page.getByTestId('discard-no').click();
  expect(await page.locator('textarea').inputValue()).toBe('The hinge is bent');
  await page.keyboard.press('Escape');
  await page.getByTestId('discard-yes').click();
  await page.getByTestId('report-sheet').waitFor({ state: 'detached' });
  await isFocused(page, 'action-report');
  expect(page.faults).toEqual([]);
});

test('a link that was made can be copied again', async () => {
  const page = await ui.page();
  await ui.show(page, 'share-offer');
  await page.getByRole('button', { name: 'Done' }).click();
  expect(await types(page)).not.toContain('dismissShareOffer');
  const { view: offered } = scenes['share-offer']!;
  const shared = offered.reservations.map((one) => (one.id === 'r-shoes' ? { ...one, shares: [{ id: 'share-ida', name: 'Ida next door', until: NOW + 3600, state: 'offered', revoking: false }] } : one));
  await push(page, { ...offered, reservations: shared });
  await page.getByTestId('share-again').click();
  await page.getByTestId('share-link').waitFor();
  await page.getByTestId('share-another').click();
  expect(await types(page)).toContain('dismissShareOffer');
});

test('the way there is asked once, and opens in what was chosen', async () => {
  const page = await ui.page();
  const opened = () => page.evaluate(() => window.recorded.calls.filter((one) => one.name === 'openInBrowser').map((one) => one.args[0]));
  await ui.show(page, 'home');
  await page.getByRole('button', { name: 'Directions to' }).first().click();
  await page.getByTestId('maps-system').click();
  expect(await opened()).toEqual(['geo:52.532100,13.384900?q=52.532100,13.384900(Lindenhof)']);
  await ui.show(page, 'find');
  await page.evaluate(() => (window.recorded.answers['openInBrowser'] = false));
  await page.getByTestId('site-s2').getByTestId('directions').click();
  await page.getByTestId('maps-apple').click();
  await page.getByTestId('said-in-sheet').filter({ hasText: 'Nothing on this device can open that' }).waitFor();
  await page.evaluate(() => (window.recorded.answers['openInBrowser'] = true));
  await page.getByTestId('maps-google').click();
  await page.getByTestId('maps-sheet').waitFor({ state: 'detached' });
  await page.getByTestId('site-s2').getByTestId('directions').click();
  expect((await opened()).at(-1)).toBe('https://www.google.com/maps/dir/?api=1&destination=52.532700,13.388900');
  await page.getByTestId('site-s1').getByTestId('copy-address').click();
  expect(await page.evaluate(() => window.recorded.calls.find((one) => one.name === 'copyText')?.args)).toEqual(['Lindenhof, Lindenallee 14, 10115 Berlin', false]);
});

test('a problem in a form is told without its buttons', async () => {
  const page = await ui.page();
  await ui.show(page, 'find-offline');
  await push(page, view({ sites: { loading: false, problem: problem('hubUnreachable'), sites: [] } }));
  const alert = all(await tree(page), 'alert').filter((one) => spoken(one) !== '');
  expect(alert.map((one) => all(one, 'button').length)).toEqual([0]);
});
