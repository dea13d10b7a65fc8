import type { Intent } from '../generated/intent';
import type { View } from '../generated/view';
import type { Bridge } from './bridge';

/** A call of a platform function, for tests to look at. */
export interface PlatformCall {
  name: string;
  args: unknown[];
}

/** A bridge on recorded views. Time stands still at the view's own `now` unless a test moves it. */
export class RecordedBridge implements Bridge {
  readonly sent: Intent[] = [];
  readonly calls: PlatformCall[] = [];
  /** What the platform functions answer, by name. */
  answers: Record<string, unknown> = {};
  inBrowser = false;
  private listener: ((view: View) => void) | null = null;
  private view: View;
  private elapsed = 0;

  constructor(view: View) {
    this.view = view;
  }

  async subscribe(onView: (view: View) => void): Promise<void> {
    this.listener = onView;
    onView(this.view);
  }

  async send(intent: Intent): Promise<void> {
    this.sent.push(intent);
  }

  /** Begins again: nothing sent, nothing called, another view. */
  restart(view: View): void {
    this.sent.length = 0;
    this.calls.length = 0;
    this.answers = {};
    this.push(view);
  }

  /** Shows another view. */
  push(view: View): void {
    this.view = view;
    this.elapsed = 0;
    this.listener?.(view);
  }

  /** Shows the present view with some fields replaced. */
  patch(fields: Partial<View>): void {
    this.push({ ...this.view, ...fields });
  }

  /** Moves time on. */
  advance(milliseconds: number): void {
    this.elapsed += milliseconds;
  }

  now(): number {
    return this.view.now * 1000 + this.elapsed;
  }

  platform: Bridge['platform'] = {
    openBluetoothSettings: () => this.call('openBluetoothSettings', [], true),
    openInBrowser: (url) => this.call('openInBrowser', [url], true),
    copyText: (text, secret) => this.call('copyText', [text, secret], true),
    diagnostics: () => this.call<string | null>('diagnostics', [], 'postern 0.1.0\nradio: ble, on\nhub: reachable'),
    setLanguage: (language) => this.call('setLanguage', [language], true),
    autostart: (on) => this.call<boolean | null>('autostart', [on], on ?? false),
    canConfirmPresence: () => this.call('canConfirmPresence', [], true),
    confirmPresence: (reason) => this.call<boolean | null>('confirmPresence', [reason], true),
    readQr: (width, luma) => this.call<string | null>('readQr', [width, luma], null),
    feel: (feeling) => this.call('feel', [feeling], true),
    saveFile: (name, contents) => this.call('saveFile', [name, contents], true),
  };

  private async call<T>(name: string, args: unknown[], usual: T): Promise<T> {
    this.calls.push({ name, args });
    return (name in this.answers ? this.answers[name] : usual) as T;
  }
}
