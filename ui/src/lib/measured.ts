/** Keeps the height of an element, as long as it is there, in a custom property of the page; in none where it has no name. */
export function measured(element: HTMLElement, name: string): { update: (name: string) => void; destroy: () => void } {
  const { style } = document.documentElement;
  const write = () => style.setProperty(name, `${element.offsetHeight}px`);
  const sizes = new ResizeObserver(write);
  sizes.observe(element);
  return {
    update(next) {
      style.removeProperty(name);
      name = next;
      write();
    },
    destroy() {
      sizes.disconnect();
      style.removeProperty(name);
    },
  };
}
