/* tslint:disable */
/* eslint-disable */

/** One thing to do. See `postern_core::effect`. */
export type Order =
| { kind: 'http'; ticket: bigint; method: string; url: string; type?: string; body?: Uint8Array<ArrayBuffer>; proof: boolean; token?: string; key?: string }
| { kind: 'push'; url?: string; token?: string }
| { kind: 'listen' | 'stopListening' }
| { kind: 'browser'; url: string }
| { kind: 'sign'; ticket: bigint; message: Uint8Array<ArrayBuffer> }
| { kind: 'use'; air?: string }
| { kind: 'watch'; on: boolean }
| { kind: 'dial'; attempt: bigint; locker: string; timeout: number }
| { kind: 'send'; attempt: bigint; bytes: Uint8Array<ArrayBuffer> }
| { kind: 'hangUp'; attempt: bigint }
| { kind: 'save' | 'append' | 'session'; bytes: Uint8Array<ArrayBuffer> }
| { kind: 'wipe' }
| { kind: 'open'; memoryOnly: boolean }
| { kind: 'notify'; notice: Notice }
| { kind: 'remind'; reminders: { id: number; at: number; notice: Notice }[] };

/** A notification as a code and values; the host has the words. `title` and `door` are untrusted text. */
export interface Notice {
    kind: 'ready' | 'deadline' | 'habit' | 'doorLeftOpen' | 'overdue' | 'revoked' | 'reportAnswered';
    reservation?: string;
    title?: string;
    door?: string;
}



/**
 * The core, and the picture that was given last.
 */
export class Engine {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * The adapter: `on`, `off`, `absent`, `denied`.
     *
     * # Errors
     * Another word.
     */
    adapter(what: string): void;
    /**
     * Answer to an order `http`. `date` in UNIX seconds.
     */
    answered(ticket: bigint, status: number, date: number | null | undefined, etag: string | null | undefined, body: Uint8Array | number[]): void;
    /**
     * The sign-in page could not be gone to.
     */
    browser_failed(): void;
    /**
     * A claim link was followed.
     */
    deep_link(url: string): void;
    /**
     * How far a dial is: `sighted`, `connected`, `subscribed`.
     *
     * # Errors
     * Another word.
     */
    dialled(attempt: bigint, stage: string): void;
    /**
     * Milliseconds until [`Engine::tick`] is due, none while nothing waits.
     */
    due(): number | undefined;
    /**
     * The tab is about to let go: what would be written soon is written now.
     */
    finish(): void;
    /**
     * The page is seen, or no longer.
     */
    foreground(on: boolean): void;
    /**
     * The customer wants something.
     *
     * # Errors
     * It is no intent.
     */
    intent(json: string): void;
    /**
     * A claim link was followed that is neither taken up nor written down yet: whoever brought it keeps it until then.
     */
    is_claiming(): boolean;
    /**
     * A dial failed or a link ended: `notFound`, `lost`, `frame`, `hungUp`, or what the adapter is now.
     *
     * # Errors
     * Another word.
     */
    link_ended(attempt: bigint, why: string): void;
    /**
     * A core that knows nothing yet. `hub` is the base URL of the hub that serves the page.
     */
    constructor(hub: string, device_name: string);
    /**
     * This browser keeps no secrets (private mode, storage switched off).
     */
    no_vault(): void;
    /**
     * What was to be saved is not on the disk.
     */
    not_saved(): void;
    /**
     * The secrets are open: the device's key (P-256, compressed SEC 1), its RFC 7638 thumbprint, what was saved. `damaged`
     * where something of it could not be read and was put aside.
     *
     * # Errors
     * The key has another length than 33 bytes.
     */
    opened(memory_only: boolean, thumbprint: string, key: Uint8Array | number[], state: Array<any>, session: Uint8Array | number[] | null | undefined, damaged: boolean): void;
    /**
     * The next thing to do, in the order in which they are to begin; none when there is nothing more.
     */
    order(): Order | undefined;
    /**
     * The push connection: `connected`, `poke`, `lost`, `unauthenticated`.
     *
     * # Errors
     * Another word.
     */
    push(what: string): void;
    /**
     * A whole message came.
     */
    received(attempt: bigint, bytes: Uint8Array | number[]): void;
    /**
     * Where sign-in is to come back to.
     */
    redirect_ready(redirect_uri: string): void;
    /**
     * The page was opened by the way back of a sign-in.
     */
    redirected(url: string): void;
    /**
     * Answer to an order `sign`: r and s, 32 bytes each; none where the key refused.
     */
    signed(ticket: bigint, signature?: Uint8Array | number[] | null): void;
    /**
     * Time passed.
     */
    tick(): void;
    /**
     * No answer to an order `http`: `sent` where it may have been carried out.
     */
    unanswered(ticket: bigint, sent: boolean): void;
    /**
     * The view as JSON, where it differs from the last one by more than its time.
     */
    view(): string | undefined;
}

