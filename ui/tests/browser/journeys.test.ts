import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { NOW, opening, reservation, shoes, view } from '../../fixtures/base';
import { scenes } from '../../fixtures/scenes';
import { SIZES } from '../../tools/page.mjs';
import { push, sent, tabTo, types } from './hands';
import { harness } from './harness';

const ui = harness();
const calls = (page: Page) => page.evaluate(() => window.recorded.calls);

/** Holds a key down until the intent is there. */
async function holdKey(page: Page, key: string): Promise<void> {
  await page.keyboard.down(key);
  await page.waitForFunction(() => window.recorded.sent.some((one) => one.type === 'open' || one.type === 'reopen'));
  await page.keyboard.up(key);
}

test('signs in by keyboard alone', async () => {
  const page = await ui.page();
  await ui.show(page, 'welcome');
  await tabTo(page, 'sign-in');
  await page.keyboard.press('Enter');
  expect(await sent(page)).toContainEqual({ type: 'signIn', hub: null });
  await push(page, scenes['welcome-in-browser']!.view);
  await tabTo(page, 'cancel-sign-in');
  await page.keyboard.press('Enter');
  expect(await types(page)).toContain('cancelSignIn');
  expect(page.faults).toEqual([]);
});

test('collects by keyboard alone: list, detail, hold, opened, closed, taken', async () => {
  const page = await ui.page();
  await ui.show(page, 'home');
  await tabTo(page, 'card-r-shoes');
  await page.keyboard.press('Enter');
  await page.getByTestId('detail').waitFor();
  await tabTo(page, 'open-gesture');
  await holdKey(page, 'Enter');
  expect(await sent(page)).toContainEqual({ type: 'open', reservations: ['r-shoes'] });

  for (const step of ['searching', 'connecting', 'proving', 'asked'] as const) {
    await push(page, view({ opening: opening({ step }) }));
    expect(await page.getByTestId('opening-phase').getAttribute('data-phase')).toBe(step);
  }
  const opened = scenes['opening-opened']!.view;
  await push(page, opened);
  expect(await page.getByTestId('opening-phase').innerText()).toContain('B3');
  const closed = scenes['opening-closed']!.view;
  await push(page, closed);
  await tabTo(page, 'confirm-taken');
  await page.keyboard.press('Enter');
  expect(await sent(page)).toContainEqual({ type: 'confirmTaken', reservation: 'r-shoes', taken: true });
  await push(page, scenes['opening-collected']!.view);
  await tabTo(page, 'opening-done');
  await page.keyboard.press('Enter');
  expect(await types(page)).toContain('dismissOpening');
  expect(page.faults).toEqual([]);
});

test('what was missing is told, asked about further, and asked about no more', async () => {
  const page = await ui.page();
  await ui.show(page, 'opening-closed');
  const shown = page.getByTestId('opening');
  await shown.getByTestId('confirm-missing').click();
  expect(await sent(page)).toContainEqual({ type: 'confirmTaken', reservation: 'r-shoes', taken: false });
  await page.getByTestId('report-sheet').getByRole('radio').first().check();
  await page.getByTestId('report-send').click();
  expect(await types(page)).toContain('report');
  const waiting = scenes['opening-closed']!.view;
  await push(page, { ...waiting, outbox: [{ id: 1, what: 'confirmTaken', reservation: 'r-shoes', problem: null }] });
  await shown.getByText('You said something was missing.').waitFor();
  expect(await shown.getByTestId('confirm-missing').count()).toBe(0);
  await push(page, scenes['opening-missed']!.view);
  await shown.getByText('You said something was missing.').waitFor();
  await shown.getByTestId('confirm-taken').click();
  expect(await sent(page)).toContainEqual({ type: 'confirmTaken', reservation: 'r-shoes', taken: true });
});

test('the focus goes into the opening, stays there, and comes back', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail');
  await tabTo(page, 'open-gesture');
  await push(page, scenes['opening-closed']!.view);
  await page.waitForFunction(() => document.activeElement?.id === 'opening-status');
  for (let at = 0; at < 12; at += 1) {
    await page.keyboard.press('Tab');
    const outside = await page.evaluate(() => document.activeElement !== document.body && !document.activeElement?.closest('[data-testid=opening], [role=status]'));
    expect(outside).toBe(false);
  }
  await push(page, scenes['detail']!.view);
  await page.waitForFunction(() => document.activeElement?.getAttribute('data-testid') === 'open-gesture');
});

test.each(Object.entries(SIZES))('an opening covers the whole window: %s', async (_, viewport) => {
  const page = await ui.page({ viewport });
  await ui.show(page, 'opening-opened');
  const outside = await page.evaluate(() => {
    const points = [0.02, 0.5, 0.98].flatMap((x) => [0.02, 0.5, 0.98].map((y) => [x * innerWidth, y * innerHeight] as const));
    return points.filter(([x, y]) => !document.elementFromPoint(x, y)?.closest('[data-testid=opening]'));
  });
  expect(outside).toEqual([]);
});

