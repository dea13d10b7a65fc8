import { Host } from '@postern/host';
import type { View } from '../generated/view';
import type { Bridge, Platform } from './bridge';

/** Milliseconds of vibration and pause. */
const FEELINGS = { taken: [15], opened: [40, 60, 40], wrong: [120] } as const;

/** What the page shows where it is not this tab's turn. */
export type Elsewhere = 'waiting' | 'passed' | 'broken' | 'missing' | null;

interface Detector {
  detect(picture: ImageData): Promise<{ rawValue: string }[]>;
}

/** True where it was done. */
async function does(act: () => unknown): Promise<boolean> {
  try {
    return (await act()) !== false;
  } catch {
    return false;
  }
}

/** The bridge in a browser: the core runs in this very page. `elsewhere` is called whenever another tab has it, or not. */
export function webBridge(wasm: string, elsewhere: (why: Elsewhere) => void): Bridge {
  let screen: WakeLockSentinel | null = null;
  const host = new Host({
    wasm,
    elsewhere,
    broken: (error) => {
      console.error(error);
      elsewhere('broken');
    },
    notify: () => undefined,
  });

  /** Nobody's screen goes dark in front of a door. */
  async function keepLit(on: boolean): Promise<void> {
    if (on === (screen !== null && !screen.released)) return;
    try {
      if (on) screen = await navigator.wakeLock.request('screen');
      else await screen?.release();
    } catch {
      screen = null;
    }
  }

  const platform: Platform = {
    openBluetoothSettings: async () => false,
    openInBrowser: (url) => does(() => /^https?:/.test(url) && window.open(url, '_blank', 'noopener,noreferrer')),
    // A page that is not in front may not write, and none may look: it stays there, and the words say so.
    copyText: (text) => does(() => navigator.clipboard.writeText(text)),
    diagnostics: async () => `postern, in a browser\n${navigator.userAgent}\nbluetooth: ${'bluetooth' in navigator}`,
    setLanguage: async () => true,
    autostart: async () => null,
    canConfirmPresence: async () => false,
    confirmPresence: async () => null,
    readQr: async (width, luma) => {
      const Barcodes = (globalThis as { BarcodeDetector?: new (what: { formats: string[] }) => Detector }).BarcodeDetector;
      if (!Barcodes) return null;
      try {
        const grey = Uint8Array.from(atob(luma.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
        const pixels = new Uint8ClampedArray(grey.length * 4);
        grey.forEach((light, at) => pixels.set([light, light, light, 255], at * 4));
        const found = await new Barcodes({ formats: ['qr_code'] }).detect(new ImageData(pixels, width));
        return found[0]?.rawValue ?? null;
      } catch {
        return null;
      }
    },
    feel: (feeling) => does(() => navigator.vibrate([...FEELINGS[feeling]])),
    saveFile: (name, contents) =>
      does(() => {
        const link = document.createElement('a');
        link.href = URL.createObjectURL(new Blob([contents as BlobPart]));
        link.download = name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      }),
  };

  return {
    inBrowser: true,
    subscribe: (onView) =>
      host.start((text) => {
        const view = JSON.parse(text) as View;
        host.opening = view.opening?.phase.step ?? null;
        void keepLit(view.opening !== null);
        onView(view);
      }),
    send: async (intent) => host.send(JSON.stringify(intent)),
    now: () => Date.now(),
    platform,
  };
}
