/** The whole style of a report; colours are those of the program's pages. */
export const REPORT_STYLE = `
:root {
  color-scheme: light;
  --background: #f5f4ef; --surface: #ffffff; --sunk: #efede5;
  --text: #1b2225; --muted: #536067; --line: #dbd8cd; --accent: #0d5b6b; --focus: #1463d8;
  --line-1: #a64b14; --line-2: #4b5fb0; --line-3: #1b673c; --line-4: #94397a; --line-5: #7d6100; --line-6: #5a6a72;
}
@media (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --background: #10161a; --surface: #182024; --sunk: #212b30;
    --text: #e8eced; --muted: #a6b3b8; --line: #303c42; --accent: #72c7d5; --focus: #8ab8ff;
    --line-1: #f0a673; --line-2: #a9b6f5; --line-3: #84d3a3; --line-4: #e79fd2; --line-5: #e0c766; --line-6: #a6b3b8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 1.5rem 1rem 4rem; background: var(--background); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif;
}
main, header { max-width: 68rem; margin: 0 auto; }
h1 { font-size: clamp(1.6rem, 1.3rem + 1.5vw, 2.2rem); line-height: 1.2; margin: 0 0 0.5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0.75rem; }
h3 { font-size: 1.05rem; margin: 0; }
p { margin: 0.25rem 0; max-width: 46rem; }
figcaption p, .note { color: var(--muted); font-size: 0.9rem; }
.card { margin: 0; padding: 1rem; background: var(--surface); border: 1px solid var(--line); border-radius: 10px; }
.stats { display: grid; gap: 0.75rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 12.5rem), 1fr)); margin: 1.5rem 0 0; }
.stats dt { color: var(--muted); font-size: 0.9rem; }
.stats dd { margin: 0; font-size: 1.3rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.stats small { display: block; white-space: normal; color: var(--muted); font-size: 0.85rem; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); }
.charts svg { display: block; width: 100%; height: auto; margin-top: 0.5rem; }
.grid { stroke: var(--line); stroke-width: 1; }
.tick { fill: var(--muted); font-size: 12px; }
@media (max-width: 30rem) { .tick { font-size: 15px; } }
.line path { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.line circle { stroke: none; }
.line-1 { stroke: var(--line-1); fill: var(--line-1); } .line-1 path { stroke-dasharray: 6 3; }
.line-2 { stroke: var(--line-2); fill: var(--line-2); } .line-2 path { stroke-dasharray: 2 3; }
.line-3 { stroke: var(--line-3); fill: var(--line-3); } .line-3 path { stroke-dasharray: 8 3 2 3; }
.line-4 { stroke: var(--line-4); fill: var(--line-4); } .line-4 path { stroke-dasharray: 4 2; }
.line-5 { stroke: var(--line-5); fill: var(--line-5); } .line-5 path { stroke-dasharray: 10 4; }
.line-6 { stroke: var(--line-6); fill: var(--line-6); } .line-6 path { stroke-dasharray: 1 2; }
.mean { stroke: var(--accent); fill: var(--accent); } .mean path { stroke-width: 3; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin: 0.5rem 0 0; padding: 0; list-style: none; font-size: 0.9rem; }
.charts .legend svg { display: inline-block; width: 26px; height: 10px; margin: 0; vertical-align: middle; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; background: var(--surface); }
.scroll:focus-visible, summary:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.scroll.tall { max-height: 26rem; overflow-y: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
caption { padding: 0.6rem 0.75rem 0; text-align: left; color: var(--muted); }
th, td { padding: 0.45rem 0.75rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
thead th { color: var(--muted); font-weight: 600; vertical-align: bottom; }
tbody tr:last-child > *, tfoot tr:last-child > * { border-bottom: 0; }
tfoot { background: var(--sunk); font-weight: 600; }
tfoot td { border-top: 1px solid var(--line); }
pre { margin: 0; padding: 0.75rem 1rem; font: 0.85rem/1.5 ui-monospace, 'Cascadia Mono', 'Liberation Mono', monospace; }
details { margin-top: 0.75rem; }
summary { cursor: pointer; padding: 0.35rem 0; color: var(--accent); font-weight: 600; }
`;