test.each(Object.entries(SIZES))('what comes and goes in strips moves nothing that a finger aims at: %s', async (_, viewport) => {
  const page = await ui.page({ viewport });
  const aims = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('a, button, input')]
        .filter((one) => !one.closest('.strips'))
        .map((one) => `${one.textContent?.trim().slice(0, 30)} ${JSON.stringify(one.getBoundingClientRect())}`),
    );
  const scroll = (share: number) =>
    page.evaluate((part) => {
      for (const one of document.querySelectorAll('.list, .detail, .page')) one.scrollTop = part * one.scrollHeight;
    }, share);
  for (const scene of ['home', 'home-nearby', 'detail', 'activity', 'settings']) {
    for (const share of [0, 0.4, 1]) {
      await ui.show(page, scene);
      await scroll(share);
      const usual = scenes[scene]!.view;
      const before = await aims();
      await push(page, { ...usual, network: { state: 'offline', since: NOW - 60 } });
      await page.getByTestId('offline-strip').waitFor();
      expect([scene, share, await aims()]).toEqual([scene, share, before]);
      await push(page, usual);
      await page.getByTestId('offline-strip').waitFor({ state: 'detached' });
      expect([scene, share, await aims()]).toEqual([scene, share, before]);
    }
  }
});

test('what was dealt with beside the list lies under no strip afterwards', async () => {
  const page = await ui.page({ viewport: { width: 1040, height: 760 } });
  const { view } = scenes['home']!;
  const last = view.reservations.find((one) => one.state === 'collected')!;
  await ui.show(page, 'opening-closed');
  await page.evaluate((id) => (location.hash = `#/r/${id}`), last.id);
  const offline = { ...view, network: { state: 'offline', since: NOW - 60 } } as const;
  await push(page, { ...offline, opening: scenes['opening-closed']!.view.opening });
  await page.getByTestId('offline-strip').waitFor({ state: 'attached' });
  await push(page, offline);
  const card = page.locator('[aria-current=true]');
  await expect.poll(async () => {
    const [lies, strip] = [await card.boundingBox(), await page.getByTestId('offline-strip').boundingBox()];
    return Math.round(strip!.y - (lies!.y + lies!.height));
  }).toBeGreaterThanOrEqual(0);
});

test('what is there from the start stands, and what comes later slides in', async () => {
  const page = await ui.page({ reducedMotion: 'no-preference' });
  await ui.show(page, 'home-offline');
  const moves = () => page.getByTestId('offline-strip').evaluate((strip) => getComputedStyle(strip).animationName !== 'none');
  expect(await moves()).toBe(false);
  await ui.show(page, 'home');
  await push(page, { ...scenes['home']!.view, network: { state: 'offline', since: NOW - 60 } });
  await page.getByTestId('offline-strip').waitFor();
  expect(await moves()).toBe(true);
});

test('nothing of the welcome lies under its strip', async () => {
  const page = await ui.page();
  await ui.show(page, 'welcome-memory-only');
  await page.locator('.ways').evaluate((ways) => ways.scrollIntoView({ block: 'end' }));
  const ways = (await page.locator('.ways').boundingBox())!;
  const strip = (await page.getByTestId('memory-only').boundingBox())!;
  // Boxes may lie between two pixels.
  expect(ways.y + ways.height).toBeLessThanOrEqual(strip.y + 0.5);
});

test('a finger on its way meets what it aimed at, not the strip that came over it', async () => {
  const page = await ui.page();
  await page.clock.install();
  await ui.show(page, 'home');
  await push(page, { ...scenes['home']!.view, network: { state: 'offline', since: NOW - 60 } });
  const strip = page.getByTestId('offline-strip');
  await strip.waitFor();
  const meets = () => strip.evaluate((one) => {
    const { left, top, width, height } = one.getBoundingClientRect();
    return one.contains(document.elementFromPoint(left + width / 2, top + height / 2));
  });
  expect(await meets()).toBe(false);
  await page.clock.runFor(600);
  expect(await meets()).toBe(true);
});

test('trying again is the deliberate gesture too', async () => {
  const page = await ui.page();
  await ui.show(page, 'opening-failed-jammed');
  const again = page.getByTestId('retry');
  await again.click({ delay: 60 });
  expect(await types(page)).not.toContain('open');
  await again.hover();
  await page.mouse.down();
  await page.waitForFunction(() => window.recorded.sent.some((one) => one.type === 'open'));
  await page.mouse.up();
});

test('one gesture for everything at the locker in front', async () => {
  const page = await ui.page();
  await ui.show(page, 'home-nearby', { gesture: 'confirm' });
  await page.getByTestId('open-nearby').click();
  await page.getByTestId('confirm-open').click();
  expect(await sent(page)).toContainEqual({ type: 'open', reservations: ['r-shoes', 'r-books'] });
});

