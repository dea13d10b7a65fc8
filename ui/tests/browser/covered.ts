import { afterAll, beforeAll, expect, test } from 'vitest';
import { scenes } from '../../fixtures/scenes';
import { coveredIn, EDGES, LANGUAGES, seeded, TEXTS, type Look, type Size } from '../../tools/covered.mjs';
import { harness } from './harness';

const names = Object.keys(scenes);

/**
 * Nothing lies over a gesture, a PIN, a code, a heading or a control, wherever the page is scrolled to and whatever has the
 * focus, with all that may come by itself there: two strips, a notice, and something said. `npm run sweep` takes every
 * size at the edges in each language and text size. Each file that calls it takes a part, so that they run side by side: each
 * scene at some edges in each text size, where the languages take turns, and sizes between.
 */
export function nothingCovers(is: (edge: Size) => boolean, seed: number): void {
  const ui = harness();
  let page: Awaited<ReturnType<typeof ui.page>>;
  beforeAll(async () => {
    page = await ui.page();
  });
  afterAll(() => page.context().close());

  async function faults(pictures: (Look & { scene: string })[]): Promise<Record<string, string[]>> {
    const found: Record<string, string[]> = {};
    for (const { scene, ...how } of pictures) {
      const covered = await coveredIn(page, ui.url, scene, scenes[scene]!, how);
      if (covered.length > 0) found[`${scene} ${how.viewport.width}x${how.viewport.height} ${how.lang} ${how.text} %`] = covered;
    }
    return found;
  }

  test.each(EDGES.filter(is).flatMap((viewport) => TEXTS.map((text) => ({ viewport, text }))))(
    'nothing covers what matters: $viewport.width x $viewport.height, $text % text',
    { timeout: 600_000 },
    async ({ viewport, text }) => {
      const turn = EDGES.indexOf(viewport) + TEXTS.indexOf(text);
      expect(await faults(names.map((scene, at) => ({ scene, viewport, text, lang: LANGUAGES[(turn + at) % LANGUAGES.length]! })))).toEqual({});
    },
  );

  test('nothing covers what matters at 150 sizes between', { timeout: 600_000 }, async () => {
    expect(await faults(seeded(150, names, seed))).toEqual({});
  });
}
