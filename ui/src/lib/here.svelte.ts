import type { App } from './app.svelte';
import type { NearbyView, ReservationView } from './generated/view';

export type What = 'collect' | 'dropOff' | 'own';

/**
 * What is to be done at the locker in front: to collect comes first, and is one gesture; what is to be put in, and
 * compartments of one's own, have gestures of their own. The card and the gesture share it.
 */
export class Here {
  /** What was picked; what there is first until then. */
  private picked = $state<What | null>(null);
  /** What is left out of it. */
  private left = $state<string[]>([]);
  /** The one of one's own that is opened. */
  private one = $state<string | null>(null);
  private readonly app: App;
  private readonly nearby: () => NearbyView | null;

  constructor(app: App, nearby: () => NearbyView | null) {
    this.app = app;
    this.nearby = nearby;
  }

  readonly groups = $derived.by(() => {
    const nearby = this.nearby();
    if (!nearby) return [];
    const found = (ids: readonly string[]) => ids.flatMap((id) => this.app.reservation(id) ?? []);
    const all: { key: What; all: ReservationView[] }[] = [
      { key: 'collect', all: found(nearby.collect) },
      { key: 'dropOff', all: found(nearby.dropOff) },
      { key: 'own', all: found(nearby.own) },
    ];
    return all.filter((group) => group.all.length > 0);
  });
  readonly count = $derived(this.groups.reduce((sum, group) => sum + group.all.length, 0));
  readonly group = $derived(this.groups.find(({ key }) => key === this.picked) ?? this.groups[0]);
  /** What the gesture opens. */
  readonly wanted = $derived.by(() => {
    const { group } = this;
    if (!group) return [];
    if (group.key === 'own') return group.all.filter(({ id }) => id === (this.one ?? group.all[0]?.id));
    return group.all.filter(({ id }) => !this.left.includes(id));
  });

  pick(what: What): void {
    this.picked = what;
  }

  isWanted(id: string): boolean {
    return this.wanted.some((one) => one.id === id);
  }

  choose(id: string): void {
    if (this.group?.key === 'own') this.one = id;
    else this.left = this.left.includes(id) ? this.left.filter((one) => one !== id) : [...this.left, id];
  }
}
