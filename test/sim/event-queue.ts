/** What is to happen in a simulated world, by virtual time (ns). */
export interface Event {
  at: number;
  action: () => void;
  owner: object | undefined;
}

/** Events by time; those of one time in the order in which they were put in. */
export class EventQueue {
  #events: Event[] = [];

  add(event: Event): void {
    let at = this.#events.length;
    while (at > 0 && this.#events[at - 1]!.at > event.at) at--;
    this.#events.splice(at, 0, event);
  }

  get nextAt(): number {
    return this.#events[0]?.at ?? Infinity;
  }

  take(): Event {
    return this.#events.shift()!;
  }

  /** What is due to the owner before `until` comes then, in the same order. */
  delay(owner: object, until: number): void {
    const isEarly = (event: Event): boolean => event.owner === owner && event.at < until;
    const early = this.#events.filter(isEarly);
    this.remove(isEarly);
    for (const event of early) {
      event.at = until;
      this.add(event);
    }
  }

  remove(unwanted: (event: Event) => boolean): void {
    this.#events = this.#events.filter((event) => !unwanted(event));
  }
}
