import { flushSync, unmount } from 'svelte';
import { scenes } from '../fixtures/scenes';
import { App } from './lib/app.svelte';
import { RecordedBridge } from './lib/bridge/recorded';
import { bringAll } from './lib/later.svelte';
import { loadPreferences } from './lib/preferences';
import { parseRoute } from './lib/route';
import { drawApp } from './mount';

/** How a scene is to be looked at: preferences of the page, as Preferences has them. */
type Look = Partial<Record<'lang' | 'theme' | 'text' | 'gesture' | 'network', string>>;

declare global {
  interface Window {
    /** For tests: what was sent, and the way to show another view. */
    recorded: RecordedBridge;
    /** For tests and the gallery: where each scene begins. */
    sceneIndex: Record<string, { hash?: string | undefined; press?: string[] | undefined }>;
    /** Shows another scene, as a new page would but sooner: nothing of the one before is left. */
    showScene(name: string, look: Look): Promise<void>;
  }
}

function found(name: string) {
  const scene = scenes[name];
  if (!scene) throw new Error(`no scene ${name}`);
  return scene;
}

function prefer({ lang, theme, text, gesture, network }: Look): void {
  localStorage.setItem('preferences', JSON.stringify({ language: lang, theme, text, gesture, network }));
}

// recorded.html?scene=home&theme=dark&lang=de&text=150#/r/…: a recorded view in a plain browser.
const query = new URLSearchParams(location.search);
const first = found(query.get('scene') ?? 'home');
prefer({ ...Object.fromEntries(query), network: first.network });
if (location.hash === '' && first.hash) location.hash = first.hash;
const bridge = new RecordedBridge(first.view);
const app = new App(bridge);
window.recorded = bridge;
window.sceneIndex = Object.fromEntries(Object.entries(scenes).map(([name, { hash, press }]) => [name, { hash, press }]));

app.place = first.place ?? null;
void Promise.all([app.start(), bringAll()]).then(() => {
  let drawn = drawApp(app);
  flushSync();
  app.begun = true;
  window.showScene = async (name, look) => {
    const scene = found(name);
    await unmount(drawn);
    prefer({ ...look, network: scene.network });
    await app.set(loadPreferences());
    history.replaceState(null, '', scene.hash ?? '#/');
    app.route = parseRoute(location.hash);
    app.place = scene.place ?? null;
    app.say('');
    app.search = '';
    bridge.restart(scene.view);
    app.begun = false;
    drawn = drawApp(app);
    flushSync();
    app.begun = true;
  };
});
