/** What is kept: the keys, the sealed state, the session. */
const KEYS = 'keys';
const STATE = 'state';
const SMALL = 'small';
type Store = typeof KEYS | typeof STATE | typeof SMALL;
type Bytes = Uint8Array<ArrayBuffer>;

interface Sealed {
  iv: Bytes;
  box: ArrayBuffer;
}

/** What an opened vault holds. */
export interface Opened {
  /** Nothing outlives the tab. */
  memoryOnly: boolean;
  /** RFC 7638, base64url. */
  thumbprint: string;
  /** P-256, compressed SEC 1. */
  key: Bytes;
  state: Bytes[];
  session: Bytes | undefined;
  /** Something could not be read, and was put aside. */
  damaged: boolean;
}

/** The public half of the device's key, as RFC 7517 has it. */
export interface PublicKey {
  kty: 'EC';
  crv: 'P-256';
  x: string;
  y: string;
}

const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

/** base64url without padding. */
export function base64url(bytes: ArrayBuffer | Bytes): string {
  const text = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** SHA-256 of a text, base64url. */
export async function digest(text: string): Promise<string> {
  return base64url(await crypto.subtle.digest('SHA-256', utf8(text)));
}

function done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('aborted'));
  });
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('refused'));
  });
}

function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open('postern', 1);
  request.onupgradeneeded = () => {
    for (const store of [KEYS, STATE, SMALL]) request.result.createObjectStore(store);
  };
  return answer(request);
}

interface Keys {
  /** The device's key. */
  device: CryptoKeyPair;
  /** What is on the disk is sealed with it. */
  seal: CryptoKey;
}

async function newKeys(): Promise<Keys> {
  const device = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
  const seal = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  return { device, seal };
}

/** Both keys, or none. */
async function read(store: IDBObjectStore): Promise<Keys | null> {
  const [device, seal] = await Promise.all([
    answer(store.get('device')) as Promise<CryptoKeyPair | undefined>,
    answer(store.get('seal')) as Promise<CryptoKey | undefined>,
  ]);
  return device && seal ? { device, seal } : null;
}

/** The keys of this browser, made where there are none. Whoever comes first has made them: nobody's are replaced. */
async function keysIn(database: IDBDatabase): Promise<Keys> {
  const there = await read(database.transaction(KEYS).objectStore(KEYS));
  if (there) return there;
  const made = await newKeys();
  const transaction = database.transaction([KEYS, STATE, SMALL], 'readwrite', { durability: 'strict' });
  const over = done(transaction);
  const meanwhile = await read(transaction.objectStore(KEYS));
  if (!meanwhile) {
    // Whatever was sealed or bound to an earlier key is worthless.
    for (const store of [STATE, SMALL]) transaction.objectStore(store).clear();
    transaction.objectStore(KEYS).put(made.device, 'device');
    transaction.objectStore(KEYS).put(made.seal, 'seal');
  }
  await over;
  return meanwhile ?? made;
}

/**
 * Secrets of this browser. The device's key and the key that seals are WebCrypto's and cannot be exported; IndexedDB keeps
 * them as they are. Each sealed entry is bound to the file that it belongs to and to its place there, so that entries can
 * neither be exchanged nor left out in the middle. That somebody put the whole database back to an earlier day cannot be
 * noticed in a browser (SECURITY.md).
 */
export class Vault {
  private file = '';
  private entries = 0;
  private notes = new Map<string, Bytes>();

  private constructor(
    private readonly database: IDBDatabase | null,
    private readonly device: CryptoKeyPair,
    private readonly seal: CryptoKey,
    /** For proofs (RFC 9449). */
    readonly jwk: PublicKey,
  ) {}

