/**
 * Keeps `--keyboard` at the height that a keyboard on the screen covers. Where the platform makes the page smaller
 * instead (Android, by `interactive-widget` in index.html) that is nothing; on iOS the page stays as it is.
 */
export function followKeyboard(): void {
  const seen = window.visualViewport;
  if (!seen) return;
  const measure = () => {
    // Zooming in makes it smaller as well, and is no keyboard.
    const covered = seen.scale > 1.01 ? 0 : Math.max(0, innerHeight - seen.height - seen.offsetTop);
    document.documentElement.style.setProperty('--keyboard', `${Math.round(covered)}px`);
  };
  seen.addEventListener('resize', measure);
  seen.addEventListener('scroll', measure);
}
