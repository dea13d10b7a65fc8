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
  /**
   * Why the app is not here. `waiting`: another tab has it, shown until it lets go, which it is asked to. `passed`: another tab
   * took it over. `missing`: the core has not arrived, and may still. `null`: it is here.
   */
  elsewhere(why: 'waiting' | 'passed' | 'missing' | null): void;
  /** The core has stopped for good. */
  broken(error: unknown): void;
  notify(notice: Notice): void;
}

/** The way back of a sign-in, and where claim links lead. */
const PAGE = '/app/';
/** In the fragment, which no server sees: `#claim=SECRET`, and of an invitation to a flat `#home=CODE`. */
const LINKS = ['claim', 'home'];
/** Milliseconds after which a core that has not arrived is spoken of. */
const SLOW = 10_000;
/** Steps of an opening after which nothing is under way any more, and those that are only looked at once the link has ended. */
const OVER = ['closed', 'failed', 'cancelled'];
const STANDING = ['opened', 'mayBeOpen', 'nextDoor'];

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
  /** The secrets are being opened for the first time. */
  private starting = true;
  /** Exchanges and signatures that are not answered yet. */
  private unanswered = 0;
  private step: string | null = null;
  /** What of the page's address the core has been given. */
  private given: { back: string | null; claim: string | null } = { back: null, claim: null };
  private release: () => void = () => undefined;
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

  /**
   * Takes this tab's turn and begins. Views come as JSON, the first at once. Rejects where the core cannot be had; the turn is
   * given back then.
   */
  async start(onView: (view: string) => void): Promise<void> {
    const core = init({ module_or_path: this.around.wasm });
    core.catch(() => undefined);
    const mine = await turn(() => this.around.elsewhere('waiting'));
    this.release = mine.pass;
    this.around.elsewhere(null);
    const slow = setTimeout(() => this.around.elsewhere('missing'), SLOW);
    try {
      await core;
      this.engine = new Engine(location.origin, deviceName());
    } catch (error) {
      await this.end();
      throw error;
    } finally {
      clearTimeout(slow);
    }
    this.around.elsewhere(null);
    mine.onwanted = () => void this.pass();
    this.onView = onView;
    this.draw();
    this.arrive();
    await this.open(false);
    this.starting = false;
    this.tidyAddress();
    void this.radio.start();
    document.addEventListener('visibilitychange', () => {
      const seen = document.visibilityState === 'visible';
      this.tell((engine) => engine.foreground(seen));
    });
    // Timers of a page that was put to sleep are late: what is due is done at once.
    addEventListener('pageshow', () => this.tell((engine) => engine.tick()));
    addEventListener('online', () => this.tell((engine) => engine.intent('{"type":"refresh"}')));
    addEventListener('pagehide', () => this.tell((engine) => engine.finish()));
    addEventListener('hashchange', () => this.arrive());
  }

  /** Hands the core what the customer wants. */
  send(intent: string): void {
    this.tell((engine) => engine.intent(intent));
  }

  /**
   * Gives the core what brought the page here. It stays in the address, where a reload or another tab finds it again, until the
   * core has it for good (`tidyAddress`).
   */
  private arrive(): void {
    if (this.closed || !this.engine) return;
    const query = new URLSearchParams(location.search);
    const back = location.href;
    if (query.has('state') && (query.has('code') || query.has('error')) && this.given.back !== back) {
      this.given.back = back;
      this.tell((engine) => engine.redirected(back));
    }
    const claim = claimLink();
    if (claim && this.given.claim !== claim) {
      this.given.claim = claim;
      this.tell((engine) => engine.deep_link(claim));
    }
  }

  /**
   * Takes out of the address what the core has written down or is done with: afterwards nobody can read it there. Only with
   * nothing left to be done are the core's words on disk.
   */
  private tidyAddress(): void {
    if (this.closed || this.starting || this.working || this.orders.length > 0) return;
    let { search, hash } = location;
    if (search && (this.given.back === location.href || !new URLSearchParams(search).has('state'))) search = '';
    if (this.given.claim !== null && !this.engine.is_claiming()) {
      if (claimLink() === this.given.claim) hash = '';
      this.given.claim = null;
    }
    if (search !== location.search || hash !== location.hash) history.replaceState(history.state, '', PAGE + search + hash);
  }

  /** Another tab takes over, once nothing is under way. */
  private async pass(): Promise<void> {
    if (this.closed || this.busy) return;
    this.tell((engine) => engine.finish());
    if (this.closed) return;
    this.closed = true;
    this.around.elsewhere('passed');
    await this.end();
  }

  /** A core that stopped in the middle of a thought is not asked again; another tab may have its turn. */
  private broke(error: unknown): void {
    if (this.closed) return;
    this.closed = true;
    this.around.broken(error);
    void this.end();
  }

  /** Nothing is begun any more. What is to be saved is, and then it is another tab's turn. */
  private async end(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    this.push?.abort();
    await this.radio.close().catch(() => undefined);
    await this.settled();
    this.vault?.close();
    this.release();
  }

  /**
   * Not the moment to stop: a door is under way, or something is on its way to the hub or the disk. What was begun in one tab is
   * never begun again in the next: a code that comes twice ends its session.
   */
  private get busy(): boolean {
    const over = this.step === null || OVER.includes(this.step);
    const door = !over && (this.radio.isDialling || !STANDING.includes(this.step ?? ''));
    return this.starting || door || this.working || this.orders.length > 0 || this.unanswered > 0;
  }

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
      this.broke(error);
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
    let view;
    try {
      view = this.engine.view();
    } catch (error) {
      return this.broke(error);
    }
    if (view !== undefined) this.onView(view);
  }

  /** The page says how far an opening is (`OpeningPhase.step`), none without one. */
  set opening(step: string | null) {
    this.step = step;
  }

  private async settled(): Promise<void> {
    if (this.working) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Carries out orders, in order. */
  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    try {
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
        // Of a tab that gives up its turn only what is to be saved is carried out.
        if (order && (!this.closed || order.kind === 'session')) await this.carryOut(order);
      }
    } catch (error) {
      this.broke(error);
    } finally {
      this.working = false;
    }
    this.tidyAddress();
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
      case 'use':
        // A page opens no TCP connection: its radio stays what it is.
        return void this.radio.tell();
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
    this.unanswered += 1;
    try {
      const { status, date, etag, body } = await this.hub.send(order, this.vault);
      this.unanswered -= 1;
      this.tell((engine) => engine.answered(order.ticket, status, date, etag, body));
    } catch (error) {
      this.unanswered -= 1;
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
    this.unanswered += 1;
    const signature = await this.vault?.sign(message).catch(() => undefined);
    this.unanswered -= 1;
    this.tell((engine) => engine.signed(ticket, signature));
  }

  /** The sign-in page, in this very tab; it comes back to this page. */
  private goTo(url: string): void {
    if (new URL(url).origin === location.origin) {
      // What is to come back is on disk by now, the claim link with it: nobody follows that twice by going back.
      history.replaceState(history.state, '', PAGE);
      location.assign(url);
    } else this.tell((engine) => engine.browser_failed());
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

/** The claim link, or the invitation to a flat, that the page was opened with. */
function claimLink(): string | null {
  const [, kind, secret] = /^#(\w+)=(.*)$/.exec(location.hash) ?? [];
  if (kind === undefined || secret === undefined || !LINKS.includes(kind)) return null;
  return `${location.origin}/${kind}/${encodeURIComponent(secret)}`;
}

/** What this browser is to be called in the list of devices. */
function deviceName(): string {
  const find = (names: string[]) => names.find((name) => navigator.userAgent.includes(name));
  const system = find(['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS', 'CrOS', 'Linux']) ?? 'Web';
  const browser = find(['Firefox', 'Edg', 'OPR', 'SamsungBrowser', 'Chrome', 'Safari']) ?? 'browser';
  const names: Record<string, string> = { Edg: 'Edge', OPR: 'Opera', SamsungBrowser: 'Samsung Internet' };
  return `${system}, ${names[browser] ?? browser}`;
}
