import wasm from '@postern/core.wasm?url';
import { mount, unmount } from 'svelte';
import { webBridge, type Elsewhere } from './lib/bridge/web';
import { useLanguage } from './lib/i18n/i18n.svelte';
import { loadPreferences } from './lib/preferences';
import { mountApp } from './mount';
import Halted from './screens/Halted.svelte';

/** The one policy of this page's own: a service worker is the only script that it names. */
const scripts = (
  globalThis as { trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): unknown } } }
).trustedTypes?.createPolicy('postern-worker', {
  createScriptURL(url) {
    if (url !== './worker.js') throw new TypeError('no script of ours');
    return url;
  },
});

/** Keeps the page for when there is no network. An update waits for the next time that the page is opened. */
async function keepOffline(): Promise<void> {
  const url = './worker.js';
  await navigator.serviceWorker?.register((scripts?.createScriptURL(url) ?? url) as string, { updateViaCache: 'none' });
}

let halted: ReturnType<typeof mount> | null = null;

/** Says instead of the app why it is not here. */
async function halt(why: Elsewhere): Promise<void> {
  if (halted) await unmount(halted);
  halted = null;
  // Not drawn at all: an opening or a sheet would lie over the words, and over the button below them.
  const app = document.getElementById('app');
  if (app) app.style.display = why === null ? '' : 'none';
  if (why === null) return;
  // Where nothing arrives, the words may not either: then in English, which comes with the page.
  await useLanguage(loadPreferences().language).catch(() => undefined);
  halted = mount(Halted, { target: document.body, props: { why } });
}

let last = Promise.resolve();
const say = (why: Elsewhere) => (last = last.then(() => halt(why)));
void mountApp(webBridge(wasm, say)).catch((error: unknown) => {
  console.error(error);
  say('missing');
});
void keepOffline().catch(() => undefined);