  /** Opens what there is, or makes it. Rejects where the browser keeps nothing. */
  static async open(memoryOnly: boolean): Promise<{ vault: Vault; opened: Opened }> {
    const database = memoryOnly ? null : await openDatabase();
    const { device, seal } = database ? await keysIn(database) : await newKeys();
    const { x, y } = (await crypto.subtle.exportKey('jwk', device.publicKey)) as PublicKey;
    const jwk: PublicKey = { kty: 'EC', crv: 'P-256', x, y };
    const point = new Uint8Array(await crypto.subtle.exportKey('raw', device.publicKey));
    const key = new Uint8Array(33);
    key[0] = 2 + ((point[64] ?? 0) & 1);
    key.set(point.subarray(1, 33), 1);
    const vault = new Vault(database, device, seal, jwk);
    const { state, damaged } = await vault.readState();
    const session = await vault.read('session').catch(() => null);
    // Members in lexicographic order: RFC 7638 hashes exactly this text.
    const thumbprint = await digest(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`);
    const opened: Opened = { memoryOnly, thumbprint, key, state, session: session ?? undefined, damaged: damaged || session === null };
    return { vault, opened };
  }

  /** r and s, 32 bytes each. */
  async sign(message: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, this.device.privateKey, message));
  }

  /** Replaces the state, or adds to its end. There when this resolves; rejects where it is not (a full disk). */
  async save(whole: boolean, entries: Bytes[]): Promise<void> {
    if (!this.database) return;
    const file = whole || this.file === '' ? base64url(crypto.getRandomValues(new Uint8Array(16))) : this.file;
    const first = file === this.file ? this.entries : 0;
    const sealed = await Promise.all(entries.map((entry, n) => this.sealed(`${file}/${first + n}`, entry)));
    const transaction = this.database.transaction(STATE, 'readwrite', { durability: 'strict' });
    const store = transaction.objectStore(STATE);
    if (file !== this.file) {
      store.clear();
      store.put(file, 'file');
    }
    sealed.forEach((entry, n) => store.put(entry, first + n));
    await done(transaction);
    this.file = file;
    this.entries = first + entries.length;
  }

  /** Replaces the session; an empty one is forgotten. */
  async saveSession(session: Bytes): Promise<void> {
    await this.write('session', session);
    // Asked once there is something to lose. What the browser says changes nothing here: what is lost comes from the hub.
    if (this.database && session.length > 0) void navigator.storage?.persist?.().catch(() => false);
  }

  /** A small sealed note of the host's own. */
  async note(name: string): Promise<Bytes | undefined> {
    return this.read(`note/${name}`).catch(() => undefined);
  }

  /** Replaces it. */
  async setNote(name: string, bytes: Bytes): Promise<void> {
    await this.write(`note/${name}`, bytes);
  }

  /** Forgets everything, keys first. */
  async wipe(): Promise<void> {
    this.notes.clear();
    if (!this.database) return;
    const stores: Store[] = [KEYS, STATE, SMALL];
    const transaction = this.database.transaction(stores, 'readwrite', { durability: 'strict' });
    for (const store of stores) transaction.objectStore(store).clear();
    await done(transaction);
    this.close();
  }

  /** Lets go of the database. */
  close(): void {
    this.database?.close();
  }

  private async write(name: string, bytes: Bytes): Promise<void> {
    if (!this.database) {
      this.notes.set(name, bytes);
      return;
    }
    const sealed = bytes.length > 0 ? await this.sealed(name, bytes) : null;
    const transaction = this.database.transaction(SMALL, 'readwrite', { durability: 'strict' });
    if (sealed) transaction.objectStore(SMALL).put(sealed, name);
    else transaction.objectStore(SMALL).delete(name);
    await done(transaction);
  }

  private async read(name: string): Promise<Bytes | undefined> {
    if (!this.database) return this.notes.get(name);
    const sealed = (await answer(this.database.transaction(SMALL).objectStore(SMALL).get(name))) as Sealed | undefined;
    return sealed && this.unsealed(name, sealed);
  }

  private async readState(): Promise<{ state: Bytes[]; damaged: boolean }> {
    if (!this.database) return { state: [], damaged: false };
    const store = this.database.transaction(STATE).objectStore(STATE);
    const [file, sealed] = await Promise.all([
      answer(store.get('file')) as Promise<string | undefined>,
      answer(store.getAll(IDBKeyRange.lowerBound(0, false))) as Promise<unknown[]>,
    ]);
    if (file === undefined) return { state: [], damaged: false };
    // Keys that are texts come after those that are numbers: the last is the file's name.
    const entries = sealed.slice(0, -1) as Sealed[];
    try {
      const state = await Promise.all(entries.map((entry, n) => this.unsealed(`${file}/${n}`, entry)));
      this.file = file;
      this.entries = state.length;
      return { state, damaged: false };
    } catch {
      return { state: [], damaged: true };
    }
  }

  private async sealed(place: string, bytes: Bytes): Promise<Sealed> {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const box = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: utf8(place) }, this.seal, bytes);
    return { iv, box };
  }

  private async unsealed(place: string, { iv, box }: Sealed): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: utf8(place) }, this.seal, box));
  }
}
