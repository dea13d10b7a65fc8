import { Frames } from '@postern/core';
import { bluetooth, type Characteristic, type Device } from './bluetooth';

type Bytes = Uint8Array<ArrayBuffer>;
/** What the core calls an adapter's state. */
export type Adapter = 'on' | 'off' | 'absent' | 'denied';
export type Ended = 'notFound' | 'lost' | 'frame' | 'hungUp' | Adapter;

/** PROTOCOL.md, "GATT". */
const SERVICE = '5dac0c55-be91-41f3-9860-329d88135d4c';
const RX = '5dac0c56-be91-41f3-9860-329d88135d4c';
const TX = '5dac0c57-be91-41f3-9860-329d88135d4c';
/** What every link carries. */
const SMALLEST = 20;
/** Milliseconds, each. As in the radio of the apps (crates/radio/src/link.rs). */
const HELLO_PATIENCE = 300;
const HELLO_READS = 10;
const FRAGMENT_GAP = 1000;
/** Milliseconds that one call of the browser's may take before the link is begun again. */
const CALL = 6000;
/** Pause before a connection is tried once more: about a third of the first ones on Android fail. */
const PAUSE = 250;
/** The most that a new dial waits for the old connection to be let go. */
const LET_GO = 3000;
const UNSUBSCRIBE = 500;
/** Links that may end unanswered, one after the other, before the customer is asked again which cabinet it is. */
const DOUBTS = 2;

/** What the radio tells. */
export interface Facts {
  adapter(state: Adapter): void;
  progress(attempt: bigint, stage: 'sighted' | 'connected' | 'subscribed'): void;
  message(attempt: bigint, bytes: Bytes): void;
  ended(attempt: bigint, why: Ended): void;
}

/** Which device was which locker, from one run of the page to the next. */
export interface Memory {
  load(): Promise<Record<string, string>>;
  save(devices: Record<string, string>): Promise<void>;
}

class Over extends Error {
  constructor(readonly why: Ended) {
    super(why);
  }
}

/** A copy: the browser writes the next value into the same place. */
function bytesOf(value: DataView): Bytes {
  return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength).slice();
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Rejects with `lost` where the browser does not answer: services that never resolve, a write that nobody takes. */
function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Over('lost')), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Web Bluetooth as the radio of the core. One dial stands at a time. */
export class Radio {
  private dial: Dial | null = null;
  /** By locker, the devices that this page has been given. */
  private devices = new Map<string, Device>();
  private remembered: Record<string, string> = {};
  /** By locker, links that ended unanswered one after the other. */
  private doubts = new Map<string, number>();

  constructor(
    private readonly facts: Facts,
    private readonly memory: Memory,
  ) {}

  /** Says what the adapter is, now and whenever that changes. */
  async start(): Promise<void> {
    bluetooth()?.addEventListener('availabilitychanged', () => void this.tell());
    await this.tell();
  }

  /** Says what the adapter is. */
  async tell(): Promise<void> {
    const air = bluetooth();
    if (!air) return this.facts.adapter('absent');
    this.facts.adapter((await air.getAvailability().catch(() => false)) ? 'on' : 'off');
  }

  /** Takes up which devices the browser still knows. */
  async remember(): Promise<void> {
    this.remembered = await this.memory.load().catch(() => ({}));
    const known = (await bluetooth()?.getDevices?.().catch(() => [])) ?? [];
    for (const [locker, id] of Object.entries(this.remembered)) {
      const device = known.find((one) => one.id === id);
      if (device) this.devices.set(locker, device);
    }
  }

  /** Finds, connects, subscribes; then messages flow. */
  call(attempt: bigint, locker: string, timeout: number): void {
    const old = this.dial;
    old?.hangUp();
    const dial = new Dial(attempt, this.facts, () => void this.confirm(locker));
    this.dial = dial;
    void (async () => {
      if (old) await Promise.race([old.gone, pause(LET_GO)]);
      const why = await dial.run(() => this.device(locker, dial, timeout), timeout);
      if (!dial.answered && why === 'notFound') this.forget(locker);
      if (!dial.answered && why === 'lost') this.doubt(locker);
      if (this.dial === dial) this.dial = null;
      this.facts.ended(attempt, why);
    })();
  }

  send(attempt: bigint, bytes: Bytes): void {
    if (this.dial?.attempt === attempt) void this.dial.send(bytes);
  }

  hangUp(attempt: bigint): void {
    if (this.dial?.attempt === attempt) this.dial.hangUp();
  }

  /** A dial is under way, or its link stands. */
  get isDialling(): boolean {
    return this.dial !== null;
  }

  /** Resolves when nothing is connected any more. */
  async close(): Promise<void> {
    this.dial?.hangUp();
    if (this.dial) await Promise.race([this.dial.gone, pause(LET_GO)]);
  }

