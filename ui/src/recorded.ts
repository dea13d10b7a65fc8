import { RecordedBridge } from './lib/bridge/recorded';
import { mountApp } from './mount';
import { scenes } from '../fixtures/scenes';

declare global {
  interface Window {
    /** For tests: what was sent, and the way to show another view. */
    recorded: RecordedBridge;
    /** For tests and the gallery: where each scene begins. */
    sceneIndex: Record<string, { hash?: string | undefined; press?: string[] | undefined }>;
  }
}

// recorded.html?scene=home&theme=dark&lang=de&text=150#/r/…: a recorded view in a plain browser.
const query = new URLSearchParams(location.search);
const scene = scenes[query.get('scene') ?? 'home'] ?? scenes['home'];
if (!scene) throw new Error('no scene to show');
localStorage.setItem(
  'preferences',
  JSON.stringify({
    language: query.get('lang') ?? undefined,
    theme: query.get('theme') ?? undefined,
    text: query.get('text') ?? undefined,
    gesture: query.get('gesture') ?? undefined,
  }),
);
if (location.hash === '' && scene.hash) location.hash = scene.hash;
const bridge = new RecordedBridge(scene.view);
window.recorded = bridge;
window.sceneIndex = Object.fromEntries(Object.entries(scenes).map(([name, { hash, press }]) => [name, { hash, press }]));
void mountApp(bridge);