test('a locker that comes into range moves no card, and its button is in reach of a thumb', async () => {
  const page = await ui.page();
  await ui.show(page, 'home');
  const top = (id: string) => page.getByTestId(`card-${id}`).evaluate((card) => card.getBoundingClientRect().top);
  const before = await top('r-shoes');
  await push(page, scenes['home-nearby']!.view);
  await page.getByTestId('open-nearby').waitFor();
  expect(await top('r-shoes')).toBe(before);
  const box = (await page.getByTestId('open-nearby').boundingBox())!;
  expect([box.y >= SIZES.phone.height * 0.45, box.y + box.height <= SIZES.phone.height]).toEqual([true, true]);
});

test('what is said shortly covers neither a card nor a gesture, and is heard in a dialog too', async () => {
  for (const viewport of Object.values(SIZES)) {
    const page = await ui.page({ viewport });
    await ui.show(page, 'home-nearby');
    await push(page, view({ ...scenes['home-nearby']!.view, notices: [{ id: 7, code: 'delivered', reservation: null }] }));
    const said = (await page.locator('[data-testid=said].visible').boundingBox())!;
    for (const id of ['home', 'open-nearby']) {
      const box = (await page.getByTestId(id).boundingBox())!;
      const apart = said.x >= box.x + box.width || said.x + said.width <= box.x || said.y >= box.y + box.height || said.y + said.height <= box.y;
      expect([id, apart]).toEqual([id, true]);
    }
  }
  const page = await ui.page();
  await ui.show(page, 'share-offer');
  await page.getByTestId('share-sheet').getByRole('button', { name: 'Copy the link' }).click();
  await page.getByTestId('share-sheet').getByTestId('said-in-sheet').filter({ hasText: /./ }).waitFor();
});

test('parcels that become ready are told together and shortly, not one over the other, and not before an open door', async () => {
  const page = await ui.page();
  const { view: usual } = scenes['home']!;
  const notices = usual.reservations.slice(0, 3).map((one, at) => ({ id: at + 1, code: 'newReady' as const, reservation: one.id }));
  const dismissed = () => page.evaluate(() => window.recorded.sent.flatMap((one) => (one.type === 'dismissNotice' ? [one.id] : [])));
  await ui.show(page, 'opening-opened');
  await push(page, { ...scenes['opening-opened']!.view, notices });
  expect(await dismissed()).toEqual([]);
  // The third is the one that the detail shows.
  await push(page, { ...usual, notices });
  await page.locator('[data-testid=said].visible').filter({ hasText: '2 parcels are ready' }).waitFor();
  expect(await dismissed()).toEqual([1, 2, 3]);
  expect(await page.getByTestId('notice').count()).toBe(0);
});

test('no timer runs while nobody can see the page', async () => {
  const page = await ui.page();
  await page.addInitScript(() => {
    const running = new Set<unknown>();
    const [start, stop] = [window.setInterval, window.clearInterval];
    Object.assign(window, {
      running,
      setInterval: (...how: Parameters<typeof start>) => {
        const id = start(...how);
        running.add(id);
        return id;
      },
      clearInterval: (id: number) => {
        running.delete(id);
        stop(id);
      },
    });
  });
  const running = () => page.evaluate(() => (window as unknown as { running: Set<unknown> }).running.size);
  const seen = (state: string) =>
    page.evaluate((now) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => now });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  for (const scene of ['home', 'detail', 'opening-opened', 'find', 'settings']) {
    await ui.show(page, scene);
    await seen('visible');
    expect([scene, (await running()) > 0]).toEqual([scene, true]);
    await seen('hidden');
    expect([scene, await running()]).toEqual([scene, 0]);
  }
});

test('several doors: each next one needs a gesture of its own', async () => {
  const page = await ui.page();
  await ui.show(page, 'opening-next-door', { gesture: 'confirm' });
  expect(await types(page)).not.toContain('continueOpening');
  await page.getByTestId('continue-opening').click();
  await page.getByTestId('confirm-open').click();
  expect(await types(page)).toContain('continueOpening');
});

test('cancel is there while it still helps, and Escape does the same', async () => {
  const page = await ui.page();
  await ui.show(page, 'opening-connecting');
  await page.keyboard.press('Escape');
  expect(await types(page)).toContain('cancelOpening');
  await push(page, view({ opening: opening({ step: 'asked' }) }));
  expect(await page.getByTestId('cancel-opening').count()).toBe(0);
  expect(await page.getByTestId('dismiss-opening').count()).toBe(0);
});

test('what may be open is asked of the locker', async () => {
  const page = await ui.page();
  await ui.show(page, 'opening-may-be-open');
  await page.getByTestId('resolve-opening').click();
  expect(await sent(page)).toContainEqual({ type: 'resolveOpening', reservation: 'r-shoes' });
});

test('every failed opening has words, and a way on that is not only closing', async () => {
  const page = await ui.page();
  for (const name of Object.keys(scenes).filter((one) => one.startsWith('opening-failed-'))) {
    await ui.show(page, name);
    const problem = page.getByTestId('problem');
    expect(await problem.getAttribute('data-code')).toBe(name.replace('opening-failed-', ''));
    expect((await problem.innerText()).length).toBeGreaterThan(40);
    expect(await problem.getByRole('button').count()).toBeGreaterThan(0);
  }
});