  /** The one that is known to be this locker, or the one that the customer chooses. */
  private async device(locker: string, dial: Dial, timeout: number): Promise<Device> {
    const known = this.devices.get(locker);
    if (known) return known;
    const air = bluetooth();
    if (!air) throw new Over('absent');
    if (!(await dial.activation(timeout))) throw new Over('notFound');
    dial.goesOn();
    const device = await air.requestDevice({ filters: [{ services: [SERVICE] }] }).catch(async (error: unknown) => {
      const name = error instanceof DOMException ? error.name : '';
      if (name === 'SecurityError' || name === 'NotAllowedError') throw new Over('denied');
      // Dismissed, nothing there, or no adapter: the same error.
      throw new Over((await air.getAvailability().catch(() => false)) ? 'notFound' : 'off');
    });
    this.devices.set(locker, device);
    return device;
  }

  /** Nobody but the locker itself answers: it is used again without asking. */
  private async confirm(locker: string): Promise<void> {
    this.doubts.delete(locker);
    const device = this.devices.get(locker);
    if (!device || this.remembered[locker] === device.id) return;
    this.remembered = { ...this.remembered, [locker]: device.id };
    await this.memory.save(this.remembered).catch(() => undefined);
  }

  /** A cabinet that takes what is sent and says nothing may be another one than the customer meant. */
  private doubt(locker: string): void {
    const doubts = (this.doubts.get(locker) ?? 0) + 1;
    this.doubts.set(locker, doubts);
    if (doubts >= DOUBTS) this.forget(locker);
  }

  /** The next dial asks the customer. */
  private forget(locker: string): void {
    this.devices.delete(locker);
    this.doubts.delete(locker);
    if (!(locker in this.remembered)) return;
    const { [locker]: _, ...rest } = this.remembered;
    this.remembered = rest;
    void this.memory.save(rest).catch(() => undefined);
  }
}

/** Which dial had a device last: connections belong to devices, of which each locker has one. */
const users = new WeakMap<Device, Dial>();

/** One attempt, from the chooser to the end of the link. */
class Dial {
  /** Messages that came; the second is an answer. */
  private received = 0;
  readonly gone: Promise<void>;
  private left!: () => void;
  private readonly frames = new Frames();
  private device: Device | null = null;
  private rx: Characteristic | null = null;
  private tx: Characteristic | null = null;
  private reads = 0;
  /** What was read last; some browsers tell it once more afterwards. */
  private read = '';
  /** What the browser told while the HELLO was being read. */
  private whileReading: { value: DataView; frame: Bytes }[] | null = null;
  private longest = SMALLEST;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private writes: Promise<void> = Promise.resolve();
  private end!: (why: Ended) => void;
  private readonly ended: Promise<Ended>;
  private over = false;

  constructor(
    readonly attempt: bigint,
    private readonly facts: Facts,
    /** Called once, with the first answer: a page may be gone before its link ends. */
    private readonly onanswer: () => void,
  ) {
    this.gone = new Promise((resolve) => (this.left = resolve));
    this.ended = new Promise((resolve) => {
      this.end = (why) => {
        this.over = true;
        clearTimeout(this.timer);
        resolve(why);
      };
    });
  }

  get answered(): boolean {
    return this.received > 1;
  }

  hangUp(): void {
    this.end('hungUp');
  }

  /** Resolves to why it ended; by then the connection is let go. */
  async run(find: () => Promise<Device>, timeout: number): Promise<Ended> {
    const link = async (): Promise<Ended> => {
      this.goesOn();
      // Whoever reads a chooser takes their time: the clock starts afterwards.
      const device = await find();
      this.goesOn();
      this.device = device;
      users.set(device, this);
      this.facts.progress(this.attempt, 'sighted');
      await this.connect(device, performance.now() + timeout);
      return this.ended;
    };
    const linked = link().catch((error: unknown) => (error instanceof Over ? error.why : 'lost'));
    const why = await Promise.race([this.ended, linked]);
    this.end(why);
    await this.letGo();
    this.left();
    return why;
  }

  /** After each wait: a dial that is over takes no further step. */
  goesOn(): void {
    if (this.over) throw new Over('hungUp');
  }

  /**
   * A chooser wants a press of its own. A finger that holds has not pressed until it is lifted. False where none comes in
   * time, or the dial is over.
   */
  async activation(timeout: number): Promise<boolean> {
    const active = () => navigator.userActivation?.isActive !== false;
    if (active()) return true;
    const presses = ['pointerup', 'touchend', 'click', 'keyup'];
    let look: () => void = () => undefined;
    const pressed = new Promise<true>((resolve) => {
      look = () => active() && resolve(true);
      for (const name of presses) addEventListener(name, look, true);
    });
    const none = this.ended.then(() => false);
    const came = await Promise.race([pressed, none, pause(timeout).then(() => false)]);
    for (const name of presses) removeEventListener(name, look, true);
    return came;
  }

  /** Until it stands, or the time is over: first connections fail, and services may never resolve after a reload. */
  private async connect(device: Device, deadline: number): Promise<void> {
    for (;;) {
      try {
        await this.begin(device, Math.min(CALL, deadline - performance.now()));
        return;
      } catch (error) {
        this.goesOn();
        this.disconnect(device);
        if (performance.now() + PAUSE >= deadline) throw error instanceof Over ? error : new Over('notFound');
        const available = await bluetooth()?.getAvailability().catch(() => false);
        if (!available) throw new Over('off');
        await pause(PAUSE);
        this.goesOn();
      }
    }
  }

