import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { SIZES } from '../../tools/page.mjs';
import { scenes } from '../../fixtures/scenes';
import { harness, overflow } from './harness';

/** Contrast themes: each state is still seen, in a light and a dark one. */
const ui = harness();

/** How an element, or what is before it, is painted: the colours that are left, and whether there is an edge. */
const painted = (page: Page, selector: string) =>
  page.locator(selector).first().evaluate((one) => {
    const style = getComputedStyle(one);
    return { face: style.backgroundColor, words: style.color, edge: style.borderTopStyle === 'none' ? 0 : parseFloat(style.borderTopWidth), line: style.borderTopColor };
  });

/** WCAG contrast of two opaque colours; what shines through lies on `canvas`. */
function contrast(one: string, other: string, canvas: string): number {
  const parts = (colour: string) => {
    const [r = 0, g = 0, b = 0, a = 1] = (colour.match(/[\d.]+/g) ?? []).map(Number);
    return { rgb: [r, g, b], a };
  };
  const under = parts(canvas).rgb;
  const light = (colour: string) => {
    const { rgb, a } = parts(colour);
    const [r, g, b] = rgb.map((value, at) => {
      const mixed = (value * a + (under[at] ?? 0) * (1 - a)) / 255;
      return mixed <= 0.04045 ? mixed / 12.92 : ((mixed + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const [high, low] = [light(one), light(other)].sort((a, b) => b - a) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

for (const theme of ['light', 'dark'] as const) {
  test(`every state is seen in forced colours: ${theme}`, { timeout: 120_000 }, async () => {
    const page = await ui.page({ forcedColors: 'active', colorScheme: theme, viewport: SIZES.phone });
    const show = (scene: string) => ui.show(page, scene, { theme });
    await show('settings');
    const canvas = (await painted(page, 'body')).face;
    const apart = (one: string, other: string, least = 3) => expect(contrast(one, other, canvas)).toBeGreaterThanOrEqual(least);

    // Chosen and not chosen.
    const [on, off] = [await painted(page, '[data-testid=set-language-en]'), await painted(page, '[data-testid=set-language-de]')];
    apart(on.face, off.face);
    apart(on.words, on.face, 4.5);
    apart(off.words, off.face, 4.5);
    expect(off.edge).toBeGreaterThan(0);
    // A switch has a knob, and a rail that says which.
    const [knobOn, railOn] = [await painted(page, '.rail.on .knob'), await painted(page, '.rail.on')];
    const [knobOff, railOff] = [await painted(page, '.rail:not(.on) .knob'), await painted(page, '.rail:not(.on)')];
    apart(knobOn.face, railOn.face);
    apart(knobOff.face, railOff.face);
    apart(railOn.face, railOff.face);
    // Where the page is.
    apart((await painted(page, 'nav [aria-current] .pill')).face, canvas);

    await show('find');
    apart((await painted(page, '[data-testid=near-me]')).face, canvas);
    expect((await painted(page, '.chip:not(.on)')).edge).toBeGreaterThan(0);

    // The gesture has an edge and words, and fills while it is held.
    await show('detail');
    const hold = await painted(page, '.hold');
    expect(hold.edge).toBeGreaterThan(1);
    apart(hold.line, canvas);
    apart(hold.words, hold.face, 4.5);
    const fill = await painted(page, '.fill');
    expect(contrast(fill.face, hold.face, canvas)).toBeGreaterThan(1.5);

    await show('home-nearby');
    expect((await painted(page, '[data-testid=nearby]')).edge).toBeGreaterThan(0);
    const plate = await painted(page, '[data-testid=card-r-shoes] .door');
    apart(plate.words, plate.face, 4.5);

    await show('opening-proving');
    const [done, next] = [await painted(page, '.done .bar'), await painted(page, '.progress li:last-child .bar')];
    apart(done.face, next.face);
    const leaf = await page.locator('.frame .face').evaluate((one) => getComputedStyle(one).fill);
    const letters = await page.locator('.frame text').first().evaluate((one) => getComputedStyle(one).fill);
    apart(leaf, canvas);
    apart(letters, leaf, 4.5);

    await show('report');
    expect((await painted(page, '[data-testid=report-sheet]')).edge).toBeGreaterThan(0);
    await page.getByRole('radio').first().check();
    const [picked, open] = [await painted(page, 'input[type=radio]:checked'), await painted(page, 'input[type=radio]:not(:checked)')];
    apart(picked.line, canvas);
    apart(open.line, canvas);
    const dot = await page.locator('input[type=radio]:checked').evaluate((one) => getComputedStyle(one, '::before').backgroundColor);
    apart(dot, canvas);
  });
}

test('at 400 % a sheet is used whole: what is focused is seen, and so is its button', async () => {
  // 1280 x 1024 at 400 %.
  const page = await ui.page({ viewport: { width: 320, height: 256 } });
  for (const [scene, last] of [['share', 'share-make'], ['report', 'report-send'], ['extend', 'until-ask']] as const) {
    await ui.show(page, scene);
    const sheet = page.locator('dialog');
    for (const one of await sheet.locator('input:not(.unseen), textarea, button').all()) {
      if (await one.isDisabled()) continue;
      await one.focus();
      const seen = await one.evaluate((control) => {
        const box = control.getBoundingClientRect();
        const hit = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 20));
        return box.top >= -1 && box.top < innerHeight - 20 && (control.contains(hit) || hit?.closest('label')?.contains(control) === true);
      });
      expect([scene, await one.evaluate((control) => control.outerHTML.slice(0, 80)), seen]).toEqual([scene, expect.any(String), true]);
    }
    const send = page.getByTestId(last);
    await send.scrollIntoViewIfNeeded();
    const box = (await send.boundingBox())!;
    expect([scene, box.y >= 0 && box.y + box.height <= 257]).toEqual([scene, true]);
  }
});

test('the ring of a choice that is not made stands out, in both themes', async () => {
  for (const theme of ['light', 'dark'] as const) {
    const page = await ui.page();
    await ui.show(page, 'report', { theme });
    const ring = await painted(page, 'input[type=radio]:not(:checked)');
    const ground = await page.locator('dialog').evaluate((one) => getComputedStyle(one).backgroundColor);
    expect(contrast(ring.line, ground, ground)).toBeGreaterThanOrEqual(3);
    expect(await page.locator('input[type=radio]').first().evaluate((one) => getComputedStyle(one).appearance)).toBe('none');
  }
});

test('text that is spaced out (WCAG 1.4.12) loses nothing', { timeout: 120_000 }, async () => {
  const page = await ui.page();
  const found: Record<string, string[]> = {};
  for (const name of Object.keys(scenes).filter((one) => !one.includes('hostile'))) {
    await ui.show(page, name);
    await page.evaluate(() => {
      const sheet = new CSSStyleSheet();
      sheet.insertRule('* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }');
      sheet.insertRule('p { margin-bottom: 2em !important }');
      document.adoptedStyleSheets = [sheet];
    });
    const wide = await overflow(page);
    await page.evaluate(() => (document.adoptedStyleSheets = []));
    if (wide.length > 0) found[name] = wide;
  }
  expect(found).toEqual({});
});