test('Bluetooth off leads to its settings', async () => {
  const page = await ui.page();
  await ui.show(page, 'opening-failed-bluetoothOff');
  await page.getByTestId('problem').getByRole('button').first().click();
  expect(await calls(page)).toContainEqual({ name: 'openBluetoothSettings', args: [] });
});

test('no keyring: nothing happens before the customer accepts, and then it stays marked', async () => {
  const page = await ui.page();
  await ui.show(page, 'welcome-no-keyring');
  expect(await page.getByTestId('sign-in').count()).toBe(0);
  await page.getByTestId('use-memory-only').click();
  expect(await types(page)).toContain('useMemoryOnly');
  await push(page, scenes['home-memory-only']!.view);
  await page.getByTestId('memory-only').waitFor();
});

test('the opening code is asked for while it is seen, and no longer', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail');
  expect(await sent(page)).toContainEqual({ type: 'showOpeningCode', reservation: 'r-shoes' });
  expect(await types(page)).not.toContain('hideOpeningCode');
  await page.getByTestId('back').click();
  await page.getByTestId('home').waitFor();
  expect(await types(page)).toContain('hideOpeningCode');
});

test('says when the home screen is seen, and whether the nearest locker was asked for', async () => {
  const page = await ui.page();
  await ui.show(page, 'home');
  expect(await sent(page)).toContainEqual({ type: 'watchNearby', on: true, asked: false });
  await page.keyboard.press('Control+o');
  await page.waitForFunction(() => window.recorded.sent.some((one) => one.type === 'watchNearby' && one.asked));
  await page.getByTestId('nav-settings').click();
  await page.waitForFunction(() => window.recorded.sent.some((one) => one.type === 'watchNearby' && !one.on));
});

test('who stands at a locker asks for their doors on the home screen, and is offered them there', async () => {
  const page = await ui.page();
  await ui.show(page, 'home');
  await page.getByTestId('at-the-locker').click();
  await page.getByTestId('listening').waitFor();
  await page.waitForFunction(() => window.recorded.sent.some((one) => one.type === 'watchNearby' && one.asked));
  await page.getByTestId('stop-listening').click();
  await page.getByTestId('at-the-locker').waitFor();
  expect((await sent(page)).filter((one) => one.type === 'watchNearby').at(-1)).toEqual({ type: 'watchNearby', on: true, asked: false });
  await page.getByTestId('at-the-locker').click();
  await push(page, scenes['home-nearby']!.view);
  await page.getByTestId('open-nearby').waitFor();
  expect(await page.getByTestId('at-the-locker').count()).toBe(0);
  // Who is offered it anyway, or has nothing to open, or no Bluetooth, is not asked to ask.
  for (const change of [
    { settings: { ...view().settings, nearby: true } },
    { reservations: [] },
    { bluetooth: 'off' as const },
  ]) {
    await push(page, view(change));
    await page.getByTestId('home').waitFor();
    await page.waitForFunction(() => document.querySelector('[data-testid="at-the-locker"],[data-testid="listening"]') === null);
  }
});

test('shares by link: whom, until when, and the code to hand over', async () => {
  const page = await ui.page();
  await ui.show(page, 'share');
  await page.getByTestId('share-name').fill('Ida\u202E next door');
  await page.getByTestId('share-sheet').getByRole('radio').first().check();
  await page.getByTestId('share-make').click();
  const share = (await sent(page)).find((one) => one.type === 'share');
  expect(share).toMatchObject({ reservation: 'r-shoes', name: 'Ida next door' });
  expect(share && 'until' in share && share.until > NOW).toBe(true);
  await push(page, scenes['share-offer']!.view);
  await page.getByTestId('share-qr').waitFor();
  await page.getByTestId('share-sheet').getByRole('button', { name: 'Copy the link' }).click();
  expect((await calls(page)).find((one) => one.name === 'copyText')?.args[1]).toBe(true);
});

test('takes a share back', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail-shared');
  await page.getByTestId('share-h1').getByRole('button').click();
  expect(await sent(page)).toContainEqual({ type: 'revokeShare', reservation: 'r-shoes', share: 'h1' });
});

test('asks for more time, reports, cancels, gives back', async () => {
  const page = await ui.page();
  await ui.show(page, 'extend');
  await page.getByTestId('extend-sheet').getByRole('radio').first().check();
  await page.getByTestId('until-ask').click();
  await ui.show(page, 'report');
  await page.getByTestId('report-sheet').getByRole('radio').first().check();
  await page.getByTestId('report-send').click();
  expect((await sent(page)).find((one) => one.type === 'report')).toMatchObject({ kind: 'door_stuck', photos: [] });
  await ui.show(page, 'cancel-return');
  await page.getByTestId('end-confirm').click();
  expect(await sent(page)).toContainEqual({ type: 'cancel', reservation: 'r-jacket' });
  await ui.show(page, 'release');
  expect(await page.getByTestId('end-confirm').isDisabled()).toBe(true);
  await page.getByTestId('end-answer').check();
  await page.getByTestId('end-confirm').click();
  expect(await sent(page)).toContainEqual({ type: 'release', reservation: 'r-box', confirmed: true });
});

