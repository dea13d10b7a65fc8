import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readBrand } from '../../brands/plugin';

const css = readFileSync(new URL('../../src/styles/tokens.css', import.meta.url), 'utf8');

function colours(selector: string): Record<string, string> {
  const start = css.indexOf(selector);
  const block = css.slice(css.indexOf('{', start) + 1, css.indexOf('}', start));
  return Object.fromEntries([...block.matchAll(/--([a-z-]+):\s*(#[0-9a-f]{6});/g)].map((match) => [match[1], match[2]]));
}

/** Relative luminance and contrast as WCAG 2.2 defines them. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

// Text, 4.5; marks and edges of controls, 3.
const TEXT: [string, string][] = [
  ['ink', 'bg'], ['ink', 'surface'], ['ink', 'raised'], ['ink', 'wall'], ['ink', 'danger-bg'],
  ['dim', 'bg'], ['dim', 'surface'], ['dim', 'raised'], ['dim', 'wall'],
  ['accent-text', 'bg'], ['accent-text', 'surface'], ['accent-text', 'raised'],
  ['on-accent', 'accent'], ['on-ground', 'ground'], ['on-ground-dim', 'ground'], ['on-leaf', 'leaf'],
  ['on-leaf', 'on-ground'], ['on-warn', 'warn'],
  ['danger', 'bg'], ['danger', 'surface'], ['danger', 'danger-bg'], ['on-strip', 'strip'],
];
const MARKS: [string, string][] = [
  ['edge', 'bg'], ['edge', 'surface'], ['edge', 'raised'], ['accent', 'bg'], ['accent', 'surface'], ['accent', 'wall'],
  ['leaf', 'ground'], ['focus', 'bg'], ['focus', 'surface'], ['ink', 'wall'],
];

const brands = readdirSync(new URL('../../brands/', import.meta.url), { withFileTypes: true }).filter((entry) => entry.isDirectory());
const base = { light: colours(':root {'), dark: { ...colours(':root {'), ...colours(":root[data-theme='dark']") } };

describe.each(brands.map((entry) => entry.name))('brand %s', (name) => {
  const brand = readBrand(name);
  describe.each(['light', 'dark'] as const)('%s', (theme) => {
    const all: Record<string, string> = { ...base[theme], ...brand.colours[theme] };
    test.each([...TEXT.map((pair) => [...pair, 4.5] as const), ...MARKS.map((pair) => [...pair, 3] as const)])('%s on %s at least %d', (front, back, least) => {
      expect(contrast(all[front] ?? '', all[back] ?? '')).toBeGreaterThanOrEqual(least);
    });
  });
});

test('every colour of a brand is a token of ours', () => {
  for (const entry of brands) {
    const brand = readBrand(entry.name);
    for (const theme of ['light', 'dark'] as const) {
      expect(Object.keys(base.light)).toEqual(expect.arrayContaining(Object.keys(brand.colours[theme])));
    }
  }
});
