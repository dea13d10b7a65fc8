// What hands do at the page, and what it was seen to do.

import type { Page } from 'playwright-core';
import type { View } from '../../src/lib/generated/view';

export const sent = (page: Page) => page.evaluate(() => window.recorded.sent);
export const types = async (page: Page) => (await sent(page)).map((one) => one.type);
export const push = (page: Page, next: View) => page.evaluate((one) => window.recorded.push(one), next);
export const focused = (page: Page) => page.evaluate(() => document.activeElement?.getAttribute('data-testid') ?? document.activeElement?.tagName ?? '');

/** Presses Tab until the focus is there; fails where it never comes. */
export async function tabTo(page: Page, testid: string, most = 60): Promise<void> {
  for (let at = 0; at < most; at += 1) {
    if ((await focused(page)) === testid) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`the focus never reached ${testid}; it is on ${await focused(page)}`);
}