test('how a parcel is kept is told wherever it is met, and no more is asked for than it keeps', async () => {
  const page = await ui.page();
  await ui.show(page, 'care-home');
  const read = async (place: string) => (await page.getByTestId(place).getByTestId('care').innerText()).replace(/\s+/g, ' ');
  // In words, whatever the picture beside them.
  expect(await read('card-r-salad')).toMatch(/^Chilled.*keeps until \d\d:\d\d$/);
  expect(await read('card-r-cake')).toMatch(/^Frozen.*Fragile.*keeps 48 h in the locker$/);
  expect(await page.getByTestId('card-r-shoes').getByTestId('care').count()).toBe(0);
  await ui.show(page, 'care-detail');
  expect(await read('detail')).toMatch(/^Chilled.*keeps until/);
  await ui.show(page, 'care-opening');
  expect(await read('opening')).toMatch(/^Chilled.*keeps until/);
  // Its time is over: that is said by its deadline, and it is not said to keep.
  await ui.show(page, 'care-detail-over');
  expect(await read('detail')).toBe('Chilled');
  await ui.show(page, 'care-extend');
  const latest = scenes['care-extend']!.view.reservations[0]!.care!.keepsUntil!;
  const offered = await page.getByTestId('extend-sheet').getByRole('radio').evaluateAll((all) => all.map((one) => Number((one as HTMLInputElement).value)));
  expect(Math.max(...offered.filter((at) => !Number.isNaN(at)))).toBe(latest);
  await ui.show(page, 'care-change-locker');
  expect(await sent(page)).toContainEqual(expect.objectContaining({ type: 'findSites', parcel: 'r-cake' }));
  expect(page.faults).toEqual([]);
});

test('a photo of a report loses its metadata', async () => {
  const page = await ui.page();
  await ui.show(page, 'report');
  const jpeg = await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 32;
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/jpeg'));
    return Array.from(new Uint8Array(await blob!.arrayBuffer()));
  });
  const comment = [...'GPS 52.5321 13.3849'].map((letter) => letter.charCodeAt(0));
  const marked = Buffer.from([...jpeg.slice(0, 2), 0xff, 0xfe, 0, comment.length + 2, ...comment, ...jpeg.slice(2)]);
  await page.locator('input[type=file]').setInputFiles({ name: 'door.jpg', mimeType: 'image/jpeg', buffer: marked });
  await page.getByRole('button', { name: /door\.jpg/ }).waitFor();
  await page.getByTestId('report-sheet').getByRole('radio').first().check();
  await page.getByTestId('report-send').click();
  const report = (await sent(page)).find((one) => one.type === 'report');
  const photo = report && 'photos' in report ? Buffer.from(report.photos[0] ?? '', 'base64url') : Buffer.alloc(0);
  expect(photo.subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]));
  expect(photo.includes('GPS')).toBe(false);
});

test('books a return and leads home', async () => {
  const page = await ui.page();
  await ui.show(page, 'return-book');
  await page.getByTestId('return-code').fill(' RET-1234 ');
  await page.getByTestId('book-size').selectOption('l');
  await page.getByTestId('book-sheet').getByRole('radio', { name: 'Lindenhof' }).check();
  await page.getByTestId('book-send').click();
  expect(await sent(page)).toContainEqual({ type: 'bookReturn', code: 'RET-1234', site: 's1', size: 'l' });
  await page.getByTestId('home').waitFor();
});

test('what was collected goes back without typing a code, from its detail or from the booking', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail-collected');
  await page.getByTestId('action-return').click();
  expect(await page.getByTestId('order-r-tea').isChecked()).toBe(true);
  expect(await page.getByTestId('return-code').count()).toBe(0);
  await push(page, scenes['find']!.view);
  await page.getByTestId('book-size').selectOption('l');
  await page.getByTestId('book-sheet').getByRole('radio', { name: 'Lindenhof' }).check();
  await page.getByTestId('book-send').click();
  expect(await sent(page)).toContainEqual({ type: 'bookReturn', code: 'HX 2241 9083 1177', site: 's1', size: 'l' });
  await ui.show(page, 'return-book');
  await page.getByTestId('order-r-tea').check();
  expect(await page.getByTestId('return-code').count()).toBe(0);
  // Not what is only ready, nor what somebody else lent.
  expect(await page.getByTestId('order-r-shoes').count()).toBe(0);
});

test('books a compartment for a while, and hands one over', async () => {
  const page = await ui.page();
  await ui.show(page, 'return-book');
  await page.getByTestId('book-what').getByText('A compartment').click();
  await page.getByTestId('book-title').fill('Bike lights');
  await page.getByTestId('book-sheet').getByRole('radio', { name: /tomorrow/ }).check();
  await page.getByTestId('book-size').selectOption('s');
  await page.getByTestId('book-sheet').getByRole('radio', { name: 'Lindenhof' }).check();
  await page.getByTestId('book-send').click();
  expect((await sent(page)).find((one) => one.type === 'bookStorage')).toMatchObject({ title: 'Bike lights', site: 's1', size: 's' });
  await ui.show(page, 'detail-storage');
  await page.getByTestId('action-handOver').click();
  await page.getByTestId('handOver-unit').fill('Flat 7');
  await page.getByTestId('handOver-send').click();
  expect(await sent(page)).toContainEqual({ type: 'handOver', reservation: 'r-box', unit: 'Flat 7' });
});

