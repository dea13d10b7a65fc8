import { Channel, invoke } from '@tauri-apps/api/core';
import type { View } from '../generated/view';
import type { Bridge } from './bridge';

/** True where the command is there and did what it was asked. */
async function does(command: string, args: Record<string, unknown> = {}): Promise<boolean> {
  try {
    return (await invoke<unknown>(command, args)) !== false;
  } catch {
    return false;
  }
}

async function answer<T>(command: string, args: Record<string, unknown> = {}): Promise<T | null> {
  try {
    return await invoke<T | null>(command, args);
  } catch {
    return null;
  }
}

/** The bridge in the window. */
export const tauriBridge: Bridge = {
  async subscribe(onView) {
    const channel = new Channel<View>();
    let later = false;
    channel.onmessage = (view) => {
      later = true;
      onView(view);
    };
    const first = await invoke<View>('subscribe', { channel });
    if (!later) onView(first);
  },
  async send(intent) {
    await invoke('send_intent', { intent });
  },
  now: () => Date.now(),
  platform: {
    openBluetoothSettings: () => does('open_bluetooth_settings'),
    openInBrowser: (url) => does('open_in_browser', { url }),
    copyText: (text, secret) => does('copy_text', { text, secret }),
    diagnostics: () => answer<string>('diagnostics'),
    setLanguage: (language) => does('set_language', { language }),
    autostart: (on) => answer<boolean>('autostart', { on: on ?? null }),
    canConfirmPresence: () => does('can_confirm_presence'),
    confirmPresence: (reason) => answer<boolean>('confirm_presence', { reason }),
    readQr: (width, luma) => answer<string>('read_qr', { width, luma }),
    feel: (feeling) => does('feel', { feeling }),
    saveFile: (name, contents) =>
      does('save_file', { name, contents: typeof contents === 'string' ? contents : Array.from(contents) }),
  },
};
