import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

/** A package whose code travels with the page. */
export interface Licence {
  name: string;
  version: string;
  /** SPDX expression. */
  licence: string;
  /** As its authors wrote it. */
  text: string;
}

interface Manifest {
  version: string;
  license: string;
  dependencies?: Record<string, string>;
}

const root = fileURLToPath(new URL('..', import.meta.url));
/** Compilers leave a small part of themselves in the page, and none of what they are made of. */
const COMPILED = ['svelte', '@lucide/svelte'];

function manifest(name: string): Manifest {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as Manifest;
}

/** What of others is in the page. Throws where one has no licence to show. */
export function licences(): Licence[] {
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  const names = new Set(COMPILED);
  const walk = (name: string): void => {
    if (names.has(name)) return;
    names.add(name);
    Object.keys(manifest(name).dependencies ?? {}).forEach(walk);
  };
  Object.keys(own.dependencies).forEach(walk);
  return [...names].sort().map((name) => {
    const { version, license } = manifest(name);
    const folder = join(root, 'node_modules', name);
    // Of two to choose from the shorter one.
    const [file] = readdirSync(folder).filter((one) => /^licen[cs]e/i.test(one)).sort((one, other) => Number(/mit/i.test(other)) - Number(/mit/i.test(one)));
    if (!license || !file) throw new Error(`${name} has no licence to show`);
    return { name, version, licence: license, text: readFileSync(join(folder, file), 'utf8').trim() };
  });
}

/** The version of the app, as the workspace has it. */
export function version(): string {
  const found = /\[workspace\.package\][^[]*?\nversion = "([^"]+)"/.exec(readFileSync(join(root, '..', 'Cargo.toml'), 'utf8'));
  if (!found?.[1]) throw new Error('the workspace has no version');
  return found[1];
}

/** Gives the page `virtual:licences`. */
export function licencesPlugin(): Plugin {
  return {
    name: 'postern-licences',
    resolveId: (id) => (id === 'virtual:licences' ? `\0${id}` : undefined),
    load: (id) => (id === '\0virtual:licences' ? `export const licences = ${JSON.stringify(licences())};\nexport const version = ${JSON.stringify(version())};` : undefined),
  };
}
