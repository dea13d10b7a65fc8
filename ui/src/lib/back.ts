/** What lies over the page, the uppermost last. */
const over: (() => void)[] = [];

/**
 * A phone's back gesture leaves what lies uppermost before it leaves the page. The app around the page asks by this event
 * (MainActivity.kt): whoever prevents its usual course has taken the gesture.
 */
document.addEventListener('back', (event) => {
  const leave = over.at(-1);
  if (!leave) return;
  event.preventDefault();
  leave();
});

/** Lies over the page from now on, until what is answered is called. */
export function lieOver(leave: () => void): () => void {
  over.push(leave);
  return () => over.splice(over.indexOf(leave), 1);
}
