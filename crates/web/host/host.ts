import init, { Engine, type Notice, type Order } from '@postern/core';
import { Hub, NoAnswer } from './hub';
import { Radio, type Adapter } from './radio';
import { turn } from './tabs';
import { Vault } from './vault';

type Bytes = Uint8Array<ArrayBuffer>;

/** What the page gives the host. */
export interface Surroundings {
  /** Where the core's WebAssembly is. */
  wasm: string;
  /** Another tab has the app: shown until it lets go, which it is asked to. `null`: it is this tab's turn. */
  elsewhere(why: 'waiting' | 'passed' | null): void;
  /** The core has stopped for good. */
  broken(error: unknown): void;
  notify(notice: Notice): void;
}

/** The way back of a sign-in, and where claim links lead. */
const PAGE = '/app/';
/** In the fragment, which no server sees: `#claim=SECRET`. */
const CLAIM = '#claim=';

/**
 * Runs the core: facts go in, orders come out and are carried out with the order guarantees of `postern_runtime`. What is
 * saved is saved before the next order begins; what takes long goes on beside and answers later; every order is answered.
 */
export class Host {
  private engine!: Engine;
  private vault: Vault | null = null;
  private readonly hub = new Hub();
  private readonly radio: Radio;
  private readonly orders: Order[] = [];
  private working = false;
  private idle: (() => void)[] = [];
  private push: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private drawing = false;
  private closed = false;
  private onView: (view: string) => void = () => undefined;

  constructor(private readonly around: Surroundings) {
    this.radio = new Radio(
      {
        adapter: (state) => this.tell((engine) => engine.adapter(state)),
        progress: (attempt, stage) => this.tell((engine) => engine.dialled(attempt, stage)),
        message: (attempt, bytes) => this.tell((engine) => engine.received(attempt, bytes)),
        ended: (attempt, why) => this.tell((engine) => engine.link_ended(attempt, why)),
      },
      {
        load: async () => {
          const note = await this.vault?.note('devices');
          return note ? (JSON.parse(new TextDecoder().decode(note)) as Record<string, string>) : {};
        },
        save: async (devices) => this.vault?.setNote('devices', new TextEncoder().encode(JSON.stringify(devices)) as Bytes),
      },
    );
  }

  /** Takes this tab's turn and begins. Views come as JSON, the first at once. */
  async start(onView: (view: string) => void): Promise<void> {
    const [came] = await Promise.all([this.taken(), init({ module_or_path: this.around.wasm })]);
    this.onView = onView;
    this.engine = new Engine(location.origin, deviceName());
    this.draw();
    came();
    await this.open(false);
    void this.radio.start();
    document.addEventListener('visibilitychange', () => {
      const seen = document.visibilityState === 'visible';
      this.tell((engine) => engine.foreground(seen));
    });
    // Timers of a page that was put to sleep are late: what is due is done at once.
    addEventListener('pageshow', () => this.tell((engine) => engine.tick()));
    addEventListener('online', () => this.tell((engine) => engine.intent('{"type":"refresh"}')));
    addEventListener('pagehide', () => this.tell((engine) => engine.finish()));
    addEventListener('hashchange', () => this.arrived());
  }

  /** Hands the core what the customer wants. */
  send(intent: string): void {
    this.tell((engine) => engine.intent(intent));
  }

  /** Waits for the turn; what brought the page here is taken off its address first, where nobody can read it later. */
  private async taken(): Promise<() => void> {
    const query = new URLSearchParams(location.search);
    const back = query.has('state') && (query.has('code') || query.has('error')) ? location.href : null;
    if (location.search) history.replaceState(null, '', PAGE + location.hash);
    const claim = takeClaim();
    const mine = await turn(() => this.around.elsewhere('waiting'));
    this.around.elsewhere(null);
    mine.onwanted = () => void this.pass(mine.pass);
    return () => {
      if (back) this.tell((engine) => engine.redirected(back));
      if (claim) this.tell((engine) => engine.deep_link(claim));
    };
  }

  /** A claim link in a page that is open already. */
  private arrived(): void {
    const claim = takeClaim();
    if (claim) this.tell((engine) => engine.deep_link(claim));
  }

  /** Another tab takes over, once no door is under way. */
  private async pass(pass: () => void): Promise<void> {
    if (this.closed || this.busy) return;
    this.tell((engine) => engine.finish());
    this.closed = true;
    clearTimeout(this.timer);
    this.push?.abort();
    await this.radio.close();
    await this.settled();
    this.vault?.close();
    this.around.elsewhere('passed');
    pass();
  }

  /** A door is under way, or the session is being renewed: not the moment to stop. */
  private get busy(): boolean {
    return this.opening || this.exchanges > 0;
  }

  private opening = false;
  private exchanges = 0;

  /** A fact goes in; what comes of it is begun. */
  private tell(fact: (engine: Engine) => void): void {
    if (this.closed || !this.engine) return;
    try {
      fact(this.engine);
      for (let order = this.engine.order(); order; order = this.engine.order()) this.orders.push(order);
      clearTimeout(this.timer);
      const due = this.engine.due();
      if (due !== undefined) this.timer = setTimeout(() => this.tell((engine) => engine.tick()), Math.min(due + 1, 0x7fffffff));
    } catch (error) {
      // A core that stopped in the middle of a thought is not asked again.
      this.closed = true;
      clearTimeout(this.timer);
      this.around.broken(error);
      return;
    }
    if (!this.drawing) {
      this.drawing = true;
      queueMicrotask(() => this.draw());
    }
    void this.work();
  }

