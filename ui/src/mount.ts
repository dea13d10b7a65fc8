import 'virtual:brand.css';
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import Root from './Root.svelte';
import type { Bridge } from './lib/bridge/bridge';
import { App } from './lib/app.svelte';

/** Puts the app into the page. Resolves when the first view is drawn. */
export async function mountApp(bridge: Bridge): Promise<void> {
  const app = new App(bridge);
  await app.start();
  drawApp(app);
  setTimeout(() => app.settled());
}

/** Draws an app that has begun; what comes back is for `unmount`. */
export function drawApp(app: App): ReturnType<typeof mount> {
  const target = document.getElementById('app');
  if (!target) throw new Error('the page has no #app');
  return mount(Root, { target, props: { app } });
}
