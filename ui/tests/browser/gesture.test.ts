import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { view } from '../../fixtures/base';
import type { View } from '../../src/lib/generated/view';
import { harness } from './harness';

const ui = harness();
const sent = (page: Page) => page.evaluate(() => window.recorded.sent);
const types = async (page: Page) => (await sent(page)).map((one) => one.type);
const push = (page: Page, next: View) => page.evaluate((one) => window.recorded.push(one), next);

test('a short press opens nothing and says so; a hold opens once', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail');
  const gesture = page.getByTestId('open-gesture');
  await gesture.click({ delay: 60 });
  expect(await types(page)).not.toContain('open');
  expect(await page.locator('.hint').first().innerText()).toContain('Hold');
  const box = (await gesture.boundingBox())!;
  await page.mouse.move(box.x + 40, box.y + 20);
  await page.mouse.down();
  await page.waitForFunction(() => window.recorded.sent.some((one) => one.type === 'open'));
  await page.mouse.up();
  expect((await types(page)).filter((type) => type === 'open')).toHaveLength(1);
});

test('a hold counts by how long it was, also where a busy device runs its timers late', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail');
  await page.evaluate(() => (window.setTimeout = (() => 0) as unknown as typeof setTimeout));
  const gesture = page.getByTestId('open-gesture');
  await gesture.click({ delay: 60 });
  expect(await types(page)).not.toContain('open');
  // Whoever slides away opens nothing, however long it was held before.
  await gesture.hover();
  await page.mouse.down();
  await page.waitForTimeout(650);
  await page.mouse.move(1, 1);
  await page.mouse.up();
  expect(await types(page)).not.toContain('open');
  await gesture.click({ delay: 650 });
  expect((await types(page)).filter((type) => type === 'open')).toHaveLength(1);
});

test('leaving the button before the time stops the gesture', async () => {
  const page = await ui.page();
  await page.clock.install();
  await ui.show(page, 'detail');
  const box = (await page.getByTestId('open-gesture').boundingBox())!;
  await page.mouse.move(box.x + 40, box.y + 20);
  await page.mouse.down();
  await page.clock.runFor(400);
  await page.mouse.move(box.x + 40, box.y - 200);
  await page.clock.runFor(2000);
  expect(await types(page)).not.toContain('open');
});

test('assistive technology, which cannot hold, is asked once more', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail');
  await page.getByTestId('open-gesture').evaluate((button: HTMLElement) => button.click());
  expect(await types(page)).not.toContain('open');
  await page.getByTestId('confirm-open').click();
  expect(await sent(page)).toContainEqual({ type: 'open', reservations: ['r-shoes'] });
});

test('"press, then confirm" replaces the hold', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail', { gesture: 'confirm' });
  await page.getByTestId('open-gesture').click();
  await page.getByTestId('confirm-open').click();
  expect(await types(page)).toContain('open');
});

test('without the confirmation of presence nothing opens', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail', { gesture: 'confirm' });
  await push(page, view({ settings: { reminders: true, habits: true, confirmOpening: true, preferLowDoors: false, nearby: false } }));
  await page.evaluate(() => (window.recorded.answers['confirmPresence'] = false));
  await page.getByTestId('open-gesture').click();
  await page.getByTestId('confirm-open').click();
  await page.getByTestId('said').filter({ hasText: 'Not confirmed' }).waitFor();
  expect(await types(page)).not.toContain('open');
});

test('where nobody can ask who is there any more, nothing opens and the way out is told', async () => {
  const page = await ui.page();
  await ui.show(page, 'detail', { gesture: 'confirm' });
  await push(page, view({ settings: { reminders: true, habits: true, confirmOpening: true, preferLowDoors: false, nearby: false } }));
  await page.evaluate(() => {
    window.recorded.answers['confirmPresence'] = null;
    window.recorded.answers['canConfirmPresence'] = false;
  });
  await page.getByTestId('open-gesture').click();
  await page.getByTestId('confirm-open').click();
  await page.getByTestId('said').filter({ hasText: 'sign out in Settings' }).waitFor();
  expect(await types(page)).not.toContain('open');
  // The switch stays in sight, and is no way around the question.
  await page.evaluate(() => (location.hash = '#/settings'));
  await page.getByTestId('set-confirm').click();
  await page.getByTestId('said').filter({ hasText: 'sign out in Settings' }).waitFor();
  expect(await types(page)).not.toContain('set');
});

test('presence is offered only where it can be asked for, and confirmed to be asked for or not', async () => {
  const page = await ui.page();
  await ui.show(page, 'settings');
  await page.evaluate(() => (window.recorded.answers['confirmPresence'] = false));
  await page.getByTestId('set-confirm').click();
  await page.getByTestId('said').filter({ hasText: 'Not confirmed' }).waitFor();
  expect(await types(page)).not.toContain('set');
  await page.evaluate(() => (window.recorded.answers['canConfirmPresence'] = false));
  await page.getByTestId('nav-home').click();
  await page.getByTestId('nav-settings').click();
  await page.getByTestId('set-low').waitFor();
  expect(await page.getByTestId('set-confirm').count()).toBe(0);
});
