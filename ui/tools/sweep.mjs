// Says for every scene whether anything lies over a gesture, a PIN, a code, a heading or a control.
// node tools/sweep.mjs [--only TEXT] [--sizes 300] [--seed 1] [--edges] [--no-build]
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { coveredIn, EDGES, LANGUAGES, seeded, TEXTS } from './covered.mjs';
import { launch } from './page.mjs';
import { serve } from './serve.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    sizes: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    edges: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
  },
});
const root = fileURLToPath(new URL('..', import.meta.url));
if (!values['no-build']) execFileSync('npx', ['vite', 'build', '--mode', 'recorded', '--logLevel', 'warn'], { cwd: root, stdio: 'inherit' });
const server = await serve(join(root, 'dist-recorded'));
const browser = await launch();
let checked = 0;
const faults = new Map();
try {
  const page = await (await browser.newContext({ timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', locale: 'en-GB' })).newPage();
  await page.goto(`${server.url}/recorded.html`);
  const scenes = Object.fromEntries(Object.entries(await page.evaluate(() => window.sceneIndex)).filter(([name]) => name.includes(values.only)));
  const names = Object.keys(scenes);
  const edges = EDGES.flatMap((viewport) => LANGUAGES.flatMap((lang) => TEXTS.flatMap((text) => names.map((scene) => ({ viewport, lang, text, scene })))));
  const all = [...(values.edges ? edges : []), ...seeded(Number(values.sizes), names, Number(values.seed))];
  for (const { scene, ...how } of all) {
    for (const worst of [true, false]) {
      const found = await coveredIn(page, server.url, scene, scenes[scene], { ...how, worst });
      checked += 1;
      if (found.length === 0) continue;
      const key = `${scene} ${how.viewport.width}x${how.viewport.height} ${how.lang} ${how.text} %${worst ? '' : ', as usual'}`;
      faults.set(key, found);
      console.log(`${key}\n  ${found.join('\n  ')}`);
    }
  }
} finally {
  await browser.close();
  await server.close();
}
console.log(`sweep: ${checked} pictures, something covered in ${faults.size}`);
process.exitCode = faults.size > 0 ? 1 : 0;
