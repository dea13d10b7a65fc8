// Writes every scene in both themes as PNG, in two sizes or in five, with an index page.
// node tools/gallery.mjs --out DIR [--lang all|en,de,…] [--sizes all] [--only TEXT] [--no-build]
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ALL_SIZES, launch, openScene, SIZES } from './page.mjs';
import { serve } from './serve.mjs';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: '../target/gallery' },
    lang: { type: 'string', default: 'en' },
    only: { type: 'string', default: '' },
    sizes: { type: 'string', default: '' },
    'no-build': { type: 'boolean', default: false },
  },
});
const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(values.out);
const languages = values.lang === 'all' ? ['en', 'de', 'pl', 'uk'] : values.lang.split(',');

if (!values['no-build']) execFileSync('npx', ['vite', 'build', '--mode', 'recorded', '--logLevel', 'warn'], { cwd: root, stdio: 'inherit' });
const server = await serve(join(root, 'dist-recorded'));
const browser = await launch();
const pictures = [];
try {
  const probe = await browser.newPage();
  await probe.goto(`${server.url}/recorded.html`);
  const scenes = await probe.evaluate(() => window.sceneIndex);
  await probe.close();
  for (const lang of languages) {
    for (const [size, viewport] of Object.entries(values.sizes === 'all' ? ALL_SIZES : SIZES)) {
      for (const theme of ['light', 'dark']) {
        const context = await browser.newContext({ viewport, timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', locale: 'en-GB' });
        const page = await context.newPage();
        const folder = join(out, lang, `${size}-${theme}`);
        mkdirSync(folder, { recursive: true });
        for (const [name, scene] of Object.entries(scenes)) {
          if (!name.includes(values.only)) continue;
          await openScene(page, server.url, name, scene, { theme, lang });
          await page.screenshot({ path: join(folder, `${name}.png`) });
          pictures.push({ lang, size, theme, name, file: `${lang}/${size}-${theme}/${name}.png` });
        }
        await context.close();
      }
    }
  }
} finally {
  await browser.close();
  await server.close();
}

const names = [...new Set(pictures.map((one) => one.name))];
const rows = names.map(
  (name) =>
    `<section><h2 id="${name}">${name}</h2><div>${pictures
      .filter((one) => one.name === name)
      .map((one) => `<figure><a href="${one.file}"><img loading="lazy" src="${one.file}" alt="${name}, ${one.lang}, ${one.size}, ${one.theme}" height="${['phone', 'tall', 'tablet'].includes(one.size) ? 420 : 320}"></a><figcaption>${one.lang}, ${one.size}, ${one.theme}</figcaption></figure>`)
      .join('')}</div></section>`,
);
writeFileSync(
  join(out, 'index.html'),
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>Postern: gallery</title><style>body{font:15px system-ui;margin:2rem;background:#8a918c;color:#fff}section div{display:flex;flex-wrap:wrap;gap:1rem;align-items:end}figure{margin:0}figcaption{font-size:12px}</style><h1>${names.length} scenes, ${pictures.length} pictures</h1>${rows.join('\n')}</html>\n`,
);
console.log(`gallery: ${pictures.length} pictures of ${names.length} scenes in ${out}`);