test('borrows a shared thing that lies there, and is offered none where there is none', async () => {
  const page = await ui.page();
  await ui.show(page, 'borrow');
  expect(await page.getByTestId('thing-t-bike').isDisabled()).toBe(true);
  await page.getByTestId('book-sheet').getByText('for 2 days').waitFor();
  await page.getByTestId('book-send').click();
  expect(await sent(page)).toContainEqual({ type: 'borrow', thing: 't-drill' });
  await page.getByTestId('home').waitFor();
  await ui.show(page, 'return-book');
  expect(await sent(page)).toContainEqual({ type: 'findThings' });
  expect(await page.getByTestId('book-what-borrow').count()).toBe(0);
});

test('receipts are shown with what was verified, and exported', async () => {
  const page = await ui.page();
  await ui.show(page, 'activity-outbox');
  expect(await page.getByTestId('receipt-q2').getAttribute('data-verified')).toBe('true');
  expect(await page.getByTestId('receipt-q3').getAttribute('data-verified')).toBe('false');
  await page.getByTestId('export').click();
  const file = (await calls(page)).find((one) => one.name === 'saveFile');
  expect(file?.args[0]).toBe('receipts.csv');
  expect(String(file?.args[1]).split('\r\n')).toHaveLength(6);
});

test('saves a pass as PNG and PDF, and never the opening code', async () => {
  const page = await ui.page();
  await ui.show(page, 'pass');
  await page.getByTestId('pass-png').click();
  await page.waitForFunction(() => window.recorded.calls.some((one) => one.name === 'saveFile'));
  const png = await page.evaluate(() => Array.from(window.recorded.calls.find((one) => one.name === 'saveFile')!.args[1] as Uint8Array).slice(0, 8));
  expect(png).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  await page.getByTestId('action-pass').click();
  await page.getByTestId('pass-pdf').click();
  await page.waitForFunction(() => window.recorded.calls.filter((one) => one.name === 'saveFile').length === 2);
  const pdf = await page.evaluate(() => new TextDecoder('latin1').decode(window.recorded.calls.filter((one) => one.name === 'saveFile')[1]!.args[1] as Uint8Array));
  expect(pdf.startsWith('%PDF-1.4')).toBe(true);
  const start = Number(pdf.match(/startxref\n(\d+)/)?.[1]);
  expect(pdf.slice(start, start + 4)).toBe('xref');
});

test('settings reach the core or stay on the page', async () => {
  const page = await ui.page();
  await ui.show(page, 'settings');
  await page.getByTestId('set-nearby').click();
  expect(await sent(page)).toContainEqual({ type: 'set', setting: { name: 'nearby', value: true } });
  await page.getByTestId('set-confirm').click();
  await page.waitForFunction(() => window.recorded.sent.some((one) => one.type === 'set'));
  expect(await sent(page)).toContainEqual({ type: 'set', setting: { name: 'confirmOpening', value: true } });
  await page.getByTestId('forget-habits').click();
  expect(await types(page)).toContain('forgetHabits');
  await page.getByTestId('set-theme').getByText('Dark').click();
  expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
  await page.getByTestId('set-language').getByText('Polski').click();
  await page.getByRole('heading', { name: 'Ustawienia' }).waitFor();
  expect(await calls(page)).toContainEqual({ name: 'setLanguage', args: ['pl'] });
  expect(await page.locator('html').getAttribute('lang')).toBe('pl');
});

test('signing out and removing a device are asked once more', async () => {
  const page = await ui.page();
  await ui.show(page, 'settings');
  await page.getByTestId('sign-out').click();
  expect(await types(page)).not.toContain('signOut');
  await page.keyboard.press('Escape');
  await page.getByTestId('device-d2').getByRole('button').click();
  await page.getByTestId('confirm-end').click();
  expect(await sent(page)).toContainEqual({ type: 'removeDevice', device: 'd2' });
  expect(await types(page)).not.toContain('signOut');
});

test('time left moves on by itself, and the code counts down', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail');
  await page.getByText('New in 0:22').waitFor();
  await page.evaluate(() => window.recorded.advance(7000));
  await page.getByText('New in 0:15').waitFor();
});

test('from 900 px on list and detail stand side by side', async () => {
  const page = await ui.page({ viewport: { width: 900, height: 700 } });
  await ui.show(page, 'detail');
  expect(await page.getByTestId('home').isVisible()).toBe(true);
  expect(await page.getByTestId('detail').isVisible()).toBe(true);
  await page.setViewportSize({ width: 899, height: 700 });
  expect(await page.getByTestId('home').isVisible()).toBe(false);
});