  private async begin(device: Device, patience: number): Promise<void> {
    if (!device.gatt) throw new Over('denied');
    const connecting = device.gatt.connect();
    let server;
    try {
      server = await within(connecting, patience);
    } catch {
      throw new Over('notFound');
    } finally {
      // One that stands only now, with nobody waiting for it, is let go.
      void connecting.then(
        () => this.over && this.disconnect(device),
        () => undefined,
      );
    }
    this.goesOn();
    this.facts.progress(this.attempt, 'connected');
    const lost = () => {
      // Before the subscription it is a connection to be tried again.
      if (this.tx) this.end('lost');
    };
    device.addEventListener('gattserverdisconnected', lost, { once: true });
    void this.ended.then(() => device.removeEventListener('gattserverdisconnected', lost));
    const service = await within(server.getPrimaryService(SERVICE), patience);
    const rx = await within(service.getCharacteristic(RX), patience);
    const tx = await within(service.getCharacteristic(TX), patience);
    this.goesOn();
    const early: Bytes[] = [];
    // Before the subscription: nothing must fall between the two. What comes before it is known to stand waits for that.
    tx.addEventListener('characteristicvaluechanged', () => {
      const { value } = tx;
      if (!value) return;
      if (this.tx !== tx) early.push(bytesOf(value));
      else if (this.whileReading) this.whileReading.push({ value, frame: bytesOf(value) });
      else this.notified(bytesOf(value));
    });
    await within(tx.startNotifications(), patience);
    this.goesOn();
    if (!server.connected) throw new Over('lost');
    [this.rx, this.tx] = [rx, tx];
    this.facts.progress(this.attempt, 'subscribed');
    this.wait(HELLO_PATIENCE);
    for (const frame of early.splice(0)) this.notified(frame);
  }

  private notified(frame: Bytes): void {
    if (this.over) return;
    try {
      const messages = this.frames.push(frame) as Bytes[];
      // A page is not told the MTU. A frame of the locker's that came whole shows what fits, unless it was read.
      if (frame.join() !== this.read) this.longest = Math.max(this.longest, frame.length);
      this.deliver(messages);
    } catch {
      this.end('frame');
    }
  }

  private deliver(messages: Bytes[]): void {
    clearTimeout(this.timer);
    const answered = this.answered;
    this.received += messages.length;
    if (this.answered && !answered) this.onanswer();
    for (const message of messages) this.facts.message(this.attempt, message);
    if (this.over) return;
    if (!this.frames.has_hello()) this.wait(HELLO_PATIENCE);
    else if (this.frames.is_partial()) this.wait(FRAGMENT_GAP);
  }

  private wait(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.overdue(), ms);
  }

  /** The HELLO did not come, so it is read; or a message stopped in the middle, which ends the link. */
  private async overdue(): Promise<void> {
    if (this.over || !this.tx) return;
    if (this.frames.has_hello() || ++this.reads > HELLO_READS) return this.end('lost');
    // A browser tells what was read by the same event as what was notified; a read says nothing of the MTU.
    const meanwhile: { value: DataView; frame: Bytes }[] = [];
    this.whileReading = meanwhile;
    try {
      const value = await within(this.tx.readValue(), CALL);
      this.whileReading = null;
      if (this.over) return;
      const read = bytesOf(value);
      this.read = read.join();
      const told = meanwhile.findIndex((one) => one.value === value);
      const own = told >= 0 ? told : meanwhile.findIndex((one) => one.frame.join() === read.join());
      if (own >= 0) meanwhile.splice(own, 1);
      this.deliver(this.frames.push_read(read) as Bytes[]);
      for (const { frame } of meanwhile) this.notified(frame);
    } catch {
      this.end('lost');
    } finally {
      this.whileReading = null;
    }
  }

  send(message: Bytes): Promise<void> {
    this.writes = this.writes.then(() => this.write(message));
    return this.writes;
  }

  private async write(message: Bytes): Promise<void> {
    const rx = this.rx;
    if (this.over || !rx) return;
    const frames = this.frames.cut(message, this.longest) as Bytes[];
    if (frames.length === 0) return this.end('frame');
    try {
      // One bearer keeps the order; the last write, with response, says that all are there.
      for (const [n, frame] of frames.entries()) {
        const last = n === frames.length - 1;
        const plain = last || !rx.properties.writeWithoutResponse;
        await within(plain ? rx.writeValueWithResponse(frame) : rx.writeValueWithoutResponse(frame), CALL);
        if (this.over) return;
      }
    } catch {
      this.end('lost');
    }
  }

  private async letGo(): Promise<void> {
    const device = this.device;
    if (!device?.gatt) return;
    // What is not unsubscribed BlueZ subscribes by itself at the next link, before anybody listens.
    if (this.tx && device.gatt.connected) await within(this.tx.stopNotifications(), UNSUBSCRIBE).catch(() => undefined);
    this.tx = null;
    this.disconnect(device);
  }

  /** A later dial may have the device by now. */
  private disconnect(device: Device): void {
    if (users.get(device) === this) device.gatt?.disconnect();
  }
}
