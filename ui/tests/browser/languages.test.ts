import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scenes } from '../../fixtures/scenes';
import { SIZES } from '../../tools/page.mjs';
import { brokenWords, harness, overflow } from './harness';

const ui = harness();

for (const lang of ['en', 'de', 'pl', 'uk']) {
  for (const text of ['100', '200']) {
    describe(`${lang} at ${text} % text, 360 px wide`, () => {
      let page: Awaited<ReturnType<typeof ui.page>>;
      beforeAll(async () => {
        page = await ui.page({ viewport: SIZES.phone });
      });
      afterAll(() => page.context().close());
      test('every scene fits', { timeout: 240_000 }, async () => {
        const found: Record<string, string[]> = {};
        for (const name of Object.keys(scenes)) {
          await ui.show(page, name, { lang, text });
          const wide = await overflow(page);
          // Hostile text has no words.
          const broken = name.includes('hostile') ? [] : (await brokenWords(page)).map((word) => `broken: ${word}`);
          if (wide.length + broken.length > 0) found[name] = [...wide, ...broken];
        }
        expect(found).toEqual({});
        expect(page.faults).toEqual([]);
      });
      test('so does what is said of an address that is none', async () => {
        await ui.show(page, 'welcome-network', { lang, text });
        for (const typed of ['kein netz', 'http://lockers.example.org']) {
          await page.getByTestId('network-address').fill(typed);
          await page.keyboard.press('Enter');
          await page.getByTestId('network-sheet').getByRole('alert').waitFor();
          expect([...(await overflow(page)), ...(await brokenWords(page))]).toEqual([]);
        }
      });
    });
  }
}