test('the back gesture of the system leads back to the list', async () => {
  const page = await ui.page();
  await ui.show(page, 'home');
  await page.getByTestId('card-r-shoes').click();
  await page.getByTestId('detail').waitFor();
  await page.goBack();
  await page.getByTestId('home').waitFor();
  expect(await page.getByTestId('detail').count()).toBe(0);
});

test('a reservation that disappears takes its detail with it', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail');
  await push(page, view({ reservations: [reservation({ id: 'r-other' })] }));
  await page.getByTestId('home').waitFor();
  expect(await page.getByTestId('detail').count()).toBe(0);
  expect(shoes.id).toBe('r-shoes');
});

test('a link that the system did not hand over is followed, by keyboard alone', async () => {
  const page = await ui.page();
  await ui.show(page, 'welcome');
  await tabTo(page, 'have-link');
  await page.keyboard.press('Enter');
  await tabTo(page, 'link-url');
  await page.keyboard.type('not a link');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'https://' }).waitFor();
  expect(await types(page)).not.toContain('followLink');
  await page.getByTestId('link-url').fill('');
  await page.keyboard.type(' https://hub.postern.example/claim/abc123 ');
  await page.keyboard.press('Enter');
  expect(await sent(page)).toContainEqual({ type: 'followLink', url: 'https://hub.postern.example/claim/abc123' });
  await page.getByTestId('link-sheet').waitFor({ state: 'detached' });
});

test('the code on another screen is scanned from a picture, with no network', async () => {
  const page = await ui.page();
  await ui.show(page, 'share');
  await page.getByTestId('share-sheet').getByText('They’re next to me').click();
  const picture = await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = 1200;
    canvas.height = 600;
    const context = canvas.getContext('2d')!;
    context.fillStyle = '#ffffff';
    context.fillRect(0, 0, 600, 600);
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
    return Array.from(new Uint8Array(await blob!.arrayBuffer()));
  });
  const file = { name: 'screen.png', mimeType: 'image/png', buffer: Buffer.from(picture) };
  await page.getByTestId('scan-code').setInputFiles(file);
  await page.getByText('There’s no code in this picture').waitFor();
  const [width, luma] = (await calls(page)).find((one) => one.name === 'readQr')!.args as [number, string];
  const seen = Buffer.from(luma, 'base64url');
  // Halved, white on the left; what is transparent is black.
  expect([width, seen.length, seen[0], seen[width - 1]]).toEqual([1000, 500_000, 255, 0]);
  await page.evaluate(() => (window.recorded.answers['readQr'] = 'INVITATION'));
  await page.getByTestId('scan-code').setInputFiles(file);
  await page.getByText('Code read').waitFor();
  await page.getByTestId('share-name').fill('Ida');
  await page.getByTestId('share-sheet').getByRole('radio').first().check();
  await page.getByTestId('share-make').click();
  expect((await sent(page)).find((one) => one.type === 'acceptInvitation')).toMatchObject({ invitation: 'INVITATION', name: 'Ida' });
  await ui.show(page, 'settings-invitation');
  await page.evaluate(() => (window.recorded.answers['readQr'] = 'DELEGATION'));
  await page.getByTestId('scan-code').setInputFiles(file);
  await page.getByText('Code read').waitFor();
  await page.getByTestId('invitation-sheet').getByRole('button', { name: 'Take the access' }).click();
  expect(await sent(page)).toContainEqual({ type: 'takeDelegation', text: 'DELEGATION' });
});

test('a card says what to do next, and how far it is once the customer wants to be placed', async () => {
  const page = await ui.page({ permissions: ['geolocation'], geolocation: { latitude: 52.5221, longitude: 13.3849 } });
  await ui.show(page, 'home');
  const shown = async (id: string) => (await page.getByTestId(`card-${id}`).innerText()).replace(/[\u2068\u2069]/g, '');
  expect(await shown('r-shoes')).toContain('Collect from B3');
  expect(await shown('r-jacket')).toContain('Drop it off in C1');
  expect(await shown('r-lamp')).not.toContain('Collect');
  const place = async () => page.getByTestId('stop').first().innerText();
  expect(await place()).not.toMatch(/\d k?m\b/);
  await page.getByTestId('nav-find').click();
  await page.getByTestId('near-me').click();
  await page.waitForFunction(() => window.recorded.sent.some((one) => one.type === 'findSites' && one.latitude === 52.5221));
  await page.getByTestId('nav-home').click();
  expect(await place()).toContain('1.1 km');
});

test('version, help and the licences of others are found in the settings', async () => {
  const page = await ui.page();
  await ui.show(page, 'settings');
  expect(await page.getByTestId('version').innerText()).toMatch(/^Postern \d+\.\d+\.\d+$/);
  await page.getByTestId('help').click();
  await page.getByTestId('help-sheet').getByText('The locker isn’t found').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('licences').click();
  const licence = page.getByTestId('licences-sheet').getByTestId('licence').filter({ hasText: 'intl-messageformat' });
  await licence.locator('summary').click();
  await licence.getByText(/Redistribution and use/).waitFor();
  expect(page.faults).toEqual([]);
});