  private draw(): void {
    this.drawing = false;
    if (this.closed) return;
    const view = this.engine.view();
    if (view === undefined) return;
    this.onView(view);
  }

  /** The page says whether a door is under way. */
  set underWay(on: boolean) {
    this.opening = on;
  }

  private async settled(): Promise<void> {
    if (this.working) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Carries out orders, in order. */
  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    while (this.orders.length > 0) {
      // Of several saves in a row, only what the last leaves need ever be on disk.
      let whole = false;
      let entries: Bytes[] = [];
      let saving = false;
      for (let next = this.orders[0]; next?.kind === 'save' || next?.kind === 'append'; next = this.orders[0]) {
        this.orders.shift();
        saving = true;
        if (next.kind === 'save') [whole, entries] = [true, []];
        entries.push(next.bytes);
      }
      if (saving) {
        await this.vault?.save(whole, entries).catch(() => this.tell((engine) => engine.not_saved()));
      }
      const order = this.orders.shift();
      if (order) await this.carryOut(order);
    }
    this.working = false;
    for (const resolve of this.idle.splice(0)) resolve();
  }

  private async carryOut(order: Order): Promise<void> {
    switch (order.kind) {
      case 'save':
      case 'append':
        return;
      case 'session':
        await this.vault?.saveSession(order.bytes).catch(() => this.tell((engine) => engine.not_saved()));
        return;
      case 'http':
        void this.exchange(order);
        return;
      case 'push':
        this.push?.abort();
        this.push = null;
        if (order.url !== undefined && order.token !== undefined) void this.listen(order.url, order.token);
        return;
      case 'listen':
        return this.tell((engine) => engine.redirect_ready(location.origin + PAGE));
      case 'stopListening':
      case 'watch':
      case 'remind':
        // Nothing listens in a page; a page hears no advertisement without a chooser, and is woken at no time.
        return;
      case 'browser':
        return this.goTo(order.url);
      case 'sign':
        void this.sign(order.ticket, order.message);
        return;
      case 'dial':
        return this.radio.call(order.attempt, order.locker, order.timeout);
      case 'send':
        return this.radio.send(order.attempt, order.bytes);
      case 'hangUp':
        return this.radio.hangUp(order.attempt);
      case 'wipe':
        return this.wipe();
      case 'open':
        return this.open(order.memoryOnly);
      case 'notify':
        return this.around.notify(order.notice);
    }
  }

  private async exchange(order: Extract<Order, { kind: 'http' }>): Promise<void> {
    this.exchanges += 1;
    try {
      const { status, date, etag, body } = await this.hub.send(order, this.vault);
      this.exchanges -= 1;
      this.tell((engine) => engine.answered(order.ticket, status, date, etag, body));
    } catch (error) {
      this.exchanges -= 1;
      const sent = error instanceof NoAnswer ? error.sent : true;
      this.tell((engine) => engine.unanswered(order.ticket, sent));
    }
  }

  private async listen(url: string, token: string): Promise<void> {
    const push = new AbortController();
    this.push = push;
    const say = (what: 'connected' | 'poke' | 'lost' | 'unauthenticated') => {
      if (!push.signal.aborted) this.tell((engine) => engine.push(what));
    };
    say(await this.hub.listen(url, token, this.vault, push.signal, say));
  }

  private async sign(ticket: bigint, message: Bytes): Promise<void> {
    const signature = await this.vault?.sign(message).catch(() => undefined);
    this.tell((engine) => engine.signed(ticket, signature));
  }

  /** The sign-in page, in this very tab; it comes back to this page. */
  private goTo(url: string): void {
    if (new URL(url).origin === location.origin) location.assign(url);
    else this.tell((engine) => engine.browser_failed());
  }

  private async open(memoryOnly: boolean): Promise<void> {
    this.vault?.close();
    this.vault = null;
    try {
      const { vault, opened } = await Vault.open(memoryOnly);
      this.vault = vault;
      await this.radio.remember();
      const { thumbprint, key, state, session, damaged } = opened;
      this.tell((engine) => engine.opened(memoryOnly, thumbprint, key, state, session, damaged));
    } catch {
      this.tell((engine) => engine.no_vault());
    }
  }

  private async wipe(): Promise<void> {
    this.push?.abort();
    this.push = null;
    await this.vault?.wipe().catch(() => undefined);
    await this.open(false);
  }
}

/** What the adapter was when it was last asked, for a support desk. */
export type { Adapter };

function takeClaim(): string | null {
  if (!location.hash.startsWith(CLAIM)) return null;
  const secret = location.hash.slice(CLAIM.length);
  history.replaceState(null, '', PAGE);
  return `${location.origin}/claim/${encodeURIComponent(secret)}`;
}

/** What this browser is to be called in the list of devices. */
function deviceName(): string {
  const find = (names: string[]) => names.find((name) => navigator.userAgent.includes(name));
  const system = find(['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS', 'CrOS', 'Linux']) ?? 'Web';
  const browser = find(['Firefox', 'Edg', 'OPR', 'SamsungBrowser', 'Chrome', 'Safari']) ?? 'browser';
  const names: Record<string, string> = { Edg: 'Edge', OPR: 'Opera', SamsungBrowser: 'Samsung Internet' };
  return `${system}, ${names[browser] ?? browser}`;
}
