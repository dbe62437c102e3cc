import { axisFor, wholeAxis } from './axis.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';

/** One line: values by round, in order. */
export type ChartLine = { name: string; points: { round: number; value: number }[] };

export type Chart = {
  title: string;
  /** What the value is, for who does not know it. */
  explanation: string;
  lines: ChartLine[];
  /** Drawn over the others. null: there is one line only. */
  mean: ChartLine | null;
  format: (value: number) => string;
  /** The last round of the run. */
  lastRound: number;
};

const WIDTH = 400;
const HEIGHT = 230;
const LEFT = 62;
const RIGHT = 10;
const TOP = 12;
const BOTTOM = 38;

/** Lines have this many looks (`line-1` …) before they begin again. */
export const LINE_LOOKS = 6;

/** More points are not marked one by one. */
const MOST_MARKED = 25;

/** A chart as one SVG image in a figure; the numbers stand in a table elsewhere. */
export function lineChart(chart: Chart): Html {
  const { title, explanation, lines, mean, format, lastRound } = chart;
  const all = [...lines, ...(mean === null ? [] : [mean])];
  const points = all.flatMap((line) => line.points);
  if (points.length === 0) return html``;
  const firstRound = Math.min(...points.map(({ round }) => round));
  const y = axisFor(
    points.map(({ value }) => value),
    4,
  );
  const x = wholeAxis(firstRound, lastRound, 5);
  const atX = (round: number) => px(LEFT + ((round - x.from) / (x.to - x.from)) * (WIDTH - LEFT - RIGHT));
  const atY = (value: number) =>
    px(HEIGHT - BOTTOM - ((value - y.from) / (y.to - y.from)) * (HEIGHT - TOP - BOTTOM));
  const drawLine = (line: ChartLine, look: string) => {
    const path = line.points.map(
      ({ round, value }, i) => `${i === 0 ? 'M' : 'L'}${atX(round)} ${atY(value)}`,
    );
    const marks = line.points.length <= MOST_MARKED ? line.points : [];
    return html`<g class="line ${look}">
      <path d="${path.join('')}"></path>
      ${marks.map(
        ({ round, value }) =>
          html`<circle cx="${atX(round)}" cy="${atY(value)}" r="3">
            <title>${line.name}, round ${round}: ${format(value)}</title>
          </circle>`,
      )}
    </g>`;
  };
  const drawn = lines.map((line, i) => drawLine(line, lookOf(i)));
  return html`<figure class="card">
    <figcaption>
      <h3>${title}</h3>
      <p>${explanation}</p>
    </figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title} by round. ${describe(chart)}">
      ${y.ticks.map(
        (tick) =>
          html`<line
              class="grid"
              x1="${LEFT}"
              x2="${WIDTH - RIGHT}"
              y1="${atY(tick)}"
              y2="${atY(tick)}"
            ></line>
            <text class="tick" x="${LEFT - 7}" y="${atY(tick)}" dy="0.35em" text-anchor="end">
              ${format(tick)}
            </text>`,
      )}
      ${x.ticks.map(
        (tick) =>
          html`<text class="tick" x="${atX(tick)}" y="${HEIGHT - BOTTOM + 17}" text-anchor="middle"
            >${tick}</text
          >`,
      )}
      <text class="tick" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 4}" text-anchor="middle">round</text>
      ${drawn} ${mean === null ? html`` : drawLine(mean, 'mean')}
    </svg>
    ${mean === null ? html`` : legend(lines)}
  </figure>`;
}

/** The class of a line's look. */
function lookOf(index: number): string {
  return `line-${(index % LINE_LOOKS) + 1}`;
}

function legend(lines: readonly ChartLine[]): Html {
  const entry = (name: string, look: string) =>
    html`<li>
      <svg viewBox="0 0 26 10" aria-hidden="true">
        <g class="line ${look}"><path d="M1 5L25 5"></path></g>
      </svg>
      ${name}
    </li>`;
  return html`<ul class="legend">
    ${lines.map(({ name }, i) => entry(name, lookOf(i)))} ${entry('mean', 'mean')}
  </ul>`;
}

/** Where each line starts and ends, for who cannot see it. */
function describe({ lines, mean, format }: Chart): string {
  return [...(mean === null ? [] : [mean]), ...lines]
    .flatMap(({ name, points }) => {
      const [first, last] = [points[0], points.at(-1)];
      if (first === undefined || last === undefined) return [];
      return `${name}: from ${format(first.value)} in round ${first.round} to ${format(last.value)} in round ${last.round}.`;
    })
    .slice(0, 8)
    .join(' ');
}

function px(value: number): number {
  return Number(value.toFixed(1));
}