/**
 * Joins what the locker notifies to messages, and cuts messages into frames: one for each link.
 */
export class Frames {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * The frames of a message, of at most `longest` bytes each; none before the HELLO has told the link's tag.
     */
    cut(message: Uint8Array | number[], longest: number): Array<any>;
    /**
     * The HELLO has come.
     */
    has_hello(): boolean;
    /**
     * The next fragment of a message is due.
     */
    is_partial(): boolean;
    /**
     * Of a link that was just made.
     */
    constructor();
    /**
     * Takes one notification; the messages (`Uint8Array`) that it completed, mostly none or one.
     *
     * # Errors
     * The rules of frames are broken: the link is to be ended.
     */
    push(frame: Uint8Array | number[]): Array<any>;
    /**
     * Takes what reading `tx` gave.
     *
     * # Errors
     * It is no frame.
     */
    push_read(value: Uint8Array | number[]): Array<any>;
}

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_engine_free: (a: number, b: number) => void;
    readonly __wbg_frames_free: (a: number, b: number) => void;
    readonly engine_adapter: (a: number, b: number, c: number, d: number) => void;
    readonly engine_answered: (a: number, b: bigint, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly engine_browser_failed: (a: number) => void;
    readonly engine_deep_link: (a: number, b: number, c: number) => void;
    readonly engine_dialled: (a: number, b: number, c: bigint, d: number, e: number) => void;
    readonly engine_due: (a: number, b: number) => void;
    readonly engine_finish: (a: number) => void;
    readonly engine_foreground: (a: number, b: number) => void;
    readonly engine_intent: (a: number, b: number, c: number, d: number) => void;
    readonly engine_is_claiming: (a: number) => number;
    readonly engine_link_ended: (a: number, b: number, c: bigint, d: number, e: number) => void;
    readonly engine_new: (a: number, b: number, c: number, d: number) => number;
    readonly engine_no_vault: (a: number) => void;
    readonly engine_not_saved: (a: number) => void;
    readonly engine_opened: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: any, i: number, j: number, k: number) => void;
    readonly engine_order: (a: number) => any;
    readonly engine_push: (a: number, b: number, c: number, d: number) => void;
    readonly engine_received: (a: number, b: bigint, c: number, d: number) => void;
    readonly engine_redirect_ready: (a: number, b: number, c: number) => void;
    readonly engine_redirected: (a: number, b: number, c: number) => void;
    readonly engine_signed: (a: number, b: bigint, c: number, d: number) => void;
    readonly engine_tick: (a: number) => void;
    readonly engine_unanswered: (a: number, b: bigint, c: number) => void;
    readonly engine_view: (a: number, b: number) => void;
    readonly frames_cut: (a: number, b: number, c: number, d: number) => any;
    readonly frames_has_hello: (a: number) => number;
    readonly frames_is_partial: (a: number) => number;
    readonly frames_new: () => number;
    readonly frames_push: (a: number, b: number, c: number, d: number) => void;
    readonly frames_push_read: (a: number, b: number, c: number, d: number) => void;
    readonly __wbindgen_export: (a: number) => void;
    readonly __wbindgen_export2: () => number;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_add_to_stack_pointer: (a: number) => number;
    readonly __wbindgen_export3: (a: number, b: number) => number;
    readonly __wbindgen_export4: (a: number, b: number, c: number, d: number) => number;
    readonly __wbindgen_export5: (a: number, b: number, c: number) => void;
    readonly __wbindgen_export6: (a: number) => void;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
