import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { expect, test } from 'vitest';
import { brandPlugin } from '../../brands/plugin';
import { messagesPlugin } from '../../tools/messages';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

test('the whole page is at most 120 kB, gzipped', () => {
  const sizes = files(dist).map((path) => gzipSync(readFileSync(path), { level: 9 }).length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  console.info(`dist: ${sizes.length} files, ${(total / 1000).toFixed(1)} kB gzipped`);
  expect(total).toBeLessThan(120_000);
});

test('holds nothing recorded, nothing inline, nothing from elsewhere', () => {
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>|<style|\son\w+=|style=/);
  for (const path of files(dist)) {
    const text = readFileSync(path, 'utf8');
    expect(text).not.toContain('Mara Lindqvist');
    expect(text.replace(/https?:\/\/(www\.w3\.org|svelte\.dev|formatjs\.github\.io|formatjs\.io|github\.com|issues\.)[^\s"'`)]*/g, '')).not.toMatch(/["'`]https?:\/\//);
    expect(text).not.toMatch(/\beval\(|new Function\(/);
  }
});

test('a second brand is one folder: name, colours, logo, hub and languages', async () => {
  const built = await build({
    configFile: false,
    root: fileURLToPath(new URL('../..', import.meta.url)),
    logLevel: 'error',
    plugins: [messagesPlugin(), brandPlugin('lantern'), svelte()],
    build: { write: false, assetsInlineLimit: 0, rollupOptions: { input: 'index.html' } },
  });
  const output = (Array.isArray(built) ? built : [built]).flatMap((one) => ('output' in one ? one.output : []));
  const all = output.map((one) => ('code' in one ? one.code : String(one.source))).join('\n');
  expect(all).toContain('<title>Lantern Lockers</title>');
  expect(all).toContain('https://hub.lantern.example');
  expect(all).toContain('#6a1b4d');
  expect(all).toContain('aria-label="Lantern Lockers"');
});
