import type { Intent } from '../generated/intent';
import type { View } from '../generated/view';

/**
 * The whole way between this page and the app: views come in, intents go out, and a few things that only the platform
 * can do. Three implementations: `tauri.ts` in the window, `web.ts` in a browser with the core beside it, `recorded.ts` on
 * recorded views.
 */
export interface Bridge {
  /** Calls back with the present view at once and with each later one. */
  subscribe(onView: (view: View) => void): Promise<void>;
  /** Hands an intent to the core. Rejects only when the app itself is gone. */
  send(intent: Intent): Promise<void>;
  /** What only the platform can do. */
  platform: Platform;
  /** UNIX milliseconds. */
  now(): number;
  /** The app is a page in the customer's own browser, which decides what of the device it may use. */
  readonly inBrowser?: boolean;
}

/** Each resolves to false where the platform cannot do it; none of them throws. */
export interface Platform {
  /** Leads to the place where Bluetooth is switched on or allowed. */
  openBluetoothSettings(): Promise<boolean>;
  /** Opens an http(s) address in the system browser. */
  openInBrowser(url: string): Promise<boolean>;
  /** Copies; a secret text is taken off the clipboard again after half a minute, in a browser not. */
  copyText(text: string, secret: boolean): Promise<boolean>;
  /** Facts for a support desk, without secrets; null where there are none. */
  diagnostics(): Promise<string | null>;
  /** Tells the platform layer (tray, notifications) which language to speak. */
  setLanguage(language: string): Promise<boolean>;
  /** Whether the app starts in the background with the session; with an argument, changes it. Null: not here. */
  autostart(on?: boolean): Promise<boolean | null>;
  /** Whether this platform can ask for biometrics, or the PIN or password of the device. */
  canConfirmPresence(): Promise<boolean>;
  /** Asks for biometrics or the device's PIN. Null: nobody is there to ask. */
  confirmPresence(reason: string): Promise<boolean | null>;
  /** The text of the QR code in a picture: brightness, a byte a pixel, `width` a row, base64url. Null: none to be read. */
  readQr(width: number, luma: string): Promise<string | null>;
  /** Lets the hand know: the gesture was taken, the door is open, something went wrong. */
  feel(feeling: 'taken' | 'opened' | 'wrong'): Promise<boolean>;
  /** Lets the customer keep a file. `contents` is text, or bytes for pictures. */
  saveFile(name: string, contents: string | Uint8Array): Promise<boolean>;
}
