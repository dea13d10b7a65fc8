import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scenes } from '../../fixtures/scenes';
import { SIZES } from '../../tools/page.mjs';
import { harness, overflow, smallTargets } from './harness';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ui = harness();

/** The rules of WCAG 2.2 A and AA and axe's own good practice. */
interface Axe {
  run(context: Document, options: object): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }>;
}

/** Looks at every scene in each size. A file for each theme calls it, so that they run side by side. */
export function everyScreen(theme: 'light' | 'dark'): void {
  for (const [size, viewport] of Object.entries(SIZES)) {
    describe(`${size}, ${theme}`, () => {
      // One page for all: a scene is a new document, and a new window for each would take most of the time.
      let page: Awaited<ReturnType<typeof ui.page>>;
      beforeAll(async () => {
        page = await ui.page({ viewport });
      });
      afterAll(() => page.context().close());
      async function isFine(): Promise<void> {
        await page.evaluate(axe);
        const violations = await page.evaluate(async () => {
          const { violations: found } = await (window as unknown as { axe: Axe }).axe.run(document, { resultTypes: ['violations'] });
          return found.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html.slice(0, 160)} ${(node.failureSummary ?? '').slice(0, 240)}`).slice(0, 3).join(' | ')}`);
        });
        expect(violations).toEqual([]);
        expect(await overflow(page)).toEqual([]);
        expect(await smallTargets(page)).toEqual([]);
        expect(page.faults).toEqual([]);
      }
      for (const name of Object.keys(scenes)) {
        test(`${name}: axe finds nothing, nothing overflows, targets are large enough, no policy is broken`, async () => {
          page.faults.length = 0;
          await ui.show(page, name, { theme });
          await isFine();
        });
      }
      test('a network’s address that is refused: the same', async () => {
        page.faults.length = 0;
        await ui.show(page, 'welcome-network', { theme });
        await page.getByTestId('network-address').fill('http://lockers.example.org');
        await page.getByTestId('network-sign-in').click();
        await page.getByTestId('network-sheet').getByRole('alert').waitFor();
        await isFine();
      });
    });
  }
}
