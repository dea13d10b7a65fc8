import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { jacket, NOW, opening, reservation, shoes, view } from '../../fixtures/base';
import type { View } from '../../src/lib/generated/view';
import { harness } from './harness';

const ui = harness();
const sent = (page: Page) => page.evaluate(() => window.recorded.sent);
const push = (page: Page, next: View) => page.evaluate((one) => window.recorded.push(one), next);
const words = (page: Page, id: string) => page.getByTestId(id).innerText();

test('a gesture is for one kind of thing, and doors are chosen one by one', async () => {
  const page = await ui.page();
  await ui.show(page, 'home-nearby', { gesture: 'confirm' });
  expect(await page.getByTestId('nearby-collect').getAttribute('aria-pressed')).toBe('true');
  await page.getByTestId('nearby-one-r-books').uncheck();
  await page.getByTestId('open-nearby').click();
  await page.getByTestId('confirm-open').click();
  expect(await sent(page)).toContainEqual({ type: 'open', reservations: ['r-shoes'] });
  await page.getByTestId('nearby-dropOff').click();
  expect(await words(page, 'open-nearby')).toContain('put in');
  await page.getByTestId('open-nearby').click();
  await page.getByTestId('confirm-open').click();
  expect((await sent(page)).filter((one) => one.type === 'open').at(-1)).toEqual({ type: 'open', reservations: ['r-jacket'] });
  await page.getByTestId('nearby-own').click();
  await page.getByTestId('open-nearby').click();
  await page.getByTestId('confirm-open').click();
  expect((await sent(page)).filter((one) => one.type === 'open').at(-1)).toEqual({ type: 'open', reservations: ['r-box'] });
  expect(page.faults).toEqual([]);
});

test('a closed door is no proof: the page asks, and says whose word it is', async () => {
  const page = await ui.page();
  await ui.show(page, 'opening-placed');
  expect(await words(page, 'opening-phase')).not.toContain('Dropped off');
  await page.getByTestId('confirm-placed').click();
  expect(await sent(page)).toContainEqual({ type: 'confirmPlaced', reservation: 'r-jacket', inside: true });
  const closed = (change: Partial<typeof jacket>) =>
    view({
      reservations: [shoes, { ...jacket, ...change }],
      opening: opening({ step: 'closed', reopenSeconds: 60 }, { reservation: 'r-jacket', door: 9, label: 'C1', doors: [] }),
    });
  await push(page, closed({ state: 'deposited', unproven: true, actions: ['reopen'] }));
  expect(await words(page, 'opening-phase')).toContain('your word');
  await push(page, closed({ state: 'deposited', inside: true, actions: ['reopen'] }));
  expect(await words(page, 'opening-phase')).toContain('measured');
  await push(page, closed({ state: 'booked', inside: false, actions: ['open', 'reopen'] }));
  expect(await words(page, 'opening-phase')).toContain('empty');
  expect(await words(page, 'opening-phase')).not.toContain('Dropped off');
  await ui.show(page, 'detail-dropped-off-unproven');
  expect(await words(page, 'unproven')).toBe('as reported');
  expect(page.faults).toEqual([]);
});

test('an open door stays in sight on every screen, and leads back to its opening', async () => {
  const page = await ui.page();
  await ui.show(page, 'home-open-door');
  for (const screen of ['home', 'activity', 'find', 'settings']) {
    await page.getByTestId(`nav-${screen}`).click();
    expect(await words(page, 'open-door-r-shoes')).toContain('B3');
  }
  await page.getByTestId('show-opening').click();
  await page.getByTestId('confirm-closed').click();
  expect(await sent(page)).toContainEqual({ type: 'showOpening', reservation: 'r-shoes' });
  expect(await sent(page)).toContainEqual({ type: 'confirmClosed', reservation: 'r-shoes' });
  expect(page.faults).toEqual([]);
});

test('no way in is shown that would not work, and the reason is', async () => {
  const page = await ui.page();
  for (const [scene, reason] of [
    ['detail-keypad-behind', 'keypadBehind'],
    ['detail-too-many-devices', 'tooManyDevices'],
    ['detail-suspected', 'suspected'],
  ] as const) {
    await ui.show(page, scene);
    expect(await page.getByTestId('no-pin').getAttribute('data-reason')).toBe(reason);
    expect(await page.getByTestId('pin').count()).toBe(0);
  }
  // Neither on the screen of an opening that met an impostor, nor while the locker is looked for.
  const suspected = reservation({ suspected: true, pin: null, noPin: 'suspected', code: false });
  await push(page, view({ reservations: [suspected], opening: opening({ step: 'failed', problem: { code: 'notTheLocker', retry: false, waitSeconds: null } }) }));
  expect(await page.getByTestId('opening-pin').count()).toBe(0);
  expect(await page.getByTestId('opening').getByText('scanner').count()).toBe(0);
  expect(page.faults).toEqual([]);
});

test('giving back asks what the locker cannot measure', async () => {
  const page = await ui.page();
  await ui.show(page, 'release');
  expect(await page.getByTestId('end-confirm').isDisabled()).toBe(true);
  await page.getByTestId('end-answer').check();
  await page.getByTestId('end-confirm').click();
  expect(await sent(page)).toContainEqual({ type: 'release', reservation: 'r-box', confirmed: true });
  await ui.show(page, 'release-measured');
  expect(await page.getByTestId('end-measured').getAttribute('data-says')).toBe('somethingInside');
  expect(await page.getByTestId('end-confirm').isDisabled()).toBe(true);
  expect(page.faults).toEqual([]);
});

test('what is passed on in person promises what it can', async () => {
  const page = await ui.page();
  await ui.show(page, 'share-offer-in-person');
  const promise = page.getByTestId('share-promise');
  expect(await promise.getAttribute('data-until')).toBe(String(NOW + 900));
  expect(await promise.innerText()).toContain('once');
  expect(await page.getByTestId('share-sheet').getByText('Whoever uses this link').count()).toBe(0);
  // In person nothing is promised beyond the end of this device's own permission.
  await ui.show(page, 'share');
  await page.getByTestId('share-sheet').getByRole('radio', { name: 'next to me' }).check();
  expect(page.faults).toEqual([]);
});

test('without an account and without a network, somebody beside us lets us in', async () => {
  const page = await ui.page();
  await ui.show(page, 'welcome', { gesture: 'confirm' });
  await page.getByTestId('in-person').click();
  await page.getByTestId('show-invitation').click();
  expect(await sent(page)).toContainEqual({ type: 'showMyInvitation' });
  // What was given is the first thing to be seen after a restart.
  await ui.show(page, 'guest-in-person', { gesture: 'confirm' });
  await page.getByTestId('card-r-shoes').click();
  expect(await words(page, 'in-person-means')).toContain('once');
  await page.getByTestId('open-gesture').click();
  await page.getByTestId('confirm-open').click();
  expect(await sent(page)).toContainEqual({ type: 'open', reservations: ['r-shoes'] });
  await page.getByTestId('back').click();
  await page.getByTestId('guest-back').click();
  await page.getByTestId('sign-in').waitFor();
  expect(page.faults).toEqual([]);
});

test('a link can be followed with a full list too; what was fetched by code can be said', async () => {
  const page = await ui.page();
  await ui.show(page, 'settings');
  await page.getByTestId('have-link').click();
  await page.getByTestId('link-sheet').waitFor();
  await ui.show(page, 'detail-fetched-by-code');
  await page.getByTestId('fetched').click();
  expect(await sent(page)).toContainEqual({ type: 'confirmTaken', reservation: 'r-shoes', taken: true });
  expect(page.faults).toEqual([]);
});
