import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { expect, test, vi } from 'vitest';
import { brandPlugin } from '../../brands/plugin';
import { licences, licencesPlugin } from '../../tools/licences';
import { messagesPlugin } from '../../tools/messages';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

const packed = (paths: string[]) => paths.map((path) => gzipSync(readFileSync(path), { level: 9 }).length).reduce((sum, size) => sum + size, 0);

test('what the first picture needs is at most 100 kB, gzipped, and the rest at most 60 more', () => {
  const all = files(dist);
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  // What the document names, what those modules import at once, the mark, and the longest language.
  const first = new Set([join(dist, 'index.html'), ...[...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((one) => join(dist, one[1]!))]);
  for (const path of first) {
    if (!path.endsWith('.js')) continue;
    for (const [, name] of readFileSync(path, 'utf8').matchAll(/(?:from|import)\s*["'`]\.\/([^"'`]+)["'`]/g)) first.add(join(dist, 'assets', name!));
  }
  const languages = all.filter((path) => /\/(de|pl|uk)-[^/]+\.js$/.test(path));
  const longest = Math.max(...languages.map((path) => packed([path])));
  for (const path of all) if (path.endsWith('.svg')) first.add(path);
  const early = packed([...first]) + longest;
  // Of the languages a page brings one.
  const rest = packed(all.filter((path) => !first.has(path) && !languages.includes(path)));
  console.info(`first picture: ${first.size + 1} files, ${(early / 1000).toFixed(1)} kB gzipped; what comes later: ${(rest / 1000).toFixed(1)} kB`);
  expect(first.size).toBeGreaterThan(3);
  expect(languages).toHaveLength(3);
  expect(early).toBeLessThan(100_000);
  expect(rest).toBeLessThan(60_000);
});

test('the licence of each package that travels with the page travels along', () => {
  const text = files(dist).filter((path) => path.endsWith('.js')).map((path) => readFileSync(path, 'utf8')).join('\n');
  const all = licences();
  expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['@lucide/svelte', '@tauri-apps/api', 'intl-messageformat', 'svelte']));
  for (const one of all) {
    expect(one.text.length).toBeGreaterThan(400);
    expect(text).toContain(one.text.split('\n').find((line) => /copyright/i.test(line))?.trim());
  }
});

test('holds nothing recorded, nothing inline, nothing from elsewhere but the maps that a customer may choose', () => {
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>|<style|\son\w+=|style=/);
  for (const path of files(dist)) {
    const text = readFileSync(path, 'utf8');
    expect(text).not.toContain('Mara Lindqvist');
    expect(text.replace(/https?:\/\/(www\.w3\.org|svelte\.dev|formatjs\.github\.io|formatjs\.io|github\.com|issues\.|maps\.apple\.com|www\.google\.com\/maps|www\.openstreetmap\.org)[^\s"'`)]*/g, '')).not.toMatch(/["'`]https?:\/\//);
    expect(text).not.toMatch(/\beval\(|new Function\(/);
  }
});

test('the page that a hub serves leaves out what leads to another one', async () => {
  const text = async (mode: string) => {
    // As it is built to be served: what helps while developing stands in the way of leaving out.
    vi.stubEnv('NODE_ENV', 'production');
    const built = await build({
      configFile: false,
      mode,
      root: fileURLToPath(new URL('../..', import.meta.url)),
      logLevel: 'error',
      plugins: [messagesPlugin(), licencesPlugin(), brandPlugin('postern'), svelte()],
      build: { write: false, assetsInlineLimit: 0, rollupOptions: { input: 'index.html' } },
    });
    vi.unstubAllEnvs();
    return (Array.isArray(built) ? built : [built]).flatMap((one) => ('output' in one ? one.output : [])).map((one) => ('code' in one ? one.code : '')).join('\n');
  };
  expect(await text('production')).toContain('network-sheet');
  expect(await text('web')).not.toContain('network-sheet');
});

test('a second brand is one folder: name, colours, logo, hub and languages', async () => {
  const built = await build({
    configFile: false,
    root: fileURLToPath(new URL('../..', import.meta.url)),
    logLevel: 'error',
    plugins: [messagesPlugin(), licencesPlugin(), brandPlugin('lantern'), svelte()],
    build: { write: false, assetsInlineLimit: 0, rollupOptions: { input: 'index.html' } },
  });
  const output = (Array.isArray(built) ? built : [built]).flatMap((one) => ('output' in one ? one.output : []));
  const all = output.map((one) => ('code' in one ? one.code : String(one.source))).join('\n');
  expect(all).toContain('<title>Lantern Lockers</title>');
  expect(all).toContain('https://hub.lantern.example');
  expect(all).toContain('#6a1b4d');
  expect(all).toContain('aria-label="Lantern Lockers"');
});