test('home is places: what ends soon first, what is to be done there to choose from, what is on its way with its place', async () => {
  const page = await ui.page();
  await ui.show(page, 'home-places');
  const stops = page.getByTestId('stop');
  const said = async (at: number) => (await stops.nth(at).innerText()).replace(/[\u2068\u2069]/g, '');
  expect(await stops.locator('h2').allInnerTexts()).toEqual(['Nordbahnhof 2', 'Lindenhof 1', 'Kontorhaus']);
  expect(await said(0)).toContain('50 minutes left');
  expect(await said(1)).toContain('Collect by Wednesday, 21:02');
  expect(await said(1)).toContain('Open day and night');
  expect(await said(1)).toContain('Desk lamp');
  expect(await said(2)).toContain('Wool rug');
  // One thing to do there, or everything again.
  await stops.nth(1).getByTestId('stop-dropOff').click();
  expect(await page.getByTestId('card-r-shoes').count()).toBe(0);
  await page.getByTestId('card-r-jacket').waitFor();
  await stops.nth(1).getByTestId('stop-dropOff').click();
  await page.getByTestId('card-r-shoes').waitFor();
  // Who searches looks for one thing, wherever it is.
  await push(page, { ...scenes['home-places']!.view, reservations: [...scenes['home-places']!.view.reservations, ...[1, 2, 3].map((at) => ({ ...scenes['home-places']!.view.reservations[0]!, id: `r-more-${at}` }))] });
  await page.getByTestId('search').fill('kettle');
  expect(await stops.count()).toBe(0);
  await page.getByTestId('card-r-kettle').waitFor();
  expect(page.faults).toEqual([]);
});

test('in front of the locker its card becomes what the gesture opens: one thing to do at a time, and what is picked of it', async () => {
  const page = await ui.page();
  await ui.show(page, 'home-nearby', { gesture: 'confirm' });
  const card = page.getByTestId('nearby');
  expect((await card.locator('[data-testid^=card-]').evaluateAll((all) => all.map((one) => one.getAttribute('data-testid')))).sort()).toEqual(['card-r-books', 'card-r-shoes']);
  expect(await card.getByTestId('nearby-one-r-shoes').isChecked()).toBe(true);
  await card.getByTestId('nearby-own').click();
  expect(await card.locator('[data-testid^=card-]').count()).toBe(1);
  await page.getByTestId('open-nearby').click();
  await page.getByTestId('confirm-open').click();
  expect(await sent(page)).toContainEqual({ type: 'open', reservations: ['r-box'] });
  expect(page.faults).toEqual([]);
});

test('beside the list stand the lockers with all doors that are the customer’s, until one is chosen', async () => {
  const page = await ui.page({ viewport: SIZES.desktop });
  await ui.show(page, 'home');
  const drawing = page.getByRole('img', { name: /your doors/ });
  expect((await drawing.getAttribute('aria-label'))?.replace(/[\u2068\u2069]/g, '')).toBe('Drawing of Lindenhof 1; your doors: B3, A2, C1, D2');
  await page.getByTestId('card-r-shoes').click();
  await page.getByTestId('detail').waitFor();
  expect(await drawing.count()).toBe(0);
});

test('motion stops when the system asks for less, and explains when it does not', async () => {
  const still = await ui.page({ reducedMotion: 'reduce' });
  await ui.show(still, 'opening-asked');
  await still.waitForFunction(() => document.getAnimations().every((one) => one.playState === 'finished'));
  const moving = await ui.page({ reducedMotion: 'no-preference', viewport: SIZES.phone });
  await ui.show(moving, 'opening-asked');
  expect(await moving.evaluate(() => document.getAnimations().filter((one) => one.playState === 'running').length)).toBeGreaterThan(0);
});

test('an answer to a report is led to, and read with the report', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail-reported');
  await page.evaluate(() => (location.hash = '#/'));
  await page.getByTestId('detail').waitFor({ state: 'detached' });
  const notice = page.getByTestId('notice');
  expect(await notice.getAttribute('data-code')).toBe('reportAnswered');
  await notice.getByRole('button', { name: 'Read it' }).click();
  await page.waitForFunction(() => document.activeElement?.id === 'reports-title');
  expect(await sent(page)).toContainEqual({ type: 'dismissNotice', id: 7 });
  const reports = page.getByTestId('reports');
  expect(await reports.getByRole('article').evaluateAll((all) => all.map((one) => one.dataset.state))).toEqual(['open', 'solved']);
  const solved = reports.getByRole('article').nth(1);
  expect(await solved.innerText()).toContain('The shoes themselves look fine.');
  expect(await solved.locator('blockquote').count()).toBe(2);
  expect(await solved.locator('blockquote').last().innerText()).toContain('Lindenhof lockers');
  expect(page.faults).toEqual([]);
});

test('a compartment that the operator looks at first is not offered, and the page says why', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail-checking');
  expect(await page.getByTestId('checking').innerText()).toContain('restored from a backup');
  expect(await page.getByTestId('open-gesture').count()).toBe(0);
});
