import { getContext, setContext } from 'svelte';
import type { Bridge } from './bridge/bridge';
import type { Intent } from './generated/intent';
import type { LockerView, ReservationView, View } from './generated/view';
import { t, useLanguage } from './i18n/i18n.svelte';
import { keepFocus } from './focus';
import { followKeyboard } from './keyboard';
import { bringAll } from './later.svelte';
import { loadPreferences, savePreferences, type Preferences } from './preferences';
import { parseRoute, routeHash, type Route } from './route';
import { metresBetween, type Place } from './sites';

/** Milliseconds for a letter, so that a slow reader reaches the end of what is said. */
const READING_MS = 90;

/** What every screen sees: the view, the time, where the page is, and the way to say what the customer wants. */
export class App {
  /** Null until the first view is there. */
  view = $state.raw<View | null>(null);
  route = $state.raw<Route>({ screen: 'home' });
  preferences = $state.raw<Preferences>(loadPreferences());
  /** UNIX milliseconds by the core's clock, moved on every second where a countdown is shown. */
  nowMs = $state(0);
  /** The first picture is painted, and what was put off until then is under way. */
  begun = false;
  /** A short confirmation at the foot of the page. */
  said = $state('');
  /** What is searched for in the list, kept while the page is elsewhere. */
  search = $state('');
  /** Where the customer is, once they wanted that known in the finder; for this run of the app only. */
  place = $state.raw<Place | null>(null);
  readonly bridge: Bridge;
  /** The bridge's clock minus the core's. */
  private skewMs = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
  private saidTimer: ReturnType<typeof setTimeout> | undefined;
  private byId = $derived(new Map((this.view?.reservations ?? []).map((one) => [one.id, one])));
  private lockers = $derived(new Map((this.view?.lockers ?? []).map((one) => [one.id, one])));

  constructor(bridge: Bridge) {
    this.bridge = bridge;
  }

  /** Seconds. */
  get now(): number {
    return Math.floor(this.nowMs / 1000);
  }

  async start(): Promise<void> {
    this.route = parseRoute(location.hash);
    addEventListener('hashchange', () => (this.route = parseRoute(location.hash)));
    addEventListener('keydown', (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'o' || this.view?.opening) return;
      event.preventDefault();
      this.go({ screen: 'home', nearest: true });
    });
    document.addEventListener('visibilitychange', () => {
      this.tick();
      this.pace();
      this.watch();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.dress());
    followKeyboard();
    keepFocus();
    this.dress();
    // Both are on their way at once; what is shown waits for both.
    const speaking = useLanguage(this.preferences.language);
    await this.bridge.subscribe((view) => {
      this.skewMs = this.bridge.now() - view.now * 1000;
      // Whoever signs in next begins at home, not on the page that somebody signed out from.
      if (this.view?.session.state === 'signedIn' && view.session.state !== 'signedIn') this.go({ screen: 'home' });
      this.view = view;
      this.tick();
      this.pace();
    });
    await speaking;
  }

  /** The first picture is drawn: whatever could wait for that. */
  settled(): void {
    this.begun = true;
    void bringAll();
    void this.bridge.platform.setLanguage(this.preferences.language);
  }

  /** Tells the core what the customer wants. */
  send(intent: Intent): void {
    void this.bridge.send(intent);
  }

  go(route: Route): void {
    location.hash = routeHash(route);
    this.route = route;
  }

  reservation(id: string | null | undefined): ReservationView | undefined {
    return id == null ? undefined : this.byId.get(id);
  }

  locker(id: string | null | undefined): LockerView | undefined {
    return id == null ? undefined : this.lockers.get(id);
  }

  /** Metres from where the customer is, where both are known. */
  metresTo(place: Place | null): number | null {
    const real = place && Math.abs(place.latitude) <= 90 && Math.abs(place.longitude) <= 180;
    return real && this.place ? metresBetween(this.place, place) : null;
  }

  /**
   * After the deliberate gesture: opens, or opens again. Asks for biometrics or the device's PIN first where the
   * customer wants that, and opens nothing where nobody can ask any more.
   */
  async open(reservations: string[], again = false): Promise<void> {
    const [first] = reservations;
    if (first === undefined) return;
    if (this.view?.settings.confirmOpening && !(await this.confirmed())) return;
    // What was said of it before is over: "is ready" beside an open door would be untrue.
    this.hush();
    this.send(again ? { type: 'reopen', reservation: first } : { type: 'open', reservations });
  }

  /** Whether openings are to be confirmed from now on. Confirmed itself, either way: by whoever will be asked. */
  async setConfirmOpening(value: boolean): Promise<void> {
    if (await this.confirmed()) this.send({ type: 'set', setting: { name: 'confirmOpening', value } });
  }

  /** Whether the customer was asked and showed that it is them; otherwise they are told why nothing happens. */
  private async confirmed(): Promise<boolean> {
    const present = await this.bridge.platform.confirmPresence(t('gesture.presence'));
    if (present === true) return true;
    this.say(t(present === null ? 'gesture.cannotAsk' : 'gesture.notConfirmed'));
    return false;
  }

  /** Looks for sites, near the given place if there is one; for a parcel, those that it can be sent to. */
  findSites(size: string | null, near: { latitude: number; longitude: number } | null, parcel?: string): void {
    this.send({ type: 'findSites', latitude: near?.latitude ?? null, longitude: near?.longitude ?? null, size, parcel });
  }

  /** Says something short, to eyes and to screen readers. */
  say(words: string): void {
    this.hush();
    this.said = words;
    this.saidTimer = setTimeout(() => (this.said = ''), Math.max(5000, words.length * READING_MS));
  }

  private hush(): void {
    clearTimeout(this.saidTimer);
    this.said = '';
  }

  async copy(text: string, secret: boolean, words: string): Promise<void> {
    if (await this.bridge.platform.copyText(text, secret)) this.say(words);
  }

  async set(change: Partial<Preferences>): Promise<void> {
    this.preferences = { ...this.preferences, ...change };
    savePreferences(this.preferences);
    this.dress();
    if (change.language) {
      await useLanguage(change.language);
      void this.bridge.platform.setLanguage(change.language);
    }
  }

  private watching = '';
  /** Says when home is seen, and only then, and whether the nearest locker was asked for. The core decides who listens. */
  watch(): void {
    const { route, view } = this;
    const on = view?.session.state === 'signedIn' && route.screen === 'home' && document.visibilityState === 'visible';
    const asked = on && route.nearest === true;
    const watching = on ? `on ${asked}` : '';
    if (watching === this.watching) return;
    this.watching = watching;
    this.send({ type: 'watchNearby', on, asked });
  }

  private dress(): void {
    const { theme, text } = this.preferences;
    const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
    document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
    document.documentElement.dataset['text'] = text;
  }

  private tick(): void {
    this.nowMs = this.bridge.now() - this.skewMs;
  }

  /** Every second where something counts down, every half minute otherwise, never in the background. */
  private pace(): void {
    clearInterval(this.timer);
    if (document.visibilityState !== 'visible') return;
    const busy = this.view?.opening || this.view?.openingCode;
    this.timer = setInterval(() => this.tick(), busy ? 500 : 30_000);
  }
}

const KEY = Symbol('app');

export function provideApp(app: App): void {
  setContext(KEY, app);
}

export function useApp(): App {
  return getContext<App>(KEY);
}
