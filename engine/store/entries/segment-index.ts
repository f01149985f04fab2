/** What one segment holds of each stream, kept while it is written; the content of its footer. */
import { orNull, withList } from './control-fields.ts';
import { footerEntry, type FooterStream } from './control-entries.ts';
import type { DataItem } from './data-item.ts';

export class SegmentIndex {
  readonly #streams = new Map<number, FooterStream>();

  get streamCount(): number {
    return this.#streams.size;
  }

  /** @param group byte in the segment of the group that holds the items */
  add(items: readonly DataItem[], group: number): void {
    for (const item of items) this.#addItem(item, group);
  }

  #addItem(item: DataItem, group: number): void {
    let stream = this.#streams.get(item.stream);
    if (stream === undefined) {
      stream = {
        stream: item.stream,
        firstOffset: item.firstOffset,
        nextOffset: item.firstOffset,
        samples: 0,
        firstNanos: null,
        lastNanos: null,
        firstGroup: group,
        lastGroup: group,
        gaps: [],
      };
      this.#streams.set(item.stream, stream);
    }
    stream.nextOffset = item.firstOffset + item.records;
    stream.samples += item.samples;
    stream.firstNanos ??= item.firstNanos ?? null;
    stream.lastNanos = item.lastNanos ?? stream.lastNanos;
    stream.lastGroup = group;
    for (const gap of item.gaps) addGap(stream.gaps, gap);
  }

  /** As `footerEntry` encodes it. */
  footer(): Uint8Array {
    const list = [...this.#streams.values()].map((stream) => ({ text: textOf(stream) }));
    return withList(footerEntry.encode({ streams: [] }), 'streams', list);
  }
}

function textOf(of: FooterStream): string {
  return (
    `{"stream":"${of.stream}","firstOffset":"${of.firstOffset}","nextOffset":"${of.nextOffset}",` +
    `"samples":"${of.samples}","firstNanos":${orNull(of.firstNanos)},` +
    `"lastNanos":${orNull(of.lastNanos)},"firstGroup":"${of.firstGroup}",` +
    `"lastGroup":"${of.lastGroup}","gaps":[${of.gaps.map(gapText).join()}]}`
  );
}

function gapText({ reason, gaps, ticks }: FooterStream['gaps'][number]): string {
  return `{"reason":${JSON.stringify(reason)},"gaps":"${gaps}","ticks":"${ticks}"}`;
}

/** Adds a gap, or several of one reason, to the sums by reason. */
export function addGap(
  sums: FooterStream['gaps'],
  { reason, ticks, gaps = 1 }: DataItem['gaps'][number],
): void {
  let sum = sums.find((gap) => gap.reason === reason);
  if (sum === undefined) sums.push((sum = { reason, gaps: 0, ticks: 0 }));
  sum.gaps += gaps;
  sum.ticks += ticks;
}
