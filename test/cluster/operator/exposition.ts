/** Prometheus' text format, as far as the controller's metrics use it. */

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export class Metrics {
  readonly samples: readonly Sample[];
  /** `counter`, `gauge` or `histogram` by the metric's name. */
  readonly types: ReadonlyMap<string, string>;

  constructor(samples: readonly Sample[], types: ReadonlyMap<string, string>) {
    this.samples = samples;
    this.types = types;
  }

  /** The sum of all samples of that name with these labels at least; undefined if there is none. */
  value(name: string, labels: Record<string, string> = {}): number | undefined {
    const found = this.samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
    if (found.length === 0) return undefined;
    return found.reduce((sum, { value }) => sum + value, 0);
  }

  /** The names of the labels that a metric's samples have, `le` of histograms aside. */
  labelsOf(metric: string): string[] {
    const family = this.samples.filter(({ name }) =>
      [metric, `${metric}_bucket`, `${metric}_sum`, `${metric}_count`].includes(name),
    );
    const names = family.flatMap(({ labels }) => Object.keys(labels));
    return [...new Set(names)].filter((label) => label !== "le").toSorted();
  }
}

/** @throws Error where a line is neither a sample nor a comment. */
export function parseMetrics(text: string): Metrics {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const [, typed, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (typed !== undefined && type !== undefined) types.set(typed, type);
    if (line.startsWith("#")) continue;
    const [, name, labels = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`no sample: ${line}`);
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)];
    samples.push({
      name,
      labels: Object.fromEntries(pairs.map(([, label = "", content = ""]) => [label, content])),
      value: Number(value),
    });
  }
  return new Metrics(samples, types);
}
