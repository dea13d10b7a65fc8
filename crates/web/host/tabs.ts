/** One lock for the whole origin: whoever holds it runs the core, so that no refresh token is used by two. */
const LOCK = 'postern';
const CHANNEL = 'postern';
/** Milliseconds between two requests to the tab that has it. */
const ASK = 1000;

/** Where this tab stands. */
export interface Turn {
  /** Another tab wants it: to be answered by `pass` once nothing is under way. */
  onwanted: () => void;
  /** Lets the other tab have it. */
  pass(): void;
}

/**
 * Waits for this tab's turn, and asks the tab that has it. `onwaiting` is called where there is one. A tab that has gone,
 * also by a crash, has let go.
 */
export async function turn(onwaiting: () => void): Promise<Turn> {
  const channel = new BroadcastChannel(CHANNEL);
  const ask = () => channel.postMessage('wanted');
  let asking: ReturnType<typeof setInterval> | undefined;
  return new Promise((resolve) => {
    const waiting = setTimeout(() => {
      onwaiting();
      ask();
      asking = setInterval(ask, ASK);
    }, 100);
    void navigator.locks.request(LOCK, () => {
      clearTimeout(waiting);
      clearInterval(asking);
      return new Promise<void>((pass) => {
        const turn: Turn = { onwanted: () => undefined, pass };
        channel.onmessage = () => turn.onwanted();
        resolve(turn);
      });
    });
  });
}
