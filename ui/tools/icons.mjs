// Draws an SVG as icons: node tools/icons.mjs LOGO.svg FOLDER 32x32.png 128x128@2x.png icon.ico icon.icns 1024.png …
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { launch } from './page.mjs';

/** Sides in a Windows icon; the first is what a window shows. */
const ICO = [32, 16, 24, 48, 64, 256];
/** Types in an icon of macOS that hold a PNG, with the side of each. */
const ICNS = { icp4: 16, icp5: 32, ic11: 32, ic12: 64, ic07: 128, ic08: 256, ic13: 256, ic09: 512, ic14: 512, ic10: 1024 };

const [logo = '', folder = '', ...names] = process.argv.slice(2);
const svg = readFileSync(logo, 'utf8');
mkdirSync(folder, { recursive: true });
const browser = await launch();
const drawn = new Map();

/** The logo as a PNG of this side. */
async function png(side) {
  if (!drawn.has(side)) {
    const page = await browser.newPage({ viewport: { width: side, height: side } });
    await page.setContent(`<style>body{margin:0}img{display:block;width:${side}px;height:${side}px}</style><img src="data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}">`);
    await page.locator('img').evaluate((image) => image.decode());
    drawn.set(side, await page.screenshot({ omitBackground: true }));
    await page.close();
  }
  return drawn.get(side);
}

/**
 * The logo as an iPhone's icon: to the corners in the logo's own colour and without transparency, since the system rounds
 * them itself and the App Store takes no alpha channel.
 */
async function full(side) {
  const page = await browser.newPage({ viewport: { width: side, height: side } });
  const square = svg.replace(/(<rect width="\d+" height="\d+") rx="\d+"/, '$1');
  if (square === svg) throw new Error(`${logo} has no ground to be drawn to the corners`);
  await page.setContent(`<style>body{margin:0}img{display:block;width:${side}px;height:${side}px}</style><img src="data:image/svg+xml;base64,${Buffer.from(square).toString('base64')}">`);
  await page.locator('img').evaluate((image) => image.decode());
  const picture = await page.screenshot();
  // The colour type in IHDR: 2 has no alpha channel.
  if (picture[25] !== 2) throw new Error('the browser has written an alpha channel');
  return picture;
}

/** Bytes of little endian numbers: pairs of how many and what. */
function little(...fields) {
  const bytes = Buffer.alloc(fields.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of fields) at = bytes.writeUIntLE(value, at, size);
  return bytes;
}

/** ICONDIR, an ICONDIRENTRY for each picture (its side in a byte, where 0 is 256), and the pictures. */
async function ico() {
  const pictures = await Promise.all(ICO.map(png));
  let offset = 6 + 16 * pictures.length;
  const entries = pictures.map((picture, at) => {
    const side = ICO[at] % 256;
    const entry = little([1, side], [1, side], [1, 0], [1, 0], [2, 1], [2, 32], [4, picture.length], [4, offset]);
    offset += picture.length;
    return entry;
  });
  return Buffer.concat([little([2, 0], [2, 1], [2, pictures.length]), ...entries, ...pictures]);
}

/** Type and length, big endian, before the whole and before each picture. */
async function icns() {
  const block = (type, content) => {
    const head = Buffer.alloc(8);
    head.write(type, 'latin1');
    head.writeUInt32BE(content.length + 8, 4);
    return Buffer.concat([head, content]);
  };
  const pictures = await Promise.all(Object.entries(ICNS).map(async ([type, side]) => block(type, await png(side))));
  return block('icns', Buffer.concat(pictures));
}

async function icon(name) {
  if (name.endsWith('.ico')) return ico();
  if (name.endsWith('.icns')) return icns();
  const [, side] = /^(\d+)\.png$/.exec(name) ?? [];
  if (side) return full(Number(side));
  const [, width = '', double] = /^(\d+)x\d+(@2x)?\.png$/.exec(name) ?? [];
  return png(Number(width) * (double ? 2 : 1));
}

try {
  for (const name of names) writeFileSync(join(resolve(folder), name), await icon(name));
} finally {
  await browser.close();
}
