// Draws an SVG as PNGs: node tools/icons.mjs LOGO.svg FOLDER 32x32.png 128x128@2x.png …
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { launch } from './page.mjs';

const [logo = '', folder = '', ...names] = process.argv.slice(2);
const svg = readFileSync(logo, 'utf8');
mkdirSync(folder, { recursive: true });
const browser = await launch();
try {
  for (const name of names) {
    const [, width = '', double] = /^(\d+)x\d+(@2x)?\.png$/.exec(name) ?? [];
    const side = Number(width) * (double ? 2 : 1);
    const page = await browser.newPage({ viewport: { width: side, height: side } });
    await page.setContent(`<style>body{margin:0}img{display:block;width:${side}px;height:${side}px}</style><img src="data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}">`);
    await page.locator('img').evaluate((image) => image.decode());
    await page.screenshot({ path: join(resolve(folder), name), omitBackground: true });
    await page.close();
  }
} finally {
  await browser.close();
}
