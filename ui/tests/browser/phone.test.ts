import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { opening, view } from '../../fixtures/base';
import { SIZES } from '../../tools/page.mjs';
import type { View } from '../../src/lib/generated/view';
import { harness } from './harness';

/** Manners that only a phone asks for. */
const ui = harness();
const types = (page: Page) => page.evaluate(() => window.recorded.sent.map((one) => one.type));
const calls = (page: Page) => page.evaluate(() => window.recorded.calls);
const push = (page: Page, next: View) => page.evaluate((one) => window.recorded.push(one), next);

test('the hand feels the gesture, the open door and what went wrong, each once', async () => {
  const page = await ui.page();
  const felt = async () => (await calls(page)).flatMap((one) => (one.name === 'feel' ? one.args : []));
  await ui.show(page, 'detail', { gesture: 'hold' });
  const box = (await page.getByTestId('open-gesture').boundingBox())!;
  await page.mouse.move(box.x + 40, box.y + 20);
  await page.mouse.down();
  await page.waitForFunction(() => window.recorded.sent.some((one) => one.type === 'open'));
  await page.mouse.up();
  expect(await felt()).toEqual(['taken']);
  // A view that says the same again is not felt again.
  for (let seconds = 300; seconds > 297; seconds--) {
    await push(page, view({ opening: opening({ step: 'opened', leftOpen: false, reopenSeconds: seconds }) }));
  }
  expect(await felt()).toEqual(['taken', 'opened']);
  await push(page, view({ opening: opening({ step: 'mayBeOpen', asking: false }) }));
  expect(await felt()).toEqual(['taken', 'opened', 'wrong']);
});

test('the back gesture of a phone leaves what lies uppermost, and only that', async () => {
  const page = await ui.page();
  const back = () => page.evaluate(() => !document.dispatchEvent(new Event('back', { cancelable: true })));
  await ui.show(page, 'opening-connecting');
  expect(await back()).toBe(true);
  expect(await types(page)).toContain('cancelOpening');
  await ui.show(page, 'settings');
  await page.getByTestId('sign-out').click();
  expect(await back()).toBe(true);
  await page.getByTestId('confirm-sheet').waitFor({ state: 'detached' });
  expect(await types(page)).not.toContain('signOut');
  // Now it is the page's, which the app around it knows how to leave.
  expect(await back()).toBe(false);
  // A sheet over an opening goes first.
  await ui.show(page, 'opening-failed-jammed');
  await page.getByTestId('report').click();
  await page.getByTestId('report-sheet').waitFor();
  expect(await back()).toBe(true);
  await page.getByTestId('report-sheet').waitFor({ state: 'detached' });
  expect(await types(page)).not.toContain('dismissOpening');
  expect(await back()).toBe(true);
  expect(await types(page)).toContain('dismissOpening');
});

test('a sheet stays above the keyboard of the screen, and comes down with it', async () => {
  const page = await ui.page();
  await ui.show(page, 'share');
  // What iOS does: the page keeps its size, the part of it that is seen gets smaller.
  const keyboard = (height: number) =>
    page.evaluate((seen) => {
      Object.defineProperty(visualViewport, 'height', { configurable: true, get: () => seen });
      visualViewport?.dispatchEvent(new Event('resize'));
    }, SIZES.phone.height - height);
  const bottom = () => page.getByTestId('share-sheet').evaluate((sheet) => sheet.getBoundingClientRect().bottom);
  await keyboard(280);
  expect(await bottom()).toBeLessThanOrEqual(SIZES.phone.height - 280);
  expect(await page.getByTestId('share-sheet').evaluate((sheet) => sheet.getBoundingClientRect().top)).toBeGreaterThanOrEqual(0);
  await keyboard(0);
  expect(await bottom()).toBe(SIZES.phone.height);
});

test('the main action of an opening is within reach of a thumb', async () => {
  const page = await ui.page();
  for (const [name, testid] of [['opening-closed', 'confirm-taken'], ['opening-next-door', 'continue-opening'], ['opening-collected', 'opening-done'], ['opening-may-be-open', 'resolve-opening'], ['opening-failed-jammed', 'retry']] as const) {
    await ui.show(page, name);
    const box = (await page.getByTestId('opening').getByTestId(testid).boundingBox())!;
    // Seen without scrolling, and in the lower half.
    expect([name, box.y + box.height <= SIZES.phone.height, box.y >= SIZES.phone.height * 0.45]).toEqual([name, true, true]);
  }
});

/** A phone with a notch and a bar for gestures, upright and on its side. */
const NOTCHED = [
  { viewport: { width: 390, height: 844 }, insets: { top: 47, bottom: 34, left: 0, right: 0 } },
  { viewport: { width: 844, height: 390 }, insets: { top: 0, bottom: 21, left: 47, right: 47 } },
];

test('nothing that can be pressed or read lies under a notch or a bar', { timeout: 120_000 }, async () => {
  for (const { viewport, insets } of NOTCHED) {
    const page = await ui.page({ viewport });
    const session = await page.context().newCDPSession(page);
    await session.send('Emulation.setSafeAreaInsetsOverride' as never, { insets } as never);
    await ui.show(page, 'home');
    const known = await page.evaluate(() => {
      document.body.style.scrollPaddingBottom = 'env(safe-area-inset-bottom)';
      return getComputedStyle(document.body).scrollPaddingBottom;
    });
    expect(known).toBe(`${insets.bottom}px`);
    for (const scene of ['welcome', 'home', 'home-nearby', 'detail', 'share', 'find', 'activity', 'settings', 'opening-connecting', 'opening-closed', 'opening-failed-jammed']) {
      await ui.show(page, scene);
      const under = await page.evaluate(({ top, bottom, left, right }) => {
        // Lists may run through under a bar; what stands still may not.
        const scrolls = (element: Element | null): boolean =>
          element !== null && (element.scrollHeight > element.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(element).overflowY) || scrolls(element.parentElement));
        return [...document.querySelectorAll('button, a, input, select, h1, h2, nav .word')].flatMap((element) => {
          const box = element.getBoundingClientRect();
          if (box.width < 2 || box.height < 2 || element.closest('.unseen, [inert], .skip:not(:focus)') || !element.checkVisibility({ visibilityProperty: true })) return [];
          const sideways = box.left < left || box.right > innerWidth - right;
          const upright = !scrolls(element.parentElement) && (box.top < top || box.bottom > innerHeight - bottom);
          return sideways || upright ? [`${element.tagName} "${(element.textContent ?? '').trim().slice(0, 30)}" ${JSON.stringify(box)}`] : [];
        });
      }, insets);
      expect([scene, viewport.width, under]).toEqual([scene, viewport.width, []]);
    }
    await page.context().close();
  }
});

test('dark when the system is, from the moment that it is', async () => {
  const page = await ui.page({ colorScheme: 'light' });
  await ui.show(page, 'home', { theme: 'system' });
  const theme = () => page.locator('html').getAttribute('data-theme');
  expect(await theme()).toBe('light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(() => document.documentElement.dataset['theme'] === 'dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.waitForFunction(() => document.documentElement.dataset['theme'] === 'light');
});
