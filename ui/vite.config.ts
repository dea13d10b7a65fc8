import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { licencesPlugin } from './tools/licences.ts';
import { messagesPlugin } from './tools/messages.ts';
import { brandPlugin } from './brands/plugin.ts';
import { webPlugin } from './tools/web.ts';

/**
 * `vite build` makes the page that the window embeds (dist). `--mode recorded` makes the same page on recorded views,
 * for the tests, the gallery and work on the page in a browser (dist-recorded). `--mode web` makes the page that the hub
 * serves, with the core beside it (crates/web/dist; `cargo xtask web` makes the core first). The brand is a folder in brands/,
 * chosen by POSTERN_BRAND.
 */
export default defineConfig(({ mode }) => {
  const recorded = mode === 'recorded';
  const web = mode === 'web';
  const brand = process.env['POSTERN_BRAND'] ?? 'postern';
  return {
    base: './',
    plugins: [messagesPlugin(), licencesPlugin(), brandPlugin(brand), svelte(), ...(web ? [webPlugin(brand)] : [])],
    build: {
      outDir: process.env['POSTERN_UI_OUT'] ?? (recorded ? 'dist-recorded' : web ? '../crates/web/dist/page' : 'dist'),
      emptyOutDir: true,
      // WebKitGTK of Debian 12, WKWebView of iOS 16.4 and macOS 13.3, Android System WebView 117, for subgrid (MainActivity.kt says so below it).
      target: ['safari16.4', 'chrome117', ...(web ? ['firefox120'] : [])],
      // The content security policy allows no data: scripts or images.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      rollupOptions: {
        input: recorded ? 'recorded.html' : web ? 'web.html' : 'index.html',
        // What every picture is made of comes in one file, its icons too; so do the sheets, and what stands in the detail: alone each
        // compresses badly, and who has one needs the others.
        output: {
          codeSplitting: {
            includeDependenciesRecursively: false,
            groups: [
              { name: 'parts', test: /src\/(components\/(Button|Care|Directions|Dot|DoorPlate|HoldButton|Icon|Later|Sheet|Switch|Text)\.svelte|lib\/(cabinet|format|reservation)\.ts)|lucide\/svelte\/dist\/(Icon\.svelte|icons\/(check|clock|copy|key-round|navigation|snowflake|truck|wine|x)\.)/ },
              { name: 'sheets', test: /src\/components\/sheets\// },
              { name: 'detail', test: /src\/components\/(Actions|AtLocker|ConfirmPlaced|ConfirmTaken|Reports|Shares|Timeline)\.svelte/ },
            ],
          },
        },
      },
    },
    // Messages come parsed (tools/messages.ts); this module keeps the type guards and leaves the parser out.
    resolve: { alias: { '@formatjs/icu-messageformat-parser': '@formatjs/icu-messageformat-parser/no-parser.js' } },
    server: { port: 1420, strictPort: true },
  };
});
