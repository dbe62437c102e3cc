import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import { DataTable } from './DataTable.tsx';

export type ChartPoint = {
  round: number;
  value: number | null;
  /** How far off the value may be, same unit: a band around the line, and ± beside the number. */
  margin?: number;
};

export type LineChartProps = {
  title: string;
  points: readonly ChartPoint[];
  /** The last round of the run, so that the chart shows how much is still to come. */
  roundCount: number;
  formatValue: (value: number) => string;
  series?: 1 | 2;
  /** Fixed ends of the value axis; otherwise they follow the data. */
  valueRange?: readonly [number, number];
  texts: {
    round: string;
    value: string;
    /** One sentence that says what the chart shows, for who cannot see it. */
    summary: string;
    showTable: string;
    empty: string;
  };
};

const HEIGHT = 220;

type KnownPoint = ChartPoint & { value: number };

/** One value over rounds: a canvas, a line that reads the point under the cursor, and the same numbers as a table. */
export function LineChart(props: LineChartProps) {
  const { title, points, formatValue, texts } = props;
  const formatPoint = ({ value, margin }: KnownPoint) =>
    margin === undefined ? formatValue(value) : `${formatValue(value)} ± ${formatValue(margin)}`;
  const shown = points.filter((point): point is KnownPoint => point.value !== null);
  const [hovered, setHovered] = useState<number | null>(null);
  const read = (hovered === null ? undefined : shown[hovered]) ?? shown.at(-1);
  return (
    <figure className="ch-chart">
      <figcaption className="ch-chart-head">
        <span className="ch-chart-title">{title}</span>
        {read !== undefined && (
          <span className="ch-chart-readout">
            {texts.round} {read.round}: {formatPoint(read)}
          </span>
        )}
      </figcaption>
      {shown.length === 0 ? (
        <div className="ch-chart-plot ch-chart-empty">{texts.empty}</div>
      ) : (
        <>
          <Plot {...props} shown={shown} onHover={setHovered} />
          <details className="ch-details">
            <summary>
              {texts.showTable}
              <span className="ch-visually-hidden">: {title}</span>
            </summary>
            <DataTable
              caption={title}
              columns={[
                { header: texts.round, cell: (point) => point.round },
                { header: texts.value, align: 'end', cell: formatPoint },
              ]}
              rows={shown}
              rowKey={(point) => point.round}
              empty={texts.empty}
              tall
            />
          </details>
        </>
      )}
    </figure>
  );
}

type PlotProps = LineChartProps & { shown: readonly KnownPoint[]; onHover: (index: number | null) => void };

function Plot({ shown, roundCount, series = 1, valueRange, formatValue, onHover, texts }: PlotProps) {
  const plot = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const formatter = useRef(formatValue);
  const darkMode = useDarkMode();
  const [low, high] = valueRange ?? [null, null];
  // As text, because callers build new arrays and functions on every render and only other numbers need a new line.
  const data = JSON.stringify([
    shown.map((point) => point.round),
    shown.map((point) => point.value),
    shown.map((point) => point.value - (point.margin ?? 0)),
    shown.map((point) => point.value + (point.margin ?? 0)),
  ]);

  useEffect(() => {
    formatter.current = formatValue;
  });

  useEffect(() => {
    const element = plot.current;
    if (element === null) return;
    const made = new uPlot(
      // Canvas colours are read once, so another colour scheme needs another chart.
      chartOptions(element, {
        roundCount,
        series,
        valueRange: low === null || high === null ? null : [low, high],
        formatValue: (value) => formatter.current(value),
        onHover,
      }),
      [[], [], [], []],
      element,
    );
    chart.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [darkMode, roundCount, series, low, high, onHover]);

  useEffect(() => {
    chart.current?.setData(JSON.parse(data) as [number[], number[], number[], number[]]);
  }, [data, darkMode, roundCount, series, low, high, onHover]);

  return <div ref={plot} className="ch-chart-plot" role="img" aria-label={texts.summary} />;
}

type OptionInputs = {
  roundCount: number;
  series: 1 | 2;
  valueRange: readonly [number, number] | null;
  formatValue: (value: number) => string;
  onHover: (index: number | null) => void;
};

function chartOptions(element: HTMLElement, inputs: OptionInputs): uPlot.Options {
  const styles = getComputedStyle(element);
  const color = (name: string) => styles.getPropertyValue(name).trim();
  const muted = color('--ch-text-muted');
  const grid = { stroke: color('--ch-line'), width: 1 };
  const line = color(`--ch-series-${inputs.series}`);
  const font = `13px ${color('--ch-font')}`;
  const { valueRange } = inputs;
  return {
    width: Math.max(120, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    padding: [10, 14, 0, 0],
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 9 } },
    scales: {
      x: { time: false, range: () => [0, Math.max(1, inputs.roundCount)] },
      y: valueRange === null ? {} : { range: () => [valueRange[0], valueRange[1]] },
    },
    axes: [
      {
        stroke: muted,
        font,
        grid: { show: false },
        ticks: grid,
        size: 34,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000],
      },
      {
        stroke: muted,
        font,
        grid,
        ticks: { show: false },
        size: 62,
        values: (_chart, values) => values.map((value) => inputs.formatValue(value)),
      },
    ],
    series: [
      {},
      { stroke: line, width: 2, points: { show: true, size: 6, fill: line, stroke: line } },
      // The two ends of the margin, drawn as the band between them only
      { width: 0, points: { show: false } },
      { width: 0, points: { show: false } },
    ],
    bands: [{ series: [3, 2], fill: color(`--ch-band-${inputs.series}`) }],
    hooks: { setCursor: [(chart) => inputs.onHover(chart.cursor.idx ?? null)] },
  };
}

/** Canvas colours are read once, so the chart is drawn again when the system changes between light and dark. */
function useDarkMode(): boolean {
  const [dark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const onChange = () => setDark(query.matches);
    query.addEventListener('change', onChange);
    return () => query.removeEventListener('change', onChange);
  }, []);
  return dark;
}
