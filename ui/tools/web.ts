import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { readBrand } from '../brands/plugin.ts';

/** Node's compressor is made for speed; the program, where there is one, leaves a hundredth less to be fetched. */
function gzip(path: string, plain: Buffer): Buffer {
  try {
    return execFileSync('gzip', ['-9', '-n', '-c', path], { maxBuffer: 64 * 1024 * 1024 });
  } catch {
    return gzipSync(plain, { level: 9 });
  }
}

const ours = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
/** Where `cargo xtask web` leaves the core. */
const core = (file: string) => join(process.env['POSTERN_WEB_CORE'] ?? ours('target/web/core'), file);
const CORE: Record<string, string> = {
  '@postern/host': ours('crates/web/host/host.ts'),
  '@postern/core': core('core.js'),
};
const ICONS: [string, string][] = [
  ['icon-256.png', 'icons/128x128@2x.png'],
  ['icon-512.png', 'icons/icon.png'],
];

/**
 * What the page for browsers has beside the window's: the core, a manifest with icons, and a service worker that keeps all
 * of it for when there is no network. The worker names every file with the digest of all of them, so that it differs when
 * any of them does.
 */
export function webPlugin(brandName: string): Plugin {
  const brand = readBrand(brandName);
  return {
    name: 'postern-web',
    enforce: 'pre',
    resolveId(id) {
      if (id === '@postern/core.wasm?url') return `${core('core_bg.wasm')}?url`;
      return CORE[id];
    },
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const manifest = {
          name: brand.name,
          short_name: brand.name,
          id: '/app/',
          start_url: '/app/',
          scope: '/app/',
          display: 'standalone',
          background_color: '#e9ece7',
          theme_color: '#0e6146',
          icons: ICONS.map(([src, from]) => ({ src, sizes: sizes(ours(from)), type: 'image/png', purpose: 'any' })),
        };
        this.emitFile({ type: 'asset', fileName: 'manifest.webmanifest', source: JSON.stringify(manifest) });
        for (const [fileName, from] of ICONS) this.emitFile({ type: 'asset', fileName, source: readFileSync(ours(from)) });
        const digest = createHash('sha256');
        const files: string[] = [];
        for (const [name, file] of Object.entries(bundle).sort(([a], [b]) => (a < b ? -1 : 1))) {
          digest.update(name).update(file.type === 'chunk' ? file.code : file.source);
          // The page itself is asked for by its folder.
          files.push(name === 'web.html' ? './' : `./${name}`);
        }
        const worker = readFileSync(ours('crates/web/host/worker.js'), 'utf8');
        const head = `const VERSION = ${JSON.stringify(digest.digest('hex').slice(0, 16))};\nconst FILES = ${JSON.stringify(files)};\n`;
        this.emitFile({ type: 'asset', fileName: 'worker.js', source: head + worker });
      },
    },
    /** Packed beside each file, once and well: the hub packs nothing. */
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle)) {
        if (/\.png$/.test(name)) continue;
        const path = join(dir ?? '.', name);
        const plain = readFileSync(path);
        writeFileSync(`${path}.gz`, gzip(path, plain));
        writeFileSync(`${path}.br`, brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }));
      }
    },
  };
}

/** `192x192`, from a PNG's own head. */
function sizes(file: string): string {
  const head = readFileSync(file);
  return `${head.readUInt32BE(16)}x${head.readUInt32BE(20)}`;
}
