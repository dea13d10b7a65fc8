import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OpeningPhase, OpeningView, View } from '../../src/lib/generated/view';
import { SIZES } from '../../tools/page.mjs';
import { harness, overflow } from './harness';

/** A picture that the core's own tests took of a view (insta): the JSON after the second line of dashes. */
function taken<T>(name: string): T {
  const text = readFileSync(new URL(`../../../crates/core/tests/core/snapshots/core__snapshots__${name}.snap`, import.meta.url), 'utf8');
  return JSON.parse(text.split(/^---$/m).slice(2).join('---')) as T;
}

const whole = taken<View>('whole');
const views: Record<string, View> = { whole };
for (const name of ['nothing_yet', 'waiting']) views[name] = { ...whole, ...taken<Partial<View>>(name) };
for (const [name, change] of Object.entries(taken<Record<string, Partial<View>>>('surroundings'))) views[`surroundings: ${name}`] = { ...whole, ...change };
const steps = taken<Record<string, OpeningView>>('opening_steps');
for (const [name, opening] of Object.entries(steps)) views[`opening: ${name}`] = { ...whole, opening };
const first = Object.values(steps)[0]!;
for (const [name, phase] of Object.entries(taken<Record<string, OpeningPhase>>('opening_failures'))) {
  views[`failure: ${name}`] = { ...whole, opening: { ...first, phase, canCancel: false } };
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ui = harness();
let page: Awaited<ReturnType<typeof ui.page>>;
beforeAll(async () => {
  page = await ui.page({ viewport: SIZES.phone });
  await ui.show(page, 'home');
  await page.evaluate(axe);
  page.faults.length = 0;
});
afterAll(() => page.context().close());

test('the core took pictures of many states', () => expect(Object.keys(views).length).toBeGreaterThan(20));

test.each(Object.keys(views))('what the core itself recorded is shown: %s', async (name) => {
  await page.evaluate((view) => window.recorded.push(view), views[name]!);
  await page.waitForFunction(() => document.querySelector('h1') !== null);
  expect(await overflow(page)).toEqual([]);
  const violations = await page.evaluate(async () => {
    const { axe: checker } = window as unknown as { axe: { run(context: Document): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } };
    return (await checker.run(document)).violations.map((one) => `${one.id}: ${one.nodes[0]?.html.slice(0, 200)}`);
  });
  expect(violations).toEqual([]);
  const opening = views[name]!.opening;
  if (opening && views[name]!.session.state === 'signedIn') {
    expect(await page.getByTestId('opening-phase').getAttribute('data-phase')).toBe(opening.phase.step);
  }
  expect(page.faults).toEqual([]);
});

